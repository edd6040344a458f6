"""The metric, the slices and the gate, through the Evaluator's executor on hand-made requests."""

import pyarrow as pa
import pytest
import tensorflow_model_analysis as tfma
from pydantic import ValidationError
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import json_utils, proto_utils
from tiny_servables import save_servable

from components.evaluation.evaluator import Executor
from components.ingestion import SCHEMA
from tfx_pipeline.evaluate_config import EvaluateConfig
from tfx_pipeline.evaluation import eval_config
from tfx_pipeline.history_slices import BUCKETS, history_buckets

CONFIG = EvaluateConfig(cutoffs=(1, 3))


def artifact(artifact_type, uri):
    made = artifact_type()
    made.uri = str(uri)
    return made


def evaluate(tmp_path, examples_uri, model, baseline=None, config=CONFIG):
    """Runs the executor; returns (blessed, {(slice bucket, model): {metric: value}})."""
    examples = artifact(standard_artifacts.Examples, examples_uri)
    examples.split_names = artifact_utils.encode_split_names(["test"])
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "schema.pbtxt").write_bytes(SCHEMA.read_bytes())
    inputs = {
        "examples": [examples],
        "model": [artifact(standard_artifacts.Model, model)],
        "schema": [artifact(standard_artifacts.Schema, tmp_path / "schema")],
    }
    if baseline is not None:
        inputs["baseline_model"] = [artifact(standard_artifacts.Model, baseline)]
    outputs = {
        "evaluation": [artifact(standard_artifacts.ModelEvaluation, tmp_path / "evaluation")],
        "blessing": [artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing")],
    }
    context = Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(tmp_path), unique_id="1"
    )
    properties = {
        "eval_config": proto_utils.proto_to_json(eval_config(config)),
        "example_splits": json_utils.dumps(["test"]),
        "module_path": "tfx_pipeline.evaluation",
    }
    Executor(context).Do(inputs, outputs, properties)
    blessed = outputs["blessing"][0].get_int_custom_property("blessed") == 1
    return blessed, metric_values(str(tmp_path / "evaluation"))


def metric_values(folder):
    values: dict = {}
    for record in tfma.load_metrics(folder):
        bucket = "".join(key.bytes_value.decode() for key in record.slice_key.single_slice_keys)
        for entry in record.metric_keys_and_values:
            model = "difference" if entry.key.is_diff else entry.key.model_name
            values.setdefault((bucket, model), {})[entry.key.name] = entry.value.double_value.value
    return values


def test_first_model_is_blessed_against_an_empty_baseline(tmp_path, examples_uri, good_model):
    (tmp_path / "nothing").mkdir()
    blessed, values = evaluate(tmp_path, examples_uri, good_model, tmp_path / "nothing")
    assert blessed
    overall = values["", ""]
    # The target {a, b} is half found by [a], {a} wholly, {b} not at all.
    assert overall["recall_at_1"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert overall["recall_at_3"] == pytest.approx(1)
    assert overall["hit_rate_at_1"] == pytest.approx(2 / 3)
    assert overall["mrr_at_3"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    # {b} stands second: 1 / log2(3).
    assert overall["ndcg_at_3"] == pytest.approx((1 + 1 + 0.6309298) / 3)
    assert overall["requests"] == 3


def test_worse_model_is_not_blessed_and_slices_are_by_history(
    tmp_path, examples_uri, bad_model, good_model
):
    blessed, values = evaluate(tmp_path, examples_uri, bad_model, good_model)
    assert not blessed
    recalls = {
        bucket: metrics["recall_at_3"]
        for (bucket, model), metrics in values.items()
        if model == "candidate"
    }
    assert recalls == pytest.approx({"": 1 / 2, "0": 1 / 2, "1-4": 1, "5-19": 0})
    assert values["", "difference"]["recall_at_3"] == pytest.approx(-1 / 2)
    assert values["5-19", "baseline"]["requests"] == 1


def test_a_smaller_drop_than_max_drop_is_accepted(tmp_path, examples_uri, bad_model, good_model):
    config = CONFIG.model_copy(update={"max_drop": 0.9, "confidence_intervals": True})
    blessed, _ = evaluate(tmp_path, examples_uri, bad_model, good_model, config)
    assert blessed


def test_a_first_model_that_finds_nothing_is_not_blessed(tmp_path, examples_uri):
    blessed, values = evaluate(tmp_path, examples_uri, save_servable(tmp_path / "model", ["z"]))
    assert not blessed
    assert values["", ""]["requests"] == 3


def test_ids_of_another_type_are_refused(tmp_path, examples_uri):
    model = save_servable(tmp_path / "numbers", [1, 2, 3])
    with pytest.raises(TypeError, match="must be of one type"):
        evaluate(tmp_path, examples_uri, model)


def test_history_buckets_at_their_edges():
    counts = [0, 1, 4, 5, 19, 20, 99, 100]
    lengths = pa.array([[1] * count for count in counts] + [None], pa.large_list(pa.int64()))
    zero, few, some, many, most = BUCKETS
    assert history_buckets(lengths).tolist() == [
        zero, few, few, some, some, many, many, most, zero
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [{"cutoffs": (20, 10)}, {"cutoffs": ()}, {"max_dorp": 0.1}])
def test_wrong_configuration_is_refused(wrong):
    with pytest.raises(ValidationError):
        EvaluateConfig(**wrong)
