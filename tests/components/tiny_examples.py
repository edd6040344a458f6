"""Serialized tf.Examples and TFRecord files for tests, written without TensorFlow."""

import gzip
from pathlib import Path

import pyarrow as pa
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.records import write_records
from model import features

# Per user: sessions of (item, engaged), and the target session.
Session = list[tuple[str, int]]


def serialize(users: list[tuple[list[Session], Session]]) -> list[bytes]:
    def ids(lists):
        lists = [[value.encode() for value in values] for values in lists]
        return pa.array(lists, pa.large_list(pa.large_binary()))

    def ints(lists):
        return pa.array(lists, pa.large_list(pa.int64()))

    events = [[event for session in history for event in session] for history, _ in users]
    columns = {
        features.USER_ID: ids([[f"user-{row}"] for row in range(len(users))]),
        features.ITEM_ID: ids([[item for item, _ in user] for user in events]),
        features.ENGAGED: ints([[engaged for _, engaged in user] for user in events]),
        features.TIMESTAMP: ints([list(range(len(user))) for user in events]),
        features.SESSION_LENGTH: ints([[len(s) for s in history] for history, _ in users]),
        features.TARGET_ITEM_ID: ids([[item for item, _ in target] for _, target in users]),
        features.TARGET_ENGAGED: ints([[engaged for _, engaged in target] for _, target in users]),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    return RecordBatchToExamplesEncoder().encode(batch)


def write_tfrecord(path: Path, records: list[bytes]) -> None:
    """Writes a gzip TFRecord file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb") as file:
        write_records(file, records)
