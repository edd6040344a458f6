"""CSV with a header, plain or compressed."""

import codecs
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from components.ingestion.formats.block import WHOLE, Block, BrokenRow, Contents, open_stream

BLOCK_BYTES = 16 << 20
UTF8, LATIN1 = "utf-8", "latin-1"


def inspect(path: str) -> Contents:
    """The file's columns, and whether a row follows the header."""
    with open_stream(path) as file:
        head = file.read(BLOCK_BYTES)
        encoding = UTF8 if _all_utf8([head], is_whole=len(head) < BLOCK_BYTES) else LATIN1
    broken: list[BrokenRow] = []
    with _open_text(path, encoding) as file:
        reader = _open(file, broken, pacsv.ConvertOptions(), encoding)
        has_rows = any(batch.num_rows for batch in reader) or bool(broken)
        names = [name.encode(encoding).decode(errors="replace") for name in reader.schema.names]
        return Contents([(name, None) for name in names], WHOLE, has_rows)


def read(path: str, start: int, stop: int, names: Mapping[str, str]) -> Iterator[Block]:
    """All rows: a CSV file is one unit, for its quotes tell only from the start where rows end.

    Args:
      path: of the file.
      start: 0.
      stop: 1.
      names: the column of each field.
    """
    # pyarrow loses a broken row that is not UTF-8: such a file is read as if it were Latin-1, whose
    # every byte is a character, and the values turned back into their bytes.
    with open_stream(path) as file:
        chunks = iter(partial(file.read, BLOCK_BYTES), b"")
        encoding = UTF8 if _all_utf8(chunks, is_whole=True) else LATIN1
    with _open_text(path, encoding) as file:
        yield from _blocks(file, names, encoding)


def _all_utf8(chunks: Iterable[bytes], is_whole: bool) -> bool:
    """Whether the chunks, a whole file or the beginning of one, are UTF-8."""
    decoder = codecs.getincrementaldecoder(UTF8)()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=is_whole)
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def _open_text(path: str, encoding: str) -> Iterator[pa.NativeFile]:
    """The content without a byte order mark, which pyarrow itself leaves out of UTF-8 alone."""
    mark = b""
    if encoding == LATIN1:
        with open_stream(path) as file:
            mark = file.read(len(codecs.BOM_UTF8))
    with open_stream(path) as file:
        if mark == codecs.BOM_UTF8:
            file.read(len(mark))
        yield file


def _blocks(file: pa.NativeFile, names: Mapping[str, str], encoding: str) -> Iterator[Block]:
    broken: list[BrokenRow] = []
    names = {field: name.encode().decode(encoding) for field, name in names.items()}
    wanted = list(dict.fromkeys(names.values()))
    # Bytes, so that one value in another encoding costs its row and not the block.
    convert = pacsv.ConvertOptions(
        include_columns=wanted, column_types=dict.fromkeys(wanted, pa.large_binary())
    )
    read = reported = 0
    for batch in _open(file, broken, convert, encoding):
        at = np.array([row.number for row in broken], np.int64)
        good = np.arange(read, read + batch.num_rows)
        # The g-th good row (from 0) comes after every broken one with number - 1 - index <= g.
        skipped = np.searchsorted(at - 1 - np.arange(len(at)), good, side="right")
        read += batch.num_rows
        columns = {field: _bytes(batch[name], encoding) for field, name in names.items()}
        yield Block(columns, 1 + good + skipped, broken[reported:])
        reported = len(broken)
    if broken[reported:]:
        empty = {field: pa.array([], pa.large_binary()) for field in names}
        yield Block(empty, np.array([], np.int64), broken[reported:])


def _bytes(values: pa.Array, encoding: str) -> pa.Array:
    """The file's own bytes of values that were read in an encoding."""
    if encoding == UTF8:
        return values
    texts = values.cast(pa.large_string()).to_pylist()
    return pa.array([text.encode(encoding) for text in texts], pa.large_binary())


def _open(
    file: pa.NativeFile, broken: list[BrokenRow], convert: pacsv.ConvertOptions, encoding: str
) -> pacsv.CSVStreamingReader:
    def note(row: pacsv.InvalidRow) -> str:
        lines = 1 + row.text.rstrip("\n").count("\n")
        # The header is row 1.
        text = row.text.encode(encoding).decode(errors="backslashreplace")
        broken.append(BrokenRow(row.number - 1, "wrong number of columns", text, lines))
        return "skip"

    return pacsv.open_csv(
        file,
        # Row numbers are known only when one thread reads.
        read_options=pacsv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, encoding=encoding
        ),
        parse_options=pacsv.ParseOptions(invalid_row_handler=note, newlines_in_values=True),
        convert_options=convert,
    )
