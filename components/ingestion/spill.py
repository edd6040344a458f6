"""Interactions on their way to the worker of their users: on disk, so that no engine holds them.

A block of the log becomes one Arrow file with a record batch for each bucket of users. A partition
is `BUCKETS` buckets in a row, which its worker reads as many at a time as it may hold.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from pydantic import BaseModel

from components.config import SessionsConfig
from components.ingestion.files import PARTIAL, write_atomically
from components.ingestion.formats.block import open_raw
from components.ingestion.heavy_users import FEWEST_ROWS, keep_recent
from components.ingestion.summary import LogCounts
from model import features

BUCKETS = 32


class Piece(BaseModel):
    """Where one block's interactions of one partition are.

    Attributes:
      path: the Arrow file; None if the block could not be read.
      rows: [BUCKETS] how many rows each bucket of the partition has.
      log: the whole block's counts. Each partition gets those of every block: it needs the log's
        last time for the cuts, without a second pass or a side input.
    """

    path: str | None
    rows: list[int]
    log: LogCounts


def spill(
    table: pa.Table, log: LogCounts, name: str, uri: str, partitions: int
) -> Iterator[tuple[int, Piece]]:
    """Write a block to disk; yields (partition, piece) for each partition.

    Args:
      table: of the block, as `canonical.interactions_schema` says.
      log: the block's counts.
      name: of the block, so that a retried bundle overwrites its own.
      uri: the artifact, whose storage all workers share.
      partitions: how many there are.
    """
    order, rows = _by_bucket(table, partitions)
    columns = [column.combine_chunks() for column in table.take(pa.array(order)).columns]
    ordered = pa.RecordBatch.from_arrays(columns, schema=table.schema)
    path = FileSystems.join(uri, PARTIAL, f"{name}.arrow")
    with (
        write_atomically(path, uri) as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        for start, count in zip(np.cumsum(rows) - rows, rows, strict=True):
            writer.write_batch(ordered.slice(start, count))
    for partition, of_partition in enumerate(rows.reshape(partitions, BUCKETS).tolist()):
        yield partition, Piece(path=path, rows=of_partition, log=log)


def passes(pieces: Sequence[Piece], limit: int) -> Iterator[range]:
    """The partition's buckets in runs of at most `limit` rows, or of one bucket."""
    rows = np.sum([piece.rows for piece in pieces], axis=0)  # [BUCKETS]
    first = total = 0
    for bucket, count in enumerate(rows):
        if bucket > first and total + count > limit:
            yield range(first, bucket)
            first = bucket
            total = 0
        total += count
    yield range(first, BUCKETS)


def load(
    pieces: Sequence[Piece],
    partition: int,
    buckets: range,
    schema: pa.Schema,
    limits: SessionsConfig,
    cuts: list[int],
) -> pa.Table:
    """All interactions of the users in some buckets of a partition, in no order.

    Args:
      pieces: of the partition.
      partition: its index.
      buckets: which of its buckets.
      schema: of the tables that were spilled.
      limits: how much of a user is kept, and how many rows are held before it is cut to that.
      cuts: unix seconds, ascending; see `keep_recent`.
    """
    user_limit = max(limits.max_sessions * limits.max_items, FEWEST_ROWS)
    batches: list[pa.RecordBatch] = []
    held = 0
    allowed = limits.rows_in_memory
    for piece in pieces:
        if piece.path is None or not any(piece.rows[bucket] for bucket in buckets):
            continue
        with open_raw(piece.path) as file, pa.ipc.open_file(file) as reader:
            some = [reader.get_batch(partition * BUCKETS + bucket) for bucket in buckets]
        batches += some
        held += sum(batch.num_rows for batch in some)
        if held > allowed:
            table = pa.Table.from_batches(batches, schema)
            batches = keep_recent(table, user_limit, cuts).to_batches()
            held = sum(batch.num_rows for batch in batches)
            # Where it is many users and not a heavy one, cutting again soon would be in vain.
            allowed = max(allowed, 2 * held)
    return keep_recent(pa.Table.from_batches(batches, schema), user_limit, cuts)


def _by_bucket(table: pa.Table, partitions: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows' order by bucket, and int64 [partitions * BUCKETS] how many each has.

    A user's bucket is a hash of the id that is the same in every process.
    """
    users = table[features.USER_ID].combine_chunks().dictionary_encode()
    hashes = pd.util.hash_array(users.dictionary.to_numpy(zero_copy_only=False))
    buckets = partitions * BUCKETS
    # The smallest type: up to 16 bits, numpy sorts in linear time.
    of_user = (hashes % np.uint64(buckets)).astype(np.min_scalar_type(buckets - 1))
    of_row = of_user[users.indices.to_numpy()]
    return np.argsort(of_row, kind="stable"), np.bincount(of_row, minlength=buckets)
