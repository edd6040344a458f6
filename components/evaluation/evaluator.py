"""TFX's Evaluator, for pipelines that look their baseline up with an ordinary component.

On Kubeflow v2 an input cannot be left out at run time, so that "no blessed model yet" arrives as
a model artifact without a model in it. TFX's own Evaluator would try to load that.

It also counts the items of the training sessions, which metrics of popularity and novelty need, and
gives each metric the path of the counts as its setting `items`. A metric's setting `columns` is
filled with the commonest values of the further columns that are its keys.
"""

import json
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.evaluator import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import path_utils

from components.evaluation.further_columns import common_values
from components.evaluation.training_items import write_training_items
from model import features


class Executor(executor.Executor):
    """Evaluates without a baseline when the baseline's artifact holds no SavedModel.

    The examples need a split `refit`: what the model was trained on.
    """

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the base class."""
        baselines = input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or []
        if not any(map(_holds_model, baselines)):
            logging.info("No baseline model: the change threshold is not checked.")
            input_dict = {
                key: artifacts
                for key, artifacts in input_dict.items()
                if key != standard_component_specs.BASELINE_MODEL_KEY
            }
        trained = artifact_utils.get_split_uri(
            input_dict[standard_component_specs.EXAMPLES_KEY], features.REFIT_SPLIT
        )
        [evaluation] = output_dict[standard_component_specs.EVALUATION_KEY]
        items = write_training_items(trained, evaluation.uri)
        key = standard_component_specs.EVAL_CONFIG_KEY
        counted = {**exec_properties, key: _with_counts(exec_properties[key], items, trained)}
        super().Do(input_dict, output_dict, counted)


def _with_counts(eval_config: str, items: str, trained: str) -> str:
    """The EvalConfig (JSON) with what was counted in the split folder `trained`."""
    config = json.loads(eval_config)
    for spec in config["metrics_specs"]:
        for metric in spec["metrics"]:
            settings = json.loads(metric["config"])
            columns = common_values(trained, settings.get("columns", ()))
            metric["config"] = json.dumps({**settings, "items": items, "columns": columns})
    return json.dumps(config)


def _holds_model(artifact: types.Artifact) -> bool:
    folder = path_utils.serving_model_path(artifact.uri, path_utils.is_old_model_artifact(artifact))
    return tf.saved_model.contains_saved_model(folder)


class Evaluator(component.Evaluator):
    """Takes the same arguments as TFX's Evaluator; `baseline_model` may be an empty artifact."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
