"""Records to gzipped TFRecord files of tf.Examples, without TensorFlow."""

import gzip
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.files import write_atomically
from components.ingestion.records import write_record
from model import features

USERS_PER_BATCH = 4096


def split_name(split: str) -> str:
    """The folder where TFX looks for a split, in the Examples artifact."""
    return f"Split-{split}"


def split_folder(uri: str, split: str) -> str:
    """The same for the artifact at `uri`."""
    return FileSystems.join(uri, split_name(split))


class ShardWriter(AbstractContextManager["ShardWriter"]):
    """One partition's file of a split; no file appears when there is no record, or on an error."""

    def __init__(self, uri: str, split: str, shard: int, shards: int):
        name = f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
        self._path, self._uri = FileSystems.join(split_folder(uri, split), name), uri
        self._files = ExitStack()
        self._file: gzip.GzipFile | None = None
        self._encoder = RecordBatchToExamplesEncoder()

    def __exit__(self, *error: Any) -> bool | None:
        return self._files.__exit__(*error)

    def write(self, records: pa.RecordBatch) -> None:
        """Append records, columns as `schema.pbtxt`, one row a user.

        Raises:
          ValueError: the lengths of a user's sessions do not add up to the user's events. Readers
            would not notice where the errors of a batch even out, and give events to other users.
        """
        if not records.num_rows:
            return
        _check_lengths(records)
        if self._file is None:
            raw = self._files.enter_context(write_atomically(self._path, self._uri))
            # Without the time of writing, the same records make the same file.
            opened = gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0)
            self._file = self._files.enter_context(opened)
        for start in range(0, records.num_rows, USERS_PER_BATCH):
            for example in self._encoder.encode(records.slice(start, USERS_PER_BATCH)):
                write_record(self._file, _deterministic(example))


def _deterministic(example: bytes) -> bytes:
    """A serialized tf.Example with its features in the order of their names.

    The encoder writes them in the order of a hash map, another one in each process.
    """
    _, at = _varint(example, 1)
    head, entries = example[:at], []
    while at < len(example):
        size, start = _varint(example, at + 1)
        entries.append((example[start + 2 : start + size], example[at : start + size]))
        at = start + size
    entries.sort()
    return b"".join((head, *(entry for _, entry in entries)))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The base-128 number at `at`, and where it ends (protobuf.dev/programming-guides/encoding)."""
    value = shift = 0
    while (byte := data[at]) & 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def _check_lengths(records: pa.RecordBatch) -> None:
    lengths = records[features.SESSION_LENGTH]
    ends = np.append(0, np.cumsum(lengths.flatten().to_numpy()))
    totals = np.diff(ends[np.asarray(lengths.offsets)])
    for feature in features.EVENT_FEATURES:
        wrong = np.flatnonzero(np.diff(np.asarray(records[feature].offsets)) != totals)
        if len(wrong):
            user = records[features.USER_ID][int(wrong[0])].as_py()
            raise ValueError(f"session_length does not add up to {feature} of user {user}.")
