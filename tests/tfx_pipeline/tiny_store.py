"""A metadata store of any number of runs, over artifacts made once and without training."""

import datetime
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tiny_evaluation import evaluate
from tiny_recommender import DAY, DAYS, START, fit, ingest, write_log

from tfx_pipeline.config import Config
from tfx_pipeline.evaluate_config import EvaluateConfig
from tfx_pipeline.lineage import CODE, RUN_CONTEXT, SETTINGS
from tfx_pipeline.metadata import open_store
from tfx_pipeline.runs import latest_run

TEST_CUT = START + (DAYS - 8) * DAY
EVALUATE = EvaluateConfig(cutoffs=(5, 10), slices=("recent_sessions", "target_popularity"))
CURVES = {"loss": [4.0, 3.0, 2.5], "val_ndcg@20": [0.1, 0.2, 0.25]}
LATENCY = {"latency_ms_p50": 2.04, "latency_ms_p99": 5.96, "latency_ms_requests": 200.0}
COUNTERS = {"popularity": {"recall@10": 0.1, "ndcg@10": 0.2}, "requests": 100}


def make_artifacts(folder: Path) -> tuple[Config, dict[str, str]]:
    """Ingests a log and evaluates two models, the second against the first: 'first', 'second'.

    Returns:
      the configuration, and the folder of each artifact by name.
    """
    config = write_log(folder)
    ingest(config, until="ExampleValidator")
    run = latest_run(config, "ExampleValidator.anomalies")
    made = {name: artifact.uri for name, artifact in run.outputs.items()}
    made["model"] = fit(run.examples_uri, TEST_CUT, folder / "model")
    stale = fit(run.examples_uri, TEST_CUT - 30 * DAY, folder / "stale")
    for name, model, baseline in (("first", stale, None), ("second", made["model"], stale)):
        (folder / name).mkdir()
        evaluate(folder / name, run.examples_uri, model, baseline, EVALUATE)
        made[name] = str(folder / name / "evaluation")
    for name, file, content in (("curves", "history", CURVES), ("counters", "metrics", COUNTERS)):
        (folder / name).mkdir()
        (folder / name / f"{file}.json").write_text(json.dumps(content))
        made[name] = str(folder / name)
    return config, made


def make_store(folder: Path, config: Config, made: Mapping[str, str], runs: int) -> Config:
    """A store of which every second run was refused and the last pushed the model.

    Returns:
      the configuration whose folders it is in.
    """
    pipeline = config.pipeline.model_copy(update={"root": str(folder)})
    config = config.model_copy(update={"pipeline": pipeline, "evaluate": EVALUATE})
    Path(config.run_folder).mkdir(parents=True)
    version = Path(config.serving_folder) / "7"
    shutil.copytree(Path(made["model"]) / "Format-Serving", version)
    store = open_store(config)
    first = datetime.datetime(2026, 1, 1, 3)
    for number in range(runs):
        is_blessed = (runs - number) % 2
        pushed = {"pushed_destination": str(version)} if number == runs - 1 else {}
        if number == 0 and runs > 1:
            pushed = {"pushed_destination": str(version.parent / "3")}
        settings = config.model_dump(mode="json")
        settings["train"]["seed"] = number
        outputs = {
            name: (uri, {})
            for name, uri in made.items()
            if name.startswith(("SessionExampleGen", "StatisticsGen", "ExampleValidator"))
        }
        outputs |= {
            "Trainer.model_run": (made["curves"], {}),
            "Evaluator.evaluation": (made["first" if number == 0 else "second"], {}),
            "Evaluator.blessing": ("", {"blessed": is_blessed}),
            "CounterBaselines.metrics": (made["counters"], {}),
            "ServableCheck.blessing": ("", {"blessed": 1} | LATENCY),
            "Pusher.pushed_model": ("", pushed),
        }
        run_id = (first + datetime.timedelta(days=number)).isoformat()
        _put_run(store, run_id, outputs, settings)
    return config


def _put_run(store, run_id: str, outputs: dict, settings: dict) -> None:
    types = {
        "context": store.put_context_type(mlmd.ContextType(name=RUN_CONTEXT)),
        "artifact": store.put_artifact_type(mlmd.ArtifactType(name="Any")),
    }
    context = mlmd.Context(type_id=types["context"], name=run_id)
    context.custom_properties[SETTINGS].string_value = json.dumps(settings)
    context.custom_properties[CODE].string_value = "0.1.0 (abc)"
    [context.id] = store.put_contexts([context])
    for output, (uri, properties) in outputs.items():
        component, _, key = output.partition(".")
        kind = store.put_execution_type(mlmd.ExecutionType(name=f"test.{component}"))
        execution = mlmd.Execution(type_id=kind, last_known_state=mlmd.Execution.COMPLETE)
        artifact = mlmd.Artifact(type_id=types["artifact"], uri=uri)
        for name, value in properties.items():
            field = {int: "int_value", float: "double_value", str: "string_value"}[type(value)]
            setattr(artifact.custom_properties[name], field, value)
        event = mlmd.Event(type=mlmd.Event.OUTPUT)
        event.path.steps.add().key = key
        store.put_execution(execution, [(artifact, event)], [context])
