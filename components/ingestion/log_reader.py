"""Find the files of a log, check them, and read them one block at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from apache_beam.io.filesystems import FileSystems

from components.config import Columns
from components.errors import DataError
from components.ingestion.column_types import needed_type
from components.ingestion.formats import format_of
from components.ingestion.formats.block import Block, Contents

# A damaged schema can hold names that are no text.
UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True)
class Part:
    """A stretch of a file that one worker reads.

    Attributes:
      file: index of the file in the log.
      path: of the file.
      start, stop: the format's units, from and to before.
    """

    file: int
    path: str
    start: int
    stop: int


def check_log(patterns: Sequence[str], columns: Columns) -> list[Part]:
    """The log's parts in order, after the checks that need no pass over the rows.

    Args:
      patterns: paths or globs.
      columns: the log's names.

    Raises:
      DataError: a pattern matches no file, a file is empty or of another kind or unreadable, a
        mapped column is missing, stands twice or is of a type that cannot be used, or no file has a
        row.
    """
    files = []
    for pattern, matched in zip(patterns, FileSystems.match(list(patterns)), strict=True):
        if not matched.metadata_list:
            raise DataError(f"No file matches data.log = {pattern!r}.")
        files += matched.metadata_list
    for file in files:
        if not file.size_in_bytes:
            raise DataError(f"{file.path} is empty: no header and no rows.")
    paths = sorted({file.path for file in files})
    contents = [_inspect(path, columns) for path in paths]
    if not any(found.has_rows for found in contents):
        raise DataError(f"{', '.join(patterns)} has columns but no rows.")
    return [
        Part(index, path, start, stop)
        for index, (path, found) in enumerate(zip(paths, contents, strict=True))
        for start, stop in found.parts
    ]


def read_blocks(part: Part, columns: Columns) -> Iterator[Block]:
    """The blocks of one part, in order.

    Raises:
      DataError: the file cannot be read to its end.
    """
    try:
        yield from format_of(part.path).read(part.path, part.start, part.stop, columns.names)
    except UNREADABLE as error:
        raise DataError(f"{part.path} cannot be read: {error}") from error


def _inspect(path: str, columns: Columns) -> Contents:
    try:
        found = format_of(path).inspect(path)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    for field, name in columns.names.items():
        setting = f"data.columns.{'further' if field in columns.further else field}"
        types = [kind for column, kind in found.columns if column == name]
        if not types:
            raise DataError(
                f"{path} has no column {name!r}, which {setting} names. "
                f"Columns found: {', '.join(column for column, _ in found.columns)}."
            )
        if len(types) > 1:
            raise DataError(
                f"{path} has {len(types)} columns {name!r}, which {setting} names; rename or "
                "remove all but one."
            )
        [kind] = types
        needed = None if kind is None else needed_type(field, kind)
        if needed:
            raise DataError(
                f"Column {name!r} of {path}, which {setting} names, is of type {kind}; write it as "
                f"{needed}."
            )
    return found
