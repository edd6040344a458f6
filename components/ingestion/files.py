"""Atomic writes to any file system that Beam knows."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

PARTIAL = ".partial"


@contextmanager
def write_atomically(path: str, uri: str) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` only once it is complete; its folder must exist.

    Args:
      path: where the file is wanted, in the artifact at `uri`.
      uri: the artifact, whose `.partial` holds the file meanwhile: readers of a split take every
        file of the split's folder.
    """
    partial = FileSystems.join(uri, PARTIAL, uuid.uuid4().hex)
    with FileSystems.create(partial, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        yield file
    FileSystems.rename([partial], [path])
