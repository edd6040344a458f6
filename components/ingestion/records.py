"""TFRecord's framing, without TensorFlow (tensorflow/core/lib/io/record_writer.h)."""

import struct
from collections.abc import Iterable, Iterator
from typing import Protocol

import google_crc32c


class Readable(Protocol):
    """A binary stream to read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, fewer only at the end."""


class Writable(Protocol):
    """A binary stream to write to."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""


def write_records(file: Writable, records: Iterable[bytes]) -> None:
    """Append records."""
    frames: list[bytes] = []
    for record in records:
        length = struct.pack("<Q", len(record))
        frames += (length, _masked_crc(length), record, _masked_crc(record))
    file.write(b"".join(frames))


def read_records(file: Readable) -> Iterator[bytes | None]:
    """The file's records; None for one whose checksum does not match.

    Raises:
      OSError: the file ends within a record, or a record's length is damaged, so that nothing
        after it can be found.
    """
    number = 0
    while header := file.read(12):
        number += 1
        if len(header) < 12 or _masked_crc(header[:8]) != header[8:]:
            raise OSError(f"the header of record {number} is damaged or cut off")
        [length] = struct.unpack("<Q", header[:8])
        record, checksum = file.read(length), file.read(4)
        if len(record) < length or len(checksum) < 4:
            raise OSError(f"the file ends within record {number}")
        yield record if _masked_crc(record) == checksum else None


def _masked_crc(data: bytes) -> bytes:
    """The checksum (tensorflow/core/lib/hash/crc32c.h)."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
