"""What every format gives: what is in a file, and its rows a block at a time."""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

WHOLE = [(0, 1)]
ROWS_PER_BLOCK = 1 << 19
CODECS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Contents:
    """What can be told of a file without a pass over its rows.

    Attributes:
      columns: (name, type) of each, a name perhaps more than once; the type is None where the
        format has none or rows disagree.
      parts: pieces worth reading on their own, as (start, stop) of the format's units.
      has_rows: whether there is any row, also a broken one.
    """

    columns: list[tuple[str, pa.DataType | None]]
    parts: list[tuple[int, int]]
    has_rows: bool


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be split into columns.

    Attributes:
      number: 1 for the file's first data row.
      reason: what is wrong with it.
      text: the row, or what of it can be shown.
      lines: lines of the file that it took; an unclosed quote swallows those after it.
    """

    number: int
    reason: str
    text: str | None
    lines: int = 1


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


def open_raw(path: str) -> BinaryIO:
    """The file's own bytes."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def open_stream(path: str) -> pa.NativeFile:
    """The file's content, decompressed where its name says so."""
    codec = next((codec for suffix, codec in CODECS.items() if path.endswith(suffix)), None)
    # A local file is read without Python: a thread of Arrow that still reads ahead when the process
    # exits, after an error in the header, would wait for an interpreter that has ended, and abort.
    is_local = FileSystems.get_scheme(path) is None
    return pa.input_stream(path if is_local else open_raw(path), compression=codec)
