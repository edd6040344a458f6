"""What a run left behind, from the ML Metadata store and the artifacts it names."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from ml_metadata import errors as mlmd_errors
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from components.evaluation.counter_baselines import METRICS_FILE, REQUESTS
from components.ingestion.summary import Summary, read_summary
from model.fitting import read_curves
from tfx_pipeline.config import Config
from tfx_pipeline.evaluation import BASELINE, CANDIDATE
from tfx_pipeline.history_slices import BUCKETS
from tfx_pipeline.metadata import connection

RUN_CONTEXT = "pipeline_run"
PIPELINE_CONTEXT = "pipeline"
LAST_OUTPUT = "Pusher.pushed_model"
OVERALL = "all"
MODEL = "sessionrec"
DIFFERENCE = "_diff"


class RunError(RuntimeError):
    """There is no finished run to read."""


@dataclasses.dataclass(frozen=True)
class Artifact:
    """Where an output lies and what was noted about it."""

    uri: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes:
      run_id: TFX's run id, its start in ISO 8601.
      outputs: artifact by 'Component.output'.
    """

    run_id: str
    outputs: dict[str, Artifact]

    @property
    def summary(self) -> Summary:
        """What ingestion read, kept and dropped."""
        return read_summary(self.outputs["SessionExampleGen.examples"].uri)

    @property
    def examples_uri(self) -> str:
        """Where ingestion wrote the splits."""
        return self.outputs["SessionExampleGen.examples"].uri

    @property
    def learning_curves(self) -> dict[str, list[float]]:
        """Keras history: one value an epoch."""
        return read_curves(self.outputs["Trainer.model_run"].uri)

    @property
    def pushed_path(self) -> str | None:
        """The version folder, or None if the model was not pushed."""
        return self.outputs["Pusher.pushed_model"].properties.get("pushed_destination")

    @property
    def counters(self) -> dict[str, dict[str, float]]:
        """Metrics of the counters by name, `recall@10` and so on."""
        path = Path(self.outputs["CounterBaselines.metrics"].uri) / METRICS_FILE
        return {k: v for k, v in json.loads(path.read_text()).items() if k != REQUESTS}

    def metrics(self, model_name: str = CANDIDATE) -> dict[str, dict[str, float]]:
        """Metrics by slice: 'all', then by number of history sessions; {} if there is no model."""
        uri = self.outputs["Evaluator.evaluation"].uri
        names = _model_names(uri)
        if model_name == BASELINE and BASELINE not in names:
            return {}
        result = tfma.load_eval_result(uri, model_name=model_name if len(names) > 1 else None)
        slices = {
            str(key[0][1]) if key else OVERALL: {
                name.replace("_at_", "@"): value["doubleValue"]
                for name, value in values[""][""].items()
                if "doubleValue" in value and not name.endswith(DIFFERENCE)
            }
            for key, values in result.slicing_metrics
        }
        order = [OVERALL, *BUCKETS]
        return {name: slices[name] for name in sorted(slices, key=order.index)}

    def verdict(self) -> list[str]:
        """Why the model was blessed or not, a sentence each."""
        found = tfma.load_validation_result(self.outputs["Evaluator.evaluation"].uri)
        reasons = [
            _reason(failure) for s in found.metric_validations_per_slice for failure in s.failures
        ]
        if found.validation_ok:
            return ["blessed: every threshold is met"]
        return reasons or ["not blessed: no request of the test split has an engaged target"]

    def is_servable(self) -> bool:
        """Whether the servable check passed."""
        return self.outputs["ServableCheck.blessing"].properties.get("blessed") == 1


def latest_run(metadata_path: str, output: str = LAST_OUTPUT) -> Run:
    """The newest run in a SQLite file that has an output, unless given that of the last stage.

    Raises:
      RunError: the store is missing or has none.
    """
    if not Path(metadata_path).exists():
        raise RunError(f"There is no metadata store {metadata_path}; `sessionrec run` makes it.")
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(metadata_path)
    return _newest(metadata_store.MetadataStore(store), metadata_path, output)


def latest_run_of(config: Config) -> Run:
    """The newest finished run of the configuration's pipeline, in its metadata store.

    Raises:
      RunError: the store is missing, cannot be reached or has none.
    """
    host = config.metadata.host
    if host is None:
        return latest_run(config.metadata_path)
    try:
        store = metadata_store.MetadataStore(connection(config))
    # ML Metadata's own code raises the last two.
    except (ValueError, RuntimeError, mlmd_errors.StatusError) as error:
        raise RunError(f"The metadata store on {host} cannot be read: {error}") from None
    return _newest(store, host, LAST_OUTPUT, config.pipeline.name)


def _newest(
    store: metadata_store.MetadataStore, where: str, output: str, pipeline: str | None = None
) -> Run:
    """The newest run that has an output; of one pipeline, if several share the store."""
    contexts = sorted(store.get_contexts_by_type(RUN_CONTEXT), key=lambda c: c.id, reverse=True)
    for context in contexts:
        executions = store.get_executions_by_context(context.id)
        if pipeline is None or _is_of(store, executions, pipeline):
            outputs = _outputs(store, executions)
            if output in outputs:
                return Run(context.name, outputs)
    raise RunError(f"No run in {where} has finished; start it again: `sessionrec run`.")


def _is_of(
    store: metadata_store.MetadataStore,
    executions: list[metadata_store_pb2.Execution],
    pipeline: str,
) -> bool:
    return any(
        context.type == PIPELINE_CONTEXT and context.name == pipeline
        for context in (store.get_contexts_by_execution(executions[0].id) if executions else ())
    )


def _outputs(
    store: metadata_store.MetadataStore, all_executions: list[metadata_store_pb2.Execution]
) -> dict[str, Artifact]:
    done = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)
    executions = {e.id: e for e in all_executions if e.last_known_state in done}
    events = [
        event
        for event in store.get_events_by_execution_ids(list(executions))
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    artifacts = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    types = {t.id: t.name.rpartition(".")[2] for t in store.get_execution_types()}
    outputs = {}
    for event in events:
        component = types[executions[event.execution_id].type_id]
        artifact = artifacts[event.artifact_id]
        outputs[f"{component}.{event.path.steps[0].key}"] = Artifact(
            artifact.uri, {k: _value(v) for k, v in artifact.custom_properties.items()}
        )
    return outputs


def _value(value: metadata_store_pb2.Value) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


def _model_names(evaluation_uri: str) -> list[str]:
    with open(os.path.join(evaluation_uri, "eval_config.json")) as file:  # noqa: PTH123
        specs = json.load(file)["evalConfig"]["modelSpecs"]
    return [spec.get("name", "") for spec in specs]


def _reason(failure) -> str:
    name = failure.metric_key.name.replace("_at_", "@")
    bound = failure.metric_threshold
    if failure.metric_key.is_diff:
        allowed = -bound.change_threshold.absolute.value
        drop = -failure.metric_value.double_value.value
        return (
            f"not blessed: {name} is {drop:.4f} below the last blessed model's; "
            f"evaluate.max_drop allows {allowed:g}"
        )
    lowest = bound.value_threshold.lower_bound.value
    value = failure.metric_value.double_value.value
    return f"not blessed: {name} is {value:.4f}, the configuration asks for at least {lowest:g}"
