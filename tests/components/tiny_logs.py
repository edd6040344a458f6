"""Tiny interaction tables, and what ingestion makes of them, as plain Python values."""

import gzip
import struct
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.config import Columns, SessionsConfig, SplitConfig
from components.ingestion.canonical import interactions_schema
from components.ingestion.histories import to_records
from components.ingestion.ingest import IngestConfig, collect_summary, ingest, make_folders
from components.ingestion.log_reader import check_log
from components.ingestion.schema import schema_text
from components.ingestion.sessionize import sessionize
from components.ingestion.shards import split_folder
from components.ingestion.splits import cut_times, global_time, last_session
from components.ingestion.summary import Summary
from model import features

DAY = 86_400


def table(rows, *further: str) -> pa.Table:
    """Rows of (user, item, time, engaged) and, if given, session and further columns as a table."""
    schema = interactions_schema(Columns(further=further))
    full = [(*row, None)[: len(schema)] for row in rows]
    values = zip(*full, strict=True) if full else [()] * len(schema)
    return pa.table(dict(zip(schema.names, values, strict=True)), schema)


def records(rows: pa.Table, limits: SessionsConfig, split: SplitConfig, latest: int) -> dict:
    """The records of each split, without Beam: {split: {user: record}}."""
    sessions = sessionize(rows, limits.gap_minutes * 60)
    if split.protocol == "last-session":
        splits = last_session(sessions, split.min_sessions)
    else:
        splits = global_time(sessions, **cut_times(latest, split))
    batches = {name: to_records(sessions, chosen, limits)[0] for name, chosen in splits.items()}
    return {name: by_user(batch) for name, batch in batches.items()}


def by_user(batch: pa.RecordBatch) -> dict[str, dict]:
    """{user: {feature: value}}, item lists nested by session, absent features left out."""
    return {row[features.USER_ID][0].decode(): _nested(row) for row in batch.to_pylist()}


def _nested(row: dict) -> dict:
    row = {name: value for name, value in row.items() if value is not None}
    del row[features.USER_ID]
    lengths = row.pop(features.SESSION_LENGTH)
    for feature, values in row.items():
        row[feature] = [v.decode() if isinstance(v, bytes) else v for v in values]
    for feature in {*row} - {features.REQUEST_TIMESTAMP, *features.TARGET_FEATURES}:
        values = iter(row[feature])
        row[feature] = [[next(values) for _ in range(length)] for length in lengths]
        assert not list(values)
    return row


def run(
    config: IngestConfig, uri: Path, beam_args: tuple[str, ...] = ("--runner=FnApiRunner",)
) -> Summary:
    """Ingest with Beam into `uri`, as the executor does."""
    parts = check_log([config.data.log], config.data.columns)
    make_folders(str(uri))
    with beam.Pipeline(options=PipelineOptions(list(beam_args))) as pipeline:
        ingest(pipeline, parts, config, str(uri))
    return collect_summary(str(uri), config.sessions.partitions)


def read_split(uri: Path, split: str, *further: str) -> dict[str, dict]:
    """The records of a written split: {user: record}."""
    schema = text_format.Parse(schema_text(further), schema_pb2.Schema())
    decoder = ExamplesToRecordBatchDecoder(schema.SerializeToString())
    examples = read_records(uri, split)
    return by_user(decoder.DecodeBatch(examples)) if examples else {}


def read_records(uri: Path, split: str) -> list[bytes]:
    """The serialized tf.Examples of a written split."""
    paths = sorted(Path(split_folder(str(uri), split)).iterdir())
    return [record for path in paths for record in _read_tfrecord(path)]


def _read_tfrecord(path: Path):
    with gzip.open(path) as file:
        while header := file.read(12):
            yield file.read(struct.unpack("<Q", header[:8])[0])
            file.read(4)
