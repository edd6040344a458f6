"""The Evaluator's executor on hand-made requests."""

from pathlib import Path

import tensorflow_model_analysis as tfma
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import json_utils, proto_utils

from components.evaluation.evaluator import Executor
from components.ingestion.schema import schema_text
from tfx_pipeline.evaluate_config import EvaluateConfig
from tfx_pipeline.evaluation import eval_config

DIFFERENCE = "difference"


def artifact(artifact_type, uri):
    made = artifact_type()
    made.uri = str(uri)
    return made


def evaluate(
    folder: Path,
    examples_uri: str,
    model: str,
    baseline: str | None,
    config: EvaluateConfig,
    further: tuple[str, ...] = (),
) -> tuple[bool, dict]:
    """Writes `evaluation` and `blessing` into a folder.

    Returns:
      whether the model is blessed, and {(slice, model): {metric: value}}; the slice is '' for all
      requests, else like 'history_sessions=0'.
    """
    examples = artifact(standard_artifacts.Examples, examples_uri)
    examples.split_names = artifact_utils.encode_split_names(["test", "refit"])
    (folder / "schema").mkdir()
    (folder / "schema" / "schema.pbtxt").write_text(schema_text(further))
    inputs = {
        "examples": [examples],
        "model": [artifact(standard_artifacts.Model, model)],
        "schema": [artifact(standard_artifacts.Schema, folder / "schema")],
    }
    if baseline is not None:
        inputs["baseline_model"] = [artifact(standard_artifacts.Model, baseline)]
    outputs = {
        "evaluation": [artifact(standard_artifacts.ModelEvaluation, folder / "evaluation")],
        "blessing": [artifact(standard_artifacts.ModelBlessing, folder / "blessing")],
    }
    context = Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(folder), unique_id="1"
    )
    properties = {
        "eval_config": proto_utils.proto_to_json(eval_config(config, further=further)),
        "example_splits": json_utils.dumps(["test"]),
        "module_path": "tfx_pipeline.evaluation",
    }
    Executor(context).Do(inputs, outputs, properties)
    blessed = outputs["blessing"][0].get_int_custom_property("blessed") == 1
    return blessed, metric_values(str(folder / "evaluation"))


def metric_values(folder: str) -> dict:
    values: dict = {}
    for record in tfma.load_metrics(folder):
        name = "*".join(
            f"{key.column}={key.bytes_value.decode()}" for key in record.slice_key.single_slice_keys
        )
        for entry in record.metric_keys_and_values:
            model = DIFFERENCE if entry.key.is_diff else entry.key.model_name
            values.setdefault((name, model), {})[entry.key.name] = entry.value.double_value.value
    return values
