"""TFX's ExampleValidator, which also stops the pipeline when the data does not fit the schema."""

import os
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils, standard_component_specs

from components.errors import DataError


class Executor(executor.Executor):
    """Validates all splits, writes the anomalies, then raises if there are any."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> execution_result_pb2.ExecutorOutput:
        """See the base class.

        Raises:
          DataError: a split does not fit the schema; says which feature, where and how.
        """
        result = super().Do(input_dict, output_dict, exec_properties)
        [anomalies] = output_dict[standard_component_specs.ANOMALIES_KEY]
        found = [
            f"{split}: {problem}"
            for split in artifact_utils.decode_split_names(anomalies.split_names)
            for problem in read_anomalies(anomalies.uri, split)
        ]
        if found:
            raise DataError(
                f"The data does not fit the schema: {'; '.join(found)}. Mend the log, or the "
                f"[data] settings that map it. All anomalies: {anomalies.uri}"
            )
        return result


def read_anomalies(uri: str, split: str) -> list[str]:
    """The anomalies of a split, one line each."""
    folder = os.path.join(uri, f"Split-{split}")
    lines = []
    for name in tf.io.gfile.listdir(folder):
        with tf.io.gfile.GFile(os.path.join(folder, name), "rb") as file:
            found = anomalies_pb2.Anomalies.FromString(file.read())
        for feature, info in sorted(found.anomaly_info.items()):
            lines.append(f"{feature}: {info.short_description} ({info.description})")
        if found.HasField("dataset_anomaly_info"):
            whole = found.dataset_anomaly_info
            lines.append(f"{whole.short_description} ({whole.description})")
    return lines


class ExampleValidator(component.ExampleValidator):
    """Takes the same arguments as TFX's ExampleValidator."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
