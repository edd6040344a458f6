"""Find the files of a log, check them, and read them one block at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from components.config import Columns, DataConfig
from components.errors import DataError

ROWS_PER_BLOCK = 1 << 20
CSV_BLOCK_BYTES = 16 << 20
PARQUET_SUFFIXES = (".parquet", ".pq")
CSV_SUFFIXES = (".csv", ".csv.gz")


@dataclass(frozen=True)
class BrokenRow:
    """A CSV row that does not have the header's number of columns.

    An unclosed quote swallows the lines after it: `lines` counts all that the row took.
    """

    number: int
    text: str

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return 1 + self.text.rstrip("\n").count("\n")


@dataclass(frozen=True)
class Block:
    """Some consecutive rows of one file, with the source's own types.

    Attributes:
      columns: the fields that the config maps, by their name in `Columns`; each [rows].
      row_numbers: int64 [rows], 1 for the file's first data row.
      broken: rows of this stretch of the file that could not be split into columns.
    """

    columns: dict[str, pa.Array]
    row_numbers: np.ndarray
    broken: list[BrokenRow]


def mapped(columns: Columns) -> dict[str, str]:
    """The fields that the config maps, each with the log's name for it."""
    return {field: name for field, name in columns.model_dump().items() if name is not None}


def check_log(data: DataConfig) -> list[str]:
    """The log's files in order, after the checks that need no pass over the rows.

    Raises:
      DataError: no file matches, a file is empty or of another kind or unreadable, a mapped column
        is missing or of a type that cannot be used, or no file has a row.
    """
    matched = FileSystems.match([data.log])[0].metadata_list
    if not matched:
        raise DataError(f"No file matches data.log = {data.log!r}.")
    for file in matched:
        if not file.size_in_bytes:
            raise DataError(f"{file.path} is empty: no header and no rows.")
    paths = sorted(file.path for file in matched)
    has_rows = [_has_rows(path, data.columns) for path in paths]
    if not any(has_rows):
        raise DataError(f"{data.log} has columns but no rows.")
    return paths


def read_blocks(path: str, columns: Columns) -> Iterator[Block]:
    """The blocks of one file, in order.

    Raises:
      DataError: the file cannot be read to its end.
    """
    with FileSystems.open(path) as file:
        try:
            yield from (_parquet if _is_parquet(path) else _csv)(file, mapped(columns))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error


def _is_parquet(path: str) -> bool:
    if path.endswith(PARQUET_SUFFIXES):
        return True
    if path.endswith(CSV_SUFFIXES):
        return False
    raise DataError(f"{path} is neither {PARQUET_SUFFIXES} nor {CSV_SUFFIXES} by its name.")


def _has_rows(path: str, columns: Columns) -> bool:
    """Checks the columns of one file; returns whether it has any row."""
    with FileSystems.open(path) as file:
        try:
            if _is_parquet(path):
                parquet = pq.ParquetFile(file)
                schema, has_rows = parquet.schema_arrow, parquet.metadata.num_rows > 0
            else:
                broken: list[BrokenRow] = []
                reader = _open_csv(file, broken, pacsv.ConvertOptions())
                schema = reader.schema
                has_rows = any(batch.num_rows for batch in reader) or bool(broken)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
    _check_columns(path, schema, columns)
    return has_rows


def _check_columns(path: str, schema: pa.Schema, columns: Columns) -> None:
    for field, name in mapped(columns).items():
        setting = f"data.columns.{field}"
        if name not in schema.names:
            raise DataError(
                f"{path} has no column {name!r}, which {setting} names. "
                f"Columns found: {', '.join(schema.names)}."
            )
        if pa.types.is_nested(schema.field(name).type):
            raise DataError(
                f"Column {name!r} of {path}, which {setting} names, is of type "
                f"{schema.field(name).type}; one plain value a row is needed."
            )


def _parquet(file: BinaryIO, names: dict[str, str]) -> Iterator[Block]:
    first = 1
    wanted = list(dict.fromkeys(names.values()))
    for batch in pq.ParquetFile(file).iter_batches(ROWS_PER_BLOCK, columns=wanted):
        numbers = np.arange(first, first + batch.num_rows)
        first += batch.num_rows
        yield Block({field: batch[name] for field, name in names.items()}, numbers, [])


def _csv(file: BinaryIO, names: dict[str, str]) -> Iterator[Block]:
    broken: list[BrokenRow] = []
    wanted = list(dict.fromkeys(names.values()))
    # Bytes, so that one value in another encoding costs its row and not the block.
    convert = pacsv.ConvertOptions(
        include_columns=wanted, column_types=dict.fromkeys(wanted, pa.large_binary())
    )
    read = reported = 0
    for batch in _open_csv(file, broken, convert):
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


def _open_csv(
    file: BinaryIO, broken: list[BrokenRow], convert: pacsv.ConvertOptions
) -> pacsv.CSVStreamingReader:
    def note(row: pacsv.InvalidRow) -> str:
        broken.append(BrokenRow(row.number - 1, row.text))  # the header is row 1
        return "skip"

    return pacsv.open_csv(
        file,
        # Row numbers are known only when one thread reads.
        read_options=pacsv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES),
        parse_options=pacsv.ParseOptions(invalid_row_handler=note, newlines_in_values=True),
        convert_options=convert,
    )
