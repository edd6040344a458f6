"""The Beam part of ingestion: files to blocks, to partitions of users, to shards of examples.

Elements name files, of the log or of spilled blocks, and never hold rows. Only Create, ParDo and
GroupByKey are used, and nothing is emitted outside `process`, so that engines which know little
more than that run it. The workers' modules do not import TensorFlow, which would triple the start
of a worker process.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems
from pydantic import BaseModel

from components.config import DataConfig, SessionsConfig, SplitConfig
from components.errors import DataError
from components.ingestion.canonical import canonicalise, interactions_schema
from components.ingestion.dead_letters import FOLDER, write_letters
from components.ingestion.files import PARTIAL, write_atomically
from components.ingestion.histories import to_records
from components.ingestion.log_reader import Part, read_blocks
from components.ingestion.ordering import runs
from components.ingestion.sessionize import sessionize
from components.ingestion.shards import ShardWriter, split_name
from components.ingestion.spill import BUCKETS, Piece, load, passes, spill
from components.ingestion.splits import cut_times, global_time, last_session
from components.ingestion.summary import LogCounts, PartitionCounts, Summary
from model import features


class IngestConfig(BaseModel):
    """The sections of the config that decide what ingestion writes."""

    data: DataConfig
    sessions: SessionsConfig
    split: SplitConfig


@beam.typehints.with_input_types(Part)
@beam.typehints.with_output_types(tuple[int, str])
class ReadLog(beam.DoFn):
    """A part of the log to (partition, `Piece` as JSON), one for each block and partition."""

    def __init__(self, config: IngestConfig, uri: str):
        self.config, self.uri = config, uri

    def process(self, element: Part) -> Iterator[tuple[int, str]]:
        """Read the part one block at a time."""
        partitions = self.config.sessions.partitions
        try:
            for number, block in enumerate(read_blocks(element, self.config.data.columns)):
                name = f"{element.file:05d}-{element.start:05d}-{number:05d}"
                table, letters, counts = canonicalise(block, element.path, self.config.data)
                write_letters(letters, self.uri, name)
                for partition, piece in spill(table, counts, name, self.uri, partitions):
                    yield partition, piece.model_dump_json()
        except DataError as error:
            # Raised by the executor: Beam would bury the message in a worker's stack trace.
            piece = Piece(path=None, rows=[0] * BUCKETS, log=LogCounts(error=str(error)))
            for partition in range(partitions):
                yield partition, piece.model_dump_json()


@beam.typehints.with_input_types(tuple[int, Iterable[str]])
@beam.typehints.with_output_types(int)
class WriteShards(beam.DoFn):
    """All interactions of a partition's users to its shard of each split; emits the partition."""

    def __init__(self, config: IngestConfig, uri: str):
        self.config, self.uri = config, uri

    def process(self, element: tuple[int, Iterable[str]]) -> Iterator[int]:
        """Write the shards and the summary of `element`, (partition, pieces)."""
        partition, texts = element
        pieces = [Piece.model_validate_json(text) for text in texts]
        log = LogCounts.total([piece.log for piece in pieces])
        limits, split = self.config.sessions, self.config.split
        # With no usable row in the whole log any cut will do.
        cuts = cut_times(log.latest or 0, split) if split.protocol == "global-time" else {}
        with ExitStack() as stack:
            shards = {
                name: stack.enter_context(ShardWriter(self.uri, name, partition, limits.partitions))
                for name in features.SPLITS
            }
            users = PartitionCounts.total(
                [
                    self._write(pieces, partition, buckets, cuts, shards)
                    for buckets in passes(pieces, limits.rows_in_memory)
                ]
            )
        summary = Summary(log=log, users=users, cuts=cuts)
        with write_atomically(_part(self.uri, partition), self.uri) as file:
            file.write(summary.model_dump_json().encode())
        yield partition

    def _write(
        self,
        pieces: list[Piece],
        partition: int,
        buckets: range,
        cuts: dict[str, int],
        shards: dict[str, ShardWriter],
    ) -> PartitionCounts:
        """Write the records of the users in some of the partition's buckets."""
        limits, split = self.config.sessions, self.config.split
        schema = interactions_schema(self.config.data.columns)
        rows = load(pieces, partition, buckets, schema, limits, list(cuts.values()))
        sessions = sessionize(rows, limits.gap_minutes * 60)
        if split.protocol == "last-session":
            splits = last_session(sessions, split.min_sessions)
            kept = len(splits[features.TEST_SPLIT].users)
        else:
            splits, kept = global_time(sessions, **cuts), len(sessions.user_ids)
        counts = {}
        for name, selected in splits.items():
            records, counts[name] = to_records(sessions, selected, limits)
            shards[name].write(records)
        is_repeat = sessions.first != np.arange(len(sessions.first))
        is_merged = is_repeat if limits.dedupe == "item" else sessions.is_copy
        read = sum(piece.rows[bucket] for piece in pieces for bucket in buckets)
        return PartitionCounts(
            users=len(sessions.user_ids),
            sessions=len(sessions.user),
            engaged_sessions=len(runs(sessions.session[sessions.engaged])[0]),
            duplicates_merged=int(np.sum(is_merged)),
            users_left_out=len(sessions.user_ids) - kept,
            rows_of_heavy_users_dropped=read - rows.num_rows,
            splits=counts,
        )


def make_folders(uri: str) -> None:
    """Make the folders that ingestion writes into, below the artifact's."""
    for name in (*map(split_name, features.SPLITS), FOLDER, PARTIAL):
        folder = FileSystems.join(uri, name)
        if not FileSystems.exists(folder):
            FileSystems.mkdirs(folder)


def ingest(pipeline: beam.Pipeline, parts: list[Part], config: IngestConfig, uri: str) -> None:
    """Add the reading of the log's parts and the writing of shards under `uri` to the pipeline."""
    _ = (
        pipeline
        | "Parts" >> beam.Create(parts)
        | "Read" >> beam.ParDo(ReadLog(config, uri))
        | "ByPartition" >> beam.GroupByKey()
        | "Write" >> beam.ParDo(WriteShards(config, uri))
    )


def collect_summary(uri: str, partitions: int) -> Summary:
    """The summary of all partitions, once the pipeline has run."""
    parts = []
    for key in range(partitions):
        with FileSystems.open(_part(uri, key)) as file:
            parts.append(Summary.model_validate_json(file.read()))
    users = PartitionCounts.total([part.users for part in parts])
    return Summary(log=parts[0].log, users=users, cuts=parts[0].cuts)


def _part(uri: str, key: int) -> str:
    return FileSystems.join(uri, PARTIAL, f"summary-{key:05d}.json")
