"""What ingestion read, kept and dropped: counted in the workers, added up, stored and printed."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystems import FileSystems
from pydantic import BaseModel

from components.ingestion.dead_letters import DeadLetter
from components.ingestion.files import write_atomically

FILE = "ingestion.json"


class LogCounts(BaseModel):
    """Counts over rows of the log.

    Attributes:
      rows_read: all rows, dead letters and ignored events too.
      dead_letters: rows that cannot be used, by reason.
      earliest, latest: unix seconds of the rows used; None when there are none.
      in_finer_unit: rows whose time fits only if it is in this unit and not in the configured one.
      error: why a file could not be read to its end.
    """

    rows_read: int = 0
    rows_used: int = 0
    rows_ignored: int = 0
    dead_letters: dict[str, int] = {}
    earliest: int | None = None
    latest: int | None = None
    in_finer_unit: dict[str, int] = {}
    error: str | None = None

    @classmethod
    def of_block(
        cls,
        rows: int,
        used: pa.ChunkedArray,
        ignored: int,
        letters: list[DeadLetter],
        in_finer_unit: dict[str, int],
    ) -> "LogCounts":
        """Counts of one block; `used`: the times of its usable rows, in unix seconds."""
        reasons: Counter[str] = Counter()
        for letter in letters:
            reasons[letter.reason] += letter.lines
        times = pc.min_max(used).as_py()
        return cls(
            rows_read=rows,
            rows_used=len(used),
            rows_ignored=ignored,
            dead_letters=reasons,
            earliest=times["min"],
            latest=times["max"],
            in_finer_unit=in_finer_unit,
        )

    @classmethod
    def total(cls, parts: list["LogCounts"]) -> "LogCounts":
        """The counts of several blocks together."""
        return cls(
            rows_read=sum(part.rows_read for part in parts),
            rows_used=sum(part.rows_used for part in parts),
            rows_ignored=sum(part.rows_ignored for part in parts),
            dead_letters=add(part.dead_letters for part in parts),
            earliest=min((p.earliest for p in parts if p.earliest is not None), default=None),
            latest=max((p.latest for p in parts if p.latest is not None), default=None),
            in_finer_unit=add(part.in_finer_unit for part in parts),
            error=next((part.error for part in parts if part.error), None),
        )


class PartitionCounts(BaseModel):
    """Counts over the users of one partition.

    Attributes:
      duplicates_merged: repeated rows, as `sessions.dedupe` has it.
      engaged_sessions: sessions with at least one engagement.
      rows_of_heavy_users_dropped: rows that `heavy_users` leaves out.
      users_left_out: users with too few engaged sessions (`last-session`).
      splits: by split, `examples`, `sessions`, `events`, `empty_histories`, `target_items`,
        `truncated_sessions` and `truncated_events`.
    """

    users: int = 0
    sessions: int = 0
    engaged_sessions: int = 0
    duplicates_merged: int = 0
    users_left_out: int = 0
    rows_of_heavy_users_dropped: int = 0
    splits: dict[str, dict[str, int]] = {}

    @classmethod
    def total(cls, parts: list["PartitionCounts"]) -> "PartitionCounts":
        """The counts of several partitions together."""
        names = parts[0].splits if parts else {}
        return cls(
            **add(part.model_dump(exclude={"splits"}) for part in parts),
            splits={name: add(part.splits[name] for part in parts) for name in names},
        )


class Summary(BaseModel):
    """The whole of one ingestion; `cuts` in unix seconds, empty under `last-session`."""

    log: LogCounts
    users: PartitionCounts
    cuts: dict[str, int] = {}

    def describe(self) -> str:
        """A few lines for a person to read."""
        log, users = self.log, self.users
        reasons = "".join(f"\n  {reason}: {n:,}" for reason, n in sorted(log.dead_letters.items()))
        lines = [
            f"rows: {log.rows_read:,} read, {log.rows_used:,} used, {log.rows_ignored:,} ignored, "
            f"{sum(log.dead_letters.values()):,} dead letters{reasons}",
            f"users: {users.users:,} with {users.sessions:,} sessions, {users.engaged_sessions:,} "
            f"of them with an engagement; {users.users_left_out:,} users left out, "
            f"{users.duplicates_merged:,} repeats merged, {users.rows_of_heavy_users_dropped:,} "
            "older rows of heavy users dropped",
        ]
        for split, counts in users.splits.items():
            lines.append(
                f"{split}: {counts['examples']:,} examples with {counts['sessions']:,} sessions, "
                f"{counts['events']:,} events; cut off as too long: "
                f"{counts['truncated_sessions']:,} sessions, {counts['truncated_events']:,} events"
            )
        return "\n".join(lines)

    def properties(self) -> dict[str, int]:
        """The counts and times flat, as an artifact's custom properties."""
        log = self.log.model_dump(exclude={"dead_letters", "in_finer_unit", "error"})
        users = self.users.model_dump(exclude={"splits"})
        flat: dict[str, Any] = {**log, **users, **self.cuts}
        flat["dead_letters"] = sum(self.log.dead_letters.values())
        for reason, count in self.log.dead_letters.items():
            flat[f"dead_letters: {reason}"] = count
        for split, counts in self.users.splits.items():
            flat |= {f"{split}_{name}": count for name, count in counts.items()}
        return {name: value for name, value in flat.items() if value is not None}


def add(counts: Any) -> dict[str, int]:
    """Sum dicts of counts by key."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def write_summary(summary: Summary, uri: str) -> None:
    """Store the summary in the Examples artifact at `uri`."""
    with write_atomically(FileSystems.join(uri, FILE), uri) as file:
        file.write(summary.model_dump_json(indent=2).encode())


def read_summary(uri: str) -> Summary:
    """The summary of the Examples artifact at `uri`."""
    with FileSystems.open(FileSystems.join(uri, FILE)) as file:
        return Summary.model_validate_json(file.read())
