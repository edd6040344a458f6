"""TFX's Evaluator, for pipelines that look their baseline up with an ordinary component.

On Kubeflow v2 an input cannot be left out at run time, so that "no blessed model yet" arrives as
a model artifact without a model in it. TFX's own Evaluator would try to load that.
"""

from typing import Any

from absl import logging
from tfx import types
from tfx.components.evaluator import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import standard_component_specs
from tfx.utils import path_utils

_SAVED_MODEL = "saved_model.pb"


class Executor(executor.Executor):
    """Evaluates without a baseline when the baseline's artifact holds no SavedModel."""

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
        super().Do(input_dict, output_dict, exec_properties)


def _holds_model(artifact: types.Artifact) -> bool:
    folder = path_utils.serving_model_path(artifact.uri, path_utils.is_old_model_artifact(artifact))
    return fileio.exists(f"{folder}/{_SAVED_MODEL}")


class Evaluator(component.Evaluator):
    """Takes the same arguments as TFX's Evaluator; `baseline_model` may be an empty artifact."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
