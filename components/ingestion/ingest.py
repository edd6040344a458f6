"""The Beam part of ingestion: files to blocks, to partitions of users, to shards of examples.

Elements are blocks of rows, never rows. Only Create, ParDo and GroupByKey are used, and nothing is
emitted outside `process`, so that engines which know little more than that run it. The workers'
modules do not import TensorFlow, which would triple the start of a worker process.
"""

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pandas as pd
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from pydantic import BaseModel

from components.config import DataConfig, SessionsConfig, SplitConfig
from components.errors import DataError
from components.ingestion.canonical import INTERACTIONS, canonicalise
from components.ingestion.dead_letters import write_letters
from components.ingestion.files import PARTIAL, write_atomically
from components.ingestion.histories import to_records
from components.ingestion.log_reader import read_blocks
from components.ingestion.sessionize import sessionize
from components.ingestion.shards import write_shard
from components.ingestion.splits import cut_times, global_time, last_session
from components.ingestion.summary import LogCounts, PartitionCounts, Summary
from model import features

COUNTS = b"log_counts"


class IngestConfig(BaseModel):
    """The sections of the config that decide what ingestion writes."""

    data: DataConfig
    sessions: SessionsConfig
    split: SplitConfig


@beam.typehints.with_input_types(tuple[int, str])
@beam.typehints.with_output_types(tuple[int, bytes])
class ReadLog(beam.DoFn):
    """A file to (partition, interactions as an Arrow stream), one for each block and partition.

    Each stream carries its block's counts, so that every partition sees those of the whole log
    (the cuts need its last time) without a second pass or a side input.
    """

    def __init__(self, config: IngestConfig, uri: str):
        self.config, self.uri = config, uri

    def process(self, element: tuple[int, str]) -> Iterator[tuple[int, bytes]]:
        """Read the file of `element`, (index, path), one block at a time."""
        index, path = element
        partitions = self.config.sessions.partitions
        try:
            for block in read_blocks(path, self.config.data.columns):
                table, letters, counts = canonicalise(block, path, self.config.data)
                write_letters(letters, self.uri, index)
                yield from partition(table, counts, partitions)
        except DataError as error:
            # Raised by the executor: Beam would bury the message in a worker's stack trace.
            nothing = INTERACTIONS.empty_table()
            yield from partition(nothing, LogCounts(error=str(error)), partitions)


def partition(table: pa.Table, counts: LogCounts, partitions: int) -> Iterator[tuple[int, bytes]]:
    """(partition, Arrow stream of its rows), one for each partition, also where it has no row.

    A user's partition is a hash of the id that is the same in every process.
    """
    users = table[features.USER_ID].combine_chunks().dictionary_encode()
    hashes = pd.util.hash_array(users.dictionary.to_numpy(zero_copy_only=False))
    of_row = (hashes % np.uint64(partitions)).astype(np.int64)[users.indices.to_numpy()]
    by_partition = table.take(pa.array(np.argsort(of_row, kind="stable")))
    ends = np.cumsum(np.bincount(of_row, minlength=partitions))
    tagged = by_partition.replace_schema_metadata({COUNTS: counts.model_dump_json()})
    for key, (start, end) in enumerate(zip(np.append(0, ends), ends, strict=False)):
        yield key, _to_stream(tagged.slice(start, end - start))


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(int)
class WriteShards(beam.DoFn):
    """All interactions of a partition's users to its shard of each split; emits the partition."""

    def __init__(self, config: IngestConfig, uri: str):
        self.config, self.uri = config, uri

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[int]:
        """Write the shards and the summary of `element`, (partition, Arrow streams)."""
        key, streams = element
        tables = [pa.ipc.open_stream(stream).read_all() for stream in streams]
        log = LogCounts.total(
            [LogCounts.model_validate_json(table.schema.metadata[COUNTS]) for table in tables]
        )
        rows = pa.concat_tables([table.replace_schema_metadata() for table in tables])
        summary = self._write(key, rows, log)
        with write_atomically(_part(self.uri, key), self.uri) as file:
            file.write(summary.model_dump_json().encode())
        yield key

    def _write(self, key: int, rows: pa.Table, log: LogCounts) -> Summary:
        limits, split = self.config.sessions, self.config.split
        cuts: dict[str, int] = {}
        sessions = sessionize(rows, limits.gap_minutes * 60)
        if split.protocol == "last-session":
            splits = last_session(sessions, split.min_sessions)
            kept = len(splits[features.TEST_SPLIT].users)
        else:
            # With no usable row in the whole log any cut will do.
            cuts = cut_times(log.latest or 0, split)
            splits, kept = global_time(sessions, **cuts), len(sessions.user_ids)
        counts = {}
        for name, selected in splits.items():
            records, counts[name] = to_records(sessions, selected, limits)
            write_shard(records, self.uri, name, key, limits.partitions)
        users = PartitionCounts(
            users=len(sessions.user_ids),
            sessions=len(sessions.user),
            engaged_sessions=len(np.unique(sessions.session[sessions.engaged])),
            duplicates_merged=int(np.sum(sessions.first != np.arange(len(sessions.first)))),
            users_left_out=len(sessions.user_ids) - kept,
            splits=counts,
        )
        return Summary(log=log, users=users, cuts=cuts)


def ingest(pipeline: beam.Pipeline, paths: list[str], config: IngestConfig, uri: str) -> None:
    """Add the reading of `paths` and the writing of shards under `uri` to the pipeline."""
    _ = (
        pipeline
        | "Paths" >> beam.Create(list(enumerate(paths)))
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


def _to_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
