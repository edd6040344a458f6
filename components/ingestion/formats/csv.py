"""CSV with a header, plain or compressed."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from components.ingestion.formats.block import Block, BrokenRow, Contents, open_stream

BLOCK_BYTES = 16 << 20


def inspect(path: str) -> Contents:
    """The file's columns; a row that the first block lacks is looked for in the others."""
    broken: list[BrokenRow] = []
    with open_stream(path) as file:
        reader = _open(file, broken, pacsv.ConvertOptions())
        has_rows = any(batch.num_rows for batch in reader) or bool(broken)
        return Contents(dict.fromkeys(reader.schema.names), 1, has_rows)


def read(path: str, start: int, stop: int, names: Mapping[str, str]) -> Iterator[Block]:
    """All rows: a CSV file is one unit, for its quotes tell only from the start where rows end.

    Args:
      path: of the file.
      start: 0.
      stop: 1.
      names: the column of each field.
    """
    with open_stream(path) as file:
        yield from _blocks(file, names)


def _blocks(file: pa.NativeFile, names: Mapping[str, str]) -> Iterator[Block]:
    broken: list[BrokenRow] = []
    wanted = list(dict.fromkeys(names.values()))
    # Bytes, so that one value in another encoding costs its row and not the block.
    convert = pacsv.ConvertOptions(
        include_columns=wanted, column_types=dict.fromkeys(wanted, pa.large_binary())
    )
    read = reported = 0
    for batch in _open(file, broken, convert):
        at = np.array([row.number for row in broken], np.int64)
        good = np.arange(read, read + batch.num_rows)
        # The g-th good row (from 0) comes after every broken one with number - 1 - index <= g.
        skipped = np.searchsorted(at - 1 - np.arange(len(at)), good, side="right")
        read += batch.num_rows
        columns = {field: batch[name] for field, name in names.items()}
        yield Block(columns, 1 + good + skipped, broken[reported:])
        reported = len(broken)
    if broken[reported:]:
        empty = {field: pa.array([], pa.large_binary()) for field in names}
        yield Block(empty, np.array([], np.int64), broken[reported:])


def _open(
    file: pa.NativeFile, broken: list[BrokenRow], convert: pacsv.ConvertOptions
) -> pacsv.CSVStreamingReader:
    def note(row: pacsv.InvalidRow) -> str:
        lines = 1 + row.text.rstrip("\n").count("\n")
        # The header is row 1.
        broken.append(BrokenRow(row.number - 1, "wrong number of columns", row.text, lines))
        return "skip"

    return pacsv.open_csv(
        file,
        # Row numbers are known only when one thread reads.
        read_options=pacsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=pacsv.ParseOptions(invalid_row_handler=note, newlines_in_values=True),
        convert_options=convert,
    )
