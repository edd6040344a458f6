"""Transform's analysis and output of a tiny log, and the trainer's arguments over it, on disk."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.public import tfxio

from components.ingestion import SCHEMA
from model import features
from model.config import ModelConfig, TrainConfig
from model.preprocessing import preprocessing_fn

MIN_SESSIONS = 2
PERIODS = 4


def example(sessions=(), request=None, target=None, user="user") -> bytes:
    """A tf.Example as ingestion writes it and a client sends it.

    Args:
      sessions: of (unix seconds, [(item, engaged), ...]).
      request: unix seconds.
      target: [(item, engaged), ...].
      user: the user's id.
    """
    events = [(item, engaged, time) for time, session in sessions for item, engaged in session]
    values = {
        features.USER_ID: [user],
        features.ITEM_ID: [item for item, _, _ in events],
        features.ENGAGED: [engaged for _, engaged, _ in events],
        features.TIMESTAMP: [time for _, _, time in events],
        features.SESSION_LENGTH: [len(session) for _, session in sessions],
    }
    if request is not None:
        values[features.REQUEST_TIMESTAMP] = [request]
    if target is not None:
        values[features.TARGET_ITEM_ID] = [item for item, _ in target]
        values[features.TARGET_ENGAGED] = [engaged for _, engaged in target]
    made = tf.train.Example()
    for name, value in values.items():
        feature = made.features.feature[name]
        if name in (features.USER_ID, features.ITEM_ID, features.TARGET_ITEM_ID):
            feature.bytes_list.value.extend(text.encode() for text in value)
        else:
            feature.int64_list.value.extend(value)
    return made.SerializeToString(deterministic=True)


def transform(folder: Path, item_table: dict | None = None, **splits: list[bytes]) -> Path:
    """Analyse `refit`, transform every split, and write both under `folder`."""
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    source = tfxio.TFExampleBeamRecord("tests", schema=schema)
    tensors = source.TensorAdapterConfig()
    config = {
        "min_sessions_per_item": MIN_SESSIONS,
        "periods": PERIODS,
        "item_table": json.dumps(item_table) if item_table else "",
    }
    graph = str(folder / "graph")
    metadata_io.write_metadata(
        dataset_metadata.DatasetMetadata(schema),
        os.path.join(graph, tft.TFTransformOutput.RAW_METADATA_DIR),
    )
    with tft_beam.Context(str(folder / "temp")):
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            data = pipeline | beam.Create(splits["refit"]) | source.BeamSource()
            analyze = tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, config))
            _ = (data, tensors) | analyze | tft_beam.WriteTransformFn(graph)
        encoder = RecordBatchToExamplesEncoder(
            tft.TFTransformOutput(graph).transformed_metadata.schema
        )
        for name, records in splits.items():
            with beam.Pipeline(runner="FnApiRunner") as pipeline:
                data = pipeline | beam.Create(records, reshuffle=False) | source.BeamSource()
                function = pipeline | tft_beam.ReadTransformFn(graph)
                apply = tft_beam.TransformDataset(output_record_batches=True)
                made, _ = ((data, tensors), function) | apply
                examples = made | beam.FlatMap(lambda pair: encoder.encode(pair[0]))
                _ = examples | beam.io.WriteToTFRecord(
                    str(folder / f"Split-{name}" / "data"), file_name_suffix=".gz", num_shards=1
                )
    return folder


def arguments(
    transformed: Path,
    output: Path,
    max_k: int,
    item_table: dict | None = None,
    rank_weight: float = 0.01,
    **train,
):
    """What TFX gives the trainer; `train` changes the training configuration."""
    output.mkdir(parents=True, exist_ok=True)
    graph = str(transformed / "graph")
    schema = tft.TFTransformOutput(graph).transformed_metadata.schema
    model = ModelConfig(
        min_sessions_per_item=MIN_SESSIONS,
        periods=PERIODS,
        dim=8,
        feature_dim=2,
        layers=1,
        heads=2,
        dropout=0.1,
        rank_weight=rank_weight,
    )
    settings = {
        "epochs": 2,
        "batch_size": 4,
        "min_steps": 1,
        "targets_per_user": 2,
        "learning_rate": 0.01,
        "refit": False,
    }
    return SimpleNamespace(
        custom_config={
            "model": model.model_dump_json(),
            "train": TrainConfig(**settings | train).model_dump_json(),
            "item_table": json.dumps(item_table) if item_table else "",
            "max_sessions": 4,
            "max_k": max_k,
            "index": "exact",
            "min_index_recall": 0.98,
            "model_name": "tiny",
            "checkpoints": str(output / "checkpoints"),
        },
        transform_graph_path=graph,
        train_files=[str(transformed / f"Split-{split}" / "*") for split in ("train", "refit")],
        eval_files=[str(transformed / "Split-eval" / "*")],
        model_run_dir=str(output),
        serving_model_dir=str(output / "Format-Serving"),
        base_model=None,
        data_accessor=SimpleNamespace(tf_dataset_factory=_factory, schema=schema),
    )


def _factory(files, options, schema):
    source = tfxio.TFExampleRecord(files, schema=schema, telemetry_descriptors=["tests"])
    return source.TensorFlowDataset(options)
