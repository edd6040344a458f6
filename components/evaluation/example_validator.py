"""TFX's ExampleValidator, which also stops the pipeline when the data does not fit.

Beside the schema it checks drift: whether the sessions to predict in the test split hold items as
those in the eval split do, which is the period before.
"""

import os
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import types
from tfx.components.example_validator import executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, json_utils, writer_utils

from components.errors import DataError
from model import features

MAX_ITEM_DRIFT = "max_item_drift"


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
          DataError: a split does not fit the schema, or items drift; says which feature, where and
            how.
        """
        result = super().Do(input_dict, output_dict, exec_properties)
        [anomalies] = output_dict[standard_component_specs.ANOMALIES_KEY]
        [statistics] = input_dict[standard_component_specs.STATISTICS_KEY]
        [schema] = input_dict[standard_component_specs.SCHEMA_KEY]
        splits = artifact_utils.decode_split_names(anomalies.split_names)
        if {features.EVAL_SPLIT, features.TEST_SPLIT} <= set(splits):
            before, after = (
                stats_artifact_utils.load_statistics(statistics, split).proto()
                for split in (features.EVAL_SPLIT, features.TEST_SPLIT)
            )
            found = validate_drift(
                before,
                after,
                io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri)),
                exec_properties[MAX_ITEM_DRIFT],
            )
            writer_utils.write_anomalies(_path(anomalies.uri, features.TEST_SPLIT), found)
        problems = [
            f"{split}: {problem}"
            for split in splits
            for problem in read_anomalies(anomalies.uri, split)
        ]
        if problems:
            raise DataError(
                f"The data does not fit the schema: {'; '.join(problems)}. Mend the log, or the "
                f"[data] settings that map it; if items are meant to change so much, raise "
                f"evaluate.{MAX_ITEM_DRIFT}. All anomalies: {anomalies.uri}"
            )
        return result


def validate_drift(
    before: statistics_pb2.DatasetFeatureStatisticsList,
    after: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    max_item_drift: float,
) -> anomalies_pb2.Anomalies:
    """The anomalies of `after`; among them, whether its target items drift from those of `before`.

    Args:
      before, after: statistics of two splits with target sessions.
      schema: of both.
      max_item_drift: Jensen-Shannon divergence in bits (0 to 1) that is accepted, over the items
        that TFDV counts, the 1,000 commonest.
    """
    with_drift = schema_pb2.Schema()
    with_drift.CopyFrom(schema)
    comparator = tfdv.get_feature(with_drift, features.TARGET_ITEM_ID).drift_comparator
    comparator.jensen_shannon_divergence.threshold = max_item_drift
    return tfdv.validate_statistics(after, with_drift, previous_statistics=before)


def read_drift(uri: str) -> tuple[float, float] | None:
    """The divergence that was measured and what was accepted; None if it was not measured."""
    for found in _read(uri, features.TEST_SPLIT).drift_skew_info:
        for measured in found.drift_measurements:
            return measured.value, measured.threshold
    return None


def read_anomalies(uri: str, split: str) -> list[str]:
    """The anomalies of a split, one line each."""
    found = _read(uri, split)
    lines = [
        f"{feature}: {info.short_description} ({info.description})"
        for feature, info in sorted(found.anomaly_info.items())
    ]
    if found.HasField("dataset_anomaly_info"):
        whole = found.dataset_anomaly_info
        lines.append(f"{whole.short_description} ({whole.description})")
    return lines


def _read(uri: str, split: str) -> anomalies_pb2.Anomalies:
    with tf.io.gfile.GFile(_path(uri, split), "rb") as file:
        return anomalies_pb2.Anomalies.FromString(file.read())


def _path(uri: str, split: str) -> str:
    return os.path.join(uri, f"Split-{split}", executor.DEFAULT_FILE_NAME)


class ExampleValidatorSpec(component_spec.ComponentSpec):
    """TFX's, with the drift that is accepted."""

    PARAMETERS = {  # noqa: RUF012
        **standard_component_specs.ExampleValidatorSpec.PARAMETERS,
        MAX_ITEM_DRIFT: component_spec.ExecutionParameter(type=float),
    }
    INPUTS = standard_component_specs.ExampleValidatorSpec.INPUTS
    OUTPUTS = standard_component_specs.ExampleValidatorSpec.OUTPUTS


class ExampleValidator(base_component.BaseComponent):
    """Checks all splits of `statistics` against `schema`, and drift; see `validate_drift`."""

    SPEC_CLASS = ExampleValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self, statistics: types.BaseChannel, schema: types.BaseChannel, max_item_drift: float
    ):
        super().__init__(
            ExampleValidatorSpec(
                statistics=statistics,
                schema=schema,
                exclude_splits=json_utils.dumps([]),
                anomalies=types.Channel(type=standard_artifacts.ExampleAnomalies),
                max_item_drift=max_item_drift,
            )
        )
