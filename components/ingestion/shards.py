"""Records to gzipped TFRecord files of tf.Examples, without TensorFlow."""

from contextlib import AbstractContextManager, ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from isal import igzip
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.files import write_atomically
from components.ingestion.records import write_records
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
        self._file: igzip.IGzipFile | None = None
        self._encoder = RecordBatchToExamplesEncoder()

    def __exit__(self, *error: Any) -> bool | None:
        return self._files.__exit__(*error)

    def write(self, records: pa.RecordBatch) -> None:
        """Append records, columns as the schema says, one row a user.

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
            opened = igzip.IGzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0)
            self._file = self._files.enter_context(opened)
        for start in range(0, records.num_rows, USERS_PER_BATCH):
            examples = self._encoder.encode(records.slice(start, USERS_PER_BATCH))
            write_records(self._file, map(_deterministic, examples))


def _deterministic(example: bytes) -> bytes:
    """A serialized tf.Example with its features in the order of their names.

    The encoder writes them in the order of a hash map, another one in each process.
    """
    start, _ = _length(example, 1)
    head, at, entries = example[:start], start, []
    while at < len(example):
        start, size = _length(example, at + 1)
        end = start + size
        # An entry starts with the tag and the length of its name.
        entries.append((example[start + 2 : end], example[at:end]))
        at = end
    entries.sort()
    return b"".join([head, *[entry for _, entry in entries]])


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Where a length in base 128, lowest digits first, ends, and what it is.

    Source: protobuf.dev/programming-guides/encoding.
    """
    value, shift = data[at] & 0x7F, 0
    while data[at] & 0x80:
        at += 1
        shift += 7
        value |= (data[at] & 0x7F) << shift
    return at + 1, value


def _check_lengths(records: pa.RecordBatch) -> None:
    lengths = records[features.SESSION_LENGTH]
    ends = np.append(0, np.cumsum(lengths.flatten().to_numpy()))
    totals = np.diff(ends[np.asarray(lengths.offsets)])
    for feature in features.EVENT_FEATURES:
        wrong = np.flatnonzero(np.diff(np.asarray(records[feature].offsets)) != totals)
        if len(wrong):
            user = records[features.USER_ID][int(wrong[0])].as_py()
            raise ValueError(f"session_length does not add up to {feature} of user {user}.")
