"""Records to one gzipped TFRecord file of tf.Examples, without TensorFlow."""

import gzip
import struct
from typing import BinaryIO

import google_crc32c
import numpy as np
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.files import write_atomically
from model import features

USERS_PER_BATCH = 4096


def split_folder(uri: str, split: str) -> str:
    """Where TFX looks for a split of the Examples artifact at `uri`."""
    return FileSystems.join(uri, f"Split-{split}")


def write_shard(records: pa.RecordBatch, uri: str, split: str, shard: int, shards: int) -> None:
    """Write one partition's records of a split; an empty shard is not written.

    Raises:
      ValueError: the lengths of a user's sessions do not add up to the user's events. Readers
        would not notice where the errors of a batch even out, and give events to other users.
    """
    if not records.num_rows:
        return
    _check_lengths(records)
    name = f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
    encoder = RecordBatchToExamplesEncoder()
    with (
        write_atomically(FileSystems.join(split_folder(uri, split), name), uri) as raw,
        gzip.GzipFile(mode="wb", compresslevel=1, fileobj=raw) as file,
    ):
        for start in range(0, records.num_rows, USERS_PER_BATCH):
            for example in encoder.encode(records.slice(start, USERS_PER_BATCH)):
                _write_record(file, example)


def _check_lengths(records: pa.RecordBatch) -> None:
    lengths = records[features.SESSION_LENGTH]
    ends = np.append(0, np.cumsum(lengths.flatten().to_numpy()))
    totals = np.diff(ends[np.asarray(lengths.offsets)])
    for feature in features.EVENT_FEATURES:
        wrong = np.flatnonzero(np.diff(np.asarray(records[feature].offsets)) != totals)
        if len(wrong):
            user = records[features.USER_ID][int(wrong[0])].as_py()
            raise ValueError(f"session_length does not add up to {feature} of user {user}.")


def _write_record(file: BinaryIO | gzip.GzipFile, record: bytes) -> None:
    length = struct.pack("<Q", len(record))
    file.write(b"".join((length, _masked_crc(length), record, _masked_crc(record))))


def _masked_crc(data: bytes) -> bytes:
    """TFRecord's checksum (tensorflow/core/lib/hash/crc32c.h)."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
