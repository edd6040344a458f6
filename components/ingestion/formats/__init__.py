"""The forms that a log's files may have, told by their names."""

import re
from types import ModuleType

from components.errors import DataError
from components.ingestion.formats import csv, parquet, tfrecord

SUPPORTED = "*.parquet, *.pq, *.csv or *tfrecord*; the last two also with .gz or .zst at the end"
_FORMATS = {
    r"\.(parquet|pq)$": parquet,
    r"\.csv(\.gz|\.zst)?$": csv,
    r"tfrecords?[^/]*$": tfrecord,
}


def format_of(path: str) -> ModuleType:
    """The module that reads the file: its `inspect(path)` and `read(path, start, stop, names)`.

    Raises:
      DataError: no format has such a name.
    """
    for pattern, module in _FORMATS.items():
        if re.search(pattern, path):
            return module
    raise DataError(f"{path} is of no form that can be read, by its name: {SUPPORTED}.")
