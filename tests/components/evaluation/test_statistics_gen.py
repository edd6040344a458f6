"""TFDV's statistics by the sketch: equal to exact counts, and written for each split."""

from collections import Counter

import pyarrow as pa
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_artifacts

from components.evaluation.statistics_gen import Executor, stats_options
from components.ingestion import SCHEMA
from model import features

# Item i of 3,000 occurs 3,000 - i times: more items than the rank histogram has places.
ITEMS = [b"%04d" % item for item in range(3000) for _ in range(3000 - item)]


def count(counters: int):
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    column = pa.array([ITEMS], pa.large_list(pa.large_binary()))
    batch = pa.RecordBatch.from_arrays([column], [features.ITEM_ID])
    options = stats_options(schema, counters)
    [dataset] = stats_impl.generate_statistics_in_memory(batch, options).datasets
    [feature] = dataset.features
    return feature.string_stats


def test_counts_are_exact_when_the_counters_suffice():
    found = count(4096)
    assert found.unique == 3000
    buckets = {
        bucket.label.encode(): bucket.sample_count for bucket in found.rank_histogram.buckets
    }
    assert buckets == dict(Counter(ITEMS).most_common(1000))


def test_counts_are_estimates_beyond():
    assert count(2048).unique != 3000


def test_each_split_but_the_excluded_is_written(tmp_path):
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")
    examples.split_names = artifact_utils.encode_split_names(["train", "empty", "refit"])
    for split, users in {"train": [b"u", b"v"], "empty": [], "refit": [b"w"]}.items():
        folder = tmp_path / "examples" / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), "GZIP") as writer:
            for user in users:
                made = tf.train.Example()
                made.features.feature[features.USER_ID].bytes_list.value.append(user)
                writer.write(made.SerializeToString())
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path / "schema")
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "schema.pbtxt").write_bytes(SCHEMA.read_bytes())
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(tmp_path / "statistics")
    Executor(BaseBeamExecutor.Context(beam_pipeline_args=["--runner=FnApiRunner"])).Do(
        {"examples": [examples], "schema": [schema]},
        {"statistics": [statistics]},
        {"exclude_splits": '["refit"]'},
    )
    assert artifact_utils.decode_split_names(statistics.split_names) == ["train", "empty"]
    assert not (tmp_path / "statistics" / "Split-refit").exists()
    for split, examples_in_it in {"train": 2, "empty": 0}.items():
        path = tmp_path / "statistics" / f"Split-{split}" / "FeatureStats.pb"
        [dataset] = tfdv.load_stats_binary(str(path)).datasets
        assert dataset.num_examples == examples_in_it
