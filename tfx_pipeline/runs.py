"""What runs left behind, from the ML Metadata store and the artifacts it names."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

from ml_metadata import errors as mlmd_errors
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.evaluation.counter_baselines import METRICS_FILE, REQUESTS
from components.ingestion.summary import Summary, read_summary
from components.publishing.pusher import ROLLED_BACK
from components.publishing.servable_check import LATENCY
from model import features
from model.fitting import read_curves
from tfx_pipeline.config import Config
from tfx_pipeline.evaluation import BASELINE, CANDIDATE
from tfx_pipeline.lineage import CODE, SETTINGS, run_contexts, shared_as
from tfx_pipeline.metadata import open_store
from tfx_pipeline.results import OVERALL, Figures, read_results
from tfx_pipeline.verdict import verdict

MODEL = "sessionrec"
EXAMPLES = "SessionExampleGen.examples"
EVALUATION, PUSHED = "Evaluator.evaluation", "Pusher.pushed_model"
COUNTERS = "CounterBaselines.metrics"
REMOVED = "not known: the run's folder of it was removed"


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
      outputs: artifact by 'Component.output', of the components that finished.
      failed: the component that failed, if one did.
      settings: the configuration; {} if it was not noted.
      code: version of the code; '' if it was not noted.
    """

    run_id: str
    outputs: dict[str, Artifact]
    failed: str | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    code: str = ""

    def has(self, output: str) -> bool:
        """Whether an output, 'Component.output', was written and not removed since."""
        return output in self.outputs and Path(self.outputs[output].uri).exists()

    def uri(self, output: str) -> str:
        """Where an output lies.

        Raises:
          RunError: the run did not come as far, or the folder was removed.
        """
        if not self.has(output):
            raise RunError(
                f"The run {self.run_id} has no {output}: it did not come as far, or the folder was "
                "removed since."
            )
        return self.outputs[output].uri

    @property
    def summary(self) -> Summary:
        """What ingestion read, kept and dropped."""
        return read_summary(self.examples_uri)

    @property
    def examples_uri(self) -> str:
        """Where ingestion wrote the splits."""
        return self.uri(EXAMPLES)

    @property
    def trained_split(self) -> str:
        """What the served model is trained on."""
        is_refit = self.settings.get("train", {}).get("refit", True)
        return features.REFIT_SPLIT if is_refit else features.TRAIN_SPLIT

    @property
    def learning_curves(self) -> dict[str, list[float]]:
        """Keras history: one value an epoch."""
        return read_curves(self.uri("Trainer.model_run"))

    @property
    def pushed_path(self) -> str | None:
        """The version folder, or None if the model was not pushed."""
        pushed = self.outputs.get(PUSHED)
        return pushed.properties.get("pushed_destination") if pushed else None

    @property
    def rolled_back(self) -> str | None:
        """The version that has the model already and was rolled back, if that is so."""
        pushed = self.outputs.get(PUSHED)
        return pushed.properties.get(ROLLED_BACK) if pushed else None

    @property
    def counters(self) -> dict[str, dict[str, float | None]]:
        """Metrics of the counters by name, `recall@10` and so on; {} if they were removed."""
        if not self.has(COUNTERS):
            return {}
        path = Path(self.uri(COUNTERS)) / METRICS_FILE
        return {k: v for k, v in json.loads(path.read_text()).items() if k != REQUESTS}

    @functools.cached_property
    def results(self) -> dict[str, Figures]:
        """The evaluation's figures by model; see `read_results`."""
        return read_results(self.uri(EVALUATION))

    @functools.cached_property
    def verdict(self) -> list[str]:
        """Why the model was blessed or not, a sentence each."""
        return verdict(self.uri(EVALUATION)) if self.has(EVALUATION) else [REMOVED]

    @property
    def is_blessed(self) -> bool:
        """Whether every gate was passed."""
        return self.outputs["Evaluator.blessing"].properties.get("blessed") == 1

    def is_servable(self) -> bool:
        """Whether the servable check passed."""
        return self.outputs["ServableCheck.blessing"].properties.get("blessed") == 1

    @property
    def latency(self) -> dict[str, float]:
        """What the servable check measured, or {}: `p50` and `p99` (ms) of `requests`."""
        check = self.outputs.get("ServableCheck.blessing")
        noted = check.properties if check else {}
        return {k.removeprefix(LATENCY): v for k, v in noted.items() if k.startswith(LATENCY)}


def compared(run: Run) -> dict[str, dict[str, float | None]]:
    """Means over all requests by method: the model, the last blessed one, the counters."""
    named = {MODEL: CANDIDATE, "last blessed model": BASELINE}
    models: dict[str, dict[str, float | None]] = {
        name: {metric: figure.value for metric, figure in run.results[model][OVERALL].items()}
        for name, model in named.items()
        if model in run.results
    }
    return {**models, **run.counters}


def all_runs(config: Config) -> list[Run]:
    """All runs of the configuration's pipeline, oldest first.

    Raises:
      RunError: the metadata store is missing or cannot be reached.
    """
    host = config.metadata.host
    if host is None and not Path(config.metadata_path).exists():
        raise RunError(
            f"There is no metadata store {config.metadata_path}; `sessionrec run` makes it."
        )
    try:
        return runs_in(open_store(config), shared_as(config))
    # ML Metadata's own code raises all three.
    except (ValueError, RuntimeError, mlmd_errors.StatusError) as error:
        where = host or config.metadata_path
        raise RunError(f"The metadata store {where} cannot be read: {error}") from None


def runs_in(store: metadata_store.MetadataStore, pipeline: str | None = None) -> list[Run]:
    """The runs of a store, oldest first; those of one pipeline, if several share the store."""
    return [_read_run(store, context) for context in run_contexts(store, pipeline)]


def latest_run(config: Config, output: str = PUSHED) -> Run:
    """The newest run that has an output, unless given that of the last stage.

    Raises:
      RunError: the store is missing, cannot be reached or has none.
    """
    for run in reversed(all_runs(config)):
        if output in run.outputs:
            return run
    raise RunError(
        f"No run of {config.pipeline.name} has finished; start it again: `sessionrec run`."
    )


def _read_run(store: metadata_store.MetadataStore, context: metadata_store_pb2.Context) -> Run:
    executions = store.get_executions_by_context(context.id)
    types = {t.id: t.name.rpartition(".")[2] for t in store.get_execution_types()}
    state = metadata_store_pb2.Execution
    failed = [types[e.type_id] for e in executions if e.last_known_state == state.FAILED]
    done = {
        e.id: types[e.type_id]
        for e in executions
        if e.last_known_state in (state.COMPLETE, state.CACHED)
    }
    notes = {name: _value(value) for name, value in context.custom_properties.items()}
    return Run(
        context.name,
        _outputs(store, done),
        failed[0] if failed else None,
        json.loads(notes.get(SETTINGS, "{}")),
        notes.get(CODE, ""),
    )


def _outputs(
    store: metadata_store.MetadataStore, component_of: dict[int, str]
) -> dict[str, Artifact]:
    """The outputs of executions, by execution id."""
    events = [
        event
        for event in store.get_events_by_execution_ids(list(component_of))
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    artifacts = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    return {
        f"{component_of[event.execution_id]}.{event.path.steps[0].key}": Artifact(
            artifacts[event.artifact_id].uri,
            {k: _value(v) for k, v in artifacts[event.artifact_id].custom_properties.items()},
        )
        for event in events
    }


def _value(value: metadata_store_pb2.Value) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
