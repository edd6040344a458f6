"""What ingestion refuses, told from its summary."""

from datetime import UTC, date, datetime

from components.ingestion.ingest import IngestConfig
from components.ingestion.splits import SECONDS_PER_DAY
from components.ingestion.summary import LogCounts, Summary
from model import features

# Seconds read in a finer unit all fall into the first weeks of 1970.
YEAR_1971 = 31_536_000


def complaint(summary: Summary, config: IngestConfig) -> str | None:
    """The first reason not to accept what was ingested, for the user to read, or None."""
    return (
        summary.log.error
        or _wrong_unit(summary.log, config)
        or _calendar_days(summary.log, config)
        or _bad_rows(summary.log, config)
        or _no_rows(summary.log)
        or _no_engagement(summary)
        or _empty_split(summary, config)
    )


def _wrong_unit(log: LogCounts, config: IngestConfig) -> str | None:
    unit = config.data.timestamp_unit
    for finer, count in log.in_finer_unit.items():
        if 2 * count > log.rows_read:
            return (
                f"{count} of {log.rows_read} timestamps lie past 2100 as {unit}, but fit as "
                f"{finer}: set data.timestamp_unit to {finer!r} (it is {unit!r})."
            )
    if unit != "s" and log.latest is not None and log.latest < YEAR_1971:
        return (
            f"All timestamps lie in 1970 as {unit}: set data.timestamp_unit to a coarser unit, "
            f"such as 's' (it is {unit!r})."
        )
    return None


def _calendar_days(log: LogCounts, config: IngestConfig) -> str | None:
    if config.data.timestamp_unit != "s" or not (_is_day(log.earliest) and _is_day(log.latest)):
        return None
    return (
        f"The timestamps, {log.earliest} to {log.latest}, are calendar days written as "
        "numbers; as unix seconds they all lie in August 1970. Write them as text like 2026-01-31, "
        "or as unix seconds."
    )


def _is_day(number: int | None) -> bool:
    """Whether the number reads as year, month and day: eight digits, from 1970 to before 2100."""
    try:
        return 1970 <= date.fromisoformat(str(number)).year < 2100
    except ValueError:
        return False


def _bad_rows(log: LogCounts, config: IngestConfig) -> str | None:
    bad, allowed = sum(log.dead_letters.values()), config.data.max_bad_rows
    if bad <= allowed * log.rows_read:
        return None
    most_common = sorted(log.dead_letters.items(), key=lambda item: (-item[1], item[0]))
    reasons = ", ".join(f"{reason}: {count}" for reason, count in most_common)
    return (
        f"{bad} of {log.rows_read} rows of {config.data.log} cannot be used ({reasons}), which is "
        f"more than data.max_bad_rows = {allowed} allows."
    )


def _no_rows(log: LogCounts) -> str | None:
    if log.rows_used:
        return None
    return (
        f"None of the log's {log.rows_read} rows is left: {sum(log.dead_letters.values())} cannot "
        f"be used and {log.rows_ignored} have an event that data.events.ignored lists."
    )


def _no_engagement(summary: Summary) -> str | None:
    if summary.users.engaged_sessions:
        return None
    return (
        f"None of the {summary.log.rows_used} rows that can be used is an engagement, "
        "which is what is predicted: data.events.exposed lists all their events, or "
        "data.events.engaged none."
    )


def _empty_split(summary: Summary, config: IngestConfig) -> str | None:
    needed = (features.TRAIN_SPLIT, features.EVAL_SPLIT, features.TEST_SPLIT)
    empty = [name for name in needed if not summary.users.splits[name]["examples"]]
    split, log = config.split, summary.log
    if not empty or log.earliest is None or log.latest is None:
        return None
    if split.protocol == "last-session":
        return (
            f"None of the {summary.users.users} users has split.min_sessions = "
            f"{split.min_sessions} sessions with an engagement."
        )
    span = (log.latest + 1 - log.earliest) / SECONDS_PER_DAY
    return (
        f"The {' and '.join(empty)} split would be empty: the log spans {span:.1f} days, "
        f"{_day(log.earliest)} to {_day(log.latest)}, of which split.test_days = "
        f"{split.test_days:g} and before them split.eval_days = {split.eval_days:g} are held out "
        "for the first sessions that have an engagement and start in them."
    )


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
