"""The versions in the serving folder, which of them serves, and what is known of each."""

import dataclasses
import datetime
import os
from pathlib import Path

import tensorflow as tf

from components.publishing.latest_blessed import versions
from components.publishing.rollback import origin
from tfx_pipeline.config import Config
from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.lineage import fingerprint
from tfx_pipeline.results import OVERALL
from tfx_pipeline.runs import EVALUATION, EXAMPLES, REMOVED, Run, RunError, all_runs

MODEL_FILE = "saved_model.pb"
NO_MODEL = f"not known: the folder has no {MODEL_FILE}"
NOT_KNOWN = "not known: the metadata store has no run that pushed it"


@dataclasses.dataclass(frozen=True)
class ModelVersion:
    """A version in the serving folder.

    Attributes:
      number: its name.
      is_served: by a server with TensorFlow Serving's default policy.
      pushed: when its model was written; None if it has none.
      origin: the version that it is a copy of, after a rollback; else itself.
      run: that made the model, if the metadata store has it.
    """

    number: int
    is_served: bool
    pushed: datetime.datetime | None
    origin: int
    run: Run | None


def makers(runs: list[Run]) -> dict[int, Run]:
    """The run that made each pushed version.

    Later runs that reuse a model have its version too; the first is the one that made it.
    """
    found: dict[int, Run] = {}
    for run in runs:
        if run.pushed_path is not None:
            found.setdefault(int(Path(run.pushed_path).name), run)
    return found


def serving(runs: list[Run], serving_folder: str) -> tuple[Run | None, Run | None]:
    """The run that made the model that serves, and the run of the version before that one.

    What serves is the newest version of the folder or, if that is out of reach, of the runs.
    """
    made = makers(runs)
    found = versions(serving_folder)
    served = origin(serving_folder, found[-1]) if found else max(made, default=None)
    if served is None or served not in made:
        return None, None
    older = [version for version in made if version < served]
    return made[served], made[max(older)] if older else None


def model_versions(config: Config) -> list[ModelVersion]:
    """The versions, newest first; without their runs if there is no metadata store."""
    folder = config.serving_folder
    found = versions(folder)
    try:
        made = makers(all_runs(config))
    except RunError:
        made = {}
    return [
        ModelVersion(
            number=number,
            is_served=number == found[-1] and pushed is not None,
            pushed=pushed,
            origin=origin(folder, number),
            run=made.get(origin(folder, number)),
        )
        for number in reversed(found)
        for pushed in [_written(os.path.join(folder, str(number), MODEL_FILE))]
    ]


def describe(version: ModelVersion, cutoff: int) -> str:
    """A few lines for a person to read; metrics are lists' of `cutoff` items, on the test split."""
    marks = ["serves"] if version.is_served else []
    marks += [f"copy of {version.origin}"] if version.origin != version.number else []
    head = f"version {version.number}" + (f" ({', '.join(marks)})" if marks else "")
    pushed = f"{version.pushed:%Y-%m-%d %H:%M:%S} UTC" if version.pushed else NO_MODEL
    lines = {"pushed": pushed, **_lineage(version.run, cutoff)}
    return "\n".join([head, *(f"  {name:<10}{value}" for name, value in lines.items())])


def _lineage(run: Run | None, cutoff: int) -> dict[str, str]:
    if run is None:
        return {"run": NOT_KNOWN}
    return {
        "run": run.run_id,
        "data": _data(run) if run.has(EXAMPLES) else REMOVED,
        "settings": fingerprint(run.settings) if run.settings else "not noted",
        "code": run.code or "not noted",
        "metrics": _metrics(run, cutoff) if run.has(EVALUATION) else REMOVED,
    }


def _data(run: Run) -> str:
    log = run.summary.log
    days = f"{_day(log.earliest)} to {_day(log.latest)}"
    where = run.settings.get("data", {}).get("log", "a log that was not noted")
    return f"{log.rows_used:,} interactions, {days}, of {where}"


def _metrics(run: Run, cutoff: int) -> str:
    metrics = run.results[CANDIDATE][OVERALL]
    names = (f"recall@{cutoff}", f"ndcg@{cutoff}")
    return ", ".join(f"{name} {metrics[name]}" for name in names if name in metrics)


def _day(seconds: int | None) -> str:
    return (
        "?" if seconds is None else f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%F}"
    )


def _written(path: str) -> datetime.datetime | None:
    try:
        seconds = tf.io.gfile.stat(path).mtime_nsec / 1e9
    except tf.errors.NotFoundError:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
