"""Parquet: read by row groups."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow.parquet as pq

from components.ingestion.formats.block import ROWS_PER_BLOCK, Block, Contents, open_raw


def inspect(path: str) -> Contents:
    """The file's columns and row groups."""
    with open_raw(path) as file:
        parquet = pq.ParquetFile(file)
        columns = [(field.name, field.type) for field in parquet.schema_arrow]
        return Contents(columns, _parts(parquet.metadata), parquet.metadata.num_rows > 0)


def _parts(metadata: pq.FileMetaData) -> list[tuple[int, int]]:
    """Row groups in runs of about a block's rows."""
    parts = []
    start = rows = 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        if rows >= ROWS_PER_BLOCK or group + 1 == metadata.num_row_groups:
            parts.append((start, group + 1))
            start, rows = group + 1, 0
    return parts


def read(path: str, start: int, stop: int, names: Mapping[str, str]) -> Iterator[Block]:
    """The rows of the row groups from `start` to before `stop`.

    Args:
      path: of the file.
      start: first row group.
      stop: the row group after the last.
      names: the column of each field.
    """
    wanted = list(dict.fromkeys(names.values()))
    with open_raw(path) as file:
        parquet = pq.ParquetFile(file)
        groups = range(start, stop)
        first = 1 + sum(parquet.metadata.row_group(group).num_rows for group in range(start))
        for batch in parquet.iter_batches(ROWS_PER_BLOCK, row_groups=groups, columns=wanted):
            numbers = np.arange(first, first + batch.num_rows)
            first += batch.num_rows
            yield Block({field: batch[name] for field, name in names.items()}, numbers, [])
