"""What the report says in words: which model serves, from what, and for whom it is worse."""

import dataclasses
import datetime
from pathlib import Path

from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.lineage import changes
from tfx_pipeline.ranking_metrics import REQUESTS
from tfx_pipeline.results import DIFFERENCE, OVERALL, Figure
from tfx_pipeline.runs import EVALUATION, Run
from tfx_pipeline.sure_change import SLICE_FACTOR, is_sure
from tfx_pipeline.verdict import describe_change, main_metric


@dataclasses.dataclass(frozen=True)
class SliceFact:
    """A slice of a run's evaluation.

    Attributes:
      name: like 'history_sessions=0'.
      requests: how many with a target it has.
      figure: NDCG at the largest cutoff.
      change: the difference to the last blessed model, if there was one.
      mark: 'better', 'worse' or, within noise or without comparison, 'same'.
    """

    name: str
    requests: int
    figure: Figure
    change: Figure | None
    mark: str


def moment(run_id: str) -> str:
    """When a run started, for people; the id itself if it is no time."""
    try:
        return f"{datetime.datetime.fromisoformat(run_id):%d %b %Y %H:%M}"
    except ValueError:
        return run_id


def day(seconds: int | None) -> str:
    """The UTC day of a time in unix seconds."""
    if seconds is None:
        return "?"
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%d %b %Y}"


def mark_of(run: Run, runs: list[Run]) -> str:
    """'pushed' for the run that made a version, else 'blessed' or 'refused'."""
    if not run.is_blessed:
        return "refused"
    first = next(other for other in runs if other.pushed_path == run.pushed_path)
    return "pushed" if run.pushed_path and first is run else "blessed"


def slices(run: Run, least: int) -> list[SliceFact]:
    """The slices of at least `least` requests, best first; without all requests together."""
    name = main_metric(run.results[CANDIDATE][OVERALL])
    differences = run.results.get(DIFFERENCE, {})
    found = []
    for key, metrics in run.results[CANDIDATE].items():
        requests = int(metrics[REQUESTS].value)
        if key == OVERALL or requests < max(least, 1):
            continue
        change = differences.get(key, {}).get(name)
        found.append(SliceFact(key, requests, metrics[name], change, _mark(change)))
    return sorted(found, key=lambda fact: (-fact.figure.value, fact.name))


def _mark(change: Figure | None) -> str:
    if change is None or change.low is None or change.high is None:
        return "same"
    if not is_sure(change.low, change.high, SLICE_FACTOR):
        return "same"
    return "better" if change.value > 0 else "worse"


def summary(runs: list[Run], served: Run | None, least: int) -> list[str]:
    """The sentences that a newcomer needs, most important first.

    Args:
      runs: all, oldest first.
      served: the one whose model serves.
      least: requests of a slice to speak of.
    """
    if served is None:
        return ["No model of these runs serves.", *_latest(runs, None)]
    run = served
    name = main_metric(run.results[CANDIDATE][OVERALL])
    figure = run.results[CANDIDATE][OVERALL][name]
    popular = run.results[CANDIDATE][OVERALL][name.replace("@", "_over_popularity@")]
    change = run.results.get(DIFFERENCE, {}).get(OVERALL, {}).get(name)
    log, users = run.summary.log, run.summary.users
    trained = users.splits[run.trained_split]
    before = "It is the first model: there was none to compare it with."
    if change is not None:
        before = f"Against the model before it, its {name} is {describe_change(change)}."
    return [
        f"Version {Path(run.pushed_path or '').name} serves. The run of {moment(run.run_id)} "
        f"trained it on {trained['sessions']:,} sessions of {trained['examples']:,} users, from a "
        f"log of {log.rows_used:,} interactions from {day(log.earliest)} to {day(log.latest)}.",
        before,
        *_worse(run, least, name),
        f"On {run.results[CANDIDATE][OVERALL][REQUESTS].value:,.0f} requests that training had not "
        f"seen, its {name} is {figure}: {popular} more than the items most popular in training "
        "would have.",
        *_better_counters(run, name),
        *_latest(runs, run),
    ]


def _worse(run: Run, least: int, name: str) -> list[str]:
    if DIFFERENCE not in run.results:
        return []
    worse = [fact for fact in slices(run, least) if fact.mark == "worse"]
    if not worse:
        return [f"It is worse for no slice of {least} requests or more, beyond noise."]
    listed = "; ".join(f"{f.name} ({name} by {f.change}, {f.requests} requests)" for f in worse)
    return [f"It is worse for {listed}."]


def _better_counters(run: Run, name: str) -> list[str]:
    value = run.results[CANDIDATE][OVERALL][name].value
    counted = {method: values.get(name) for method, values in run.counters.items()}
    return [
        f"Mind that {method}, which only counts, has {figure:.4f}."
        for method, figure in counted.items()
        if figure is not None and figure > value
    ]


def _latest(runs: list[Run], served: Run | None) -> list[str]:
    latest = runs[-1]
    if latest is served:
        return []
    when = f"The latest run, of {moment(latest.run_id)},"
    if latest.failed:
        return [f"{when} stopped: {latest.failed} failed."]
    if EVALUATION not in latest.outputs:
        return [f"{when} did not come as far as an evaluation."]
    if latest.is_blessed and served and latest.pushed_path not in (None, served.pushed_path):
        return [f"{when} pushed a model that was rolled back."]
    if latest.is_blessed:
        return [f"{when} found nothing new to push."] if served else []
    return [f"{when} made a model that was refused. {'; '.join(latest.verdict)}."]


def what_changed(before: Run, after: Run) -> list[tuple[str, str, str]]:
    """(what, before, after) of data, configuration and code between two runs."""
    old, new = before.summary, after.summary
    rows = [
        ("log until", day(old.log.latest), day(new.log.latest)),
        ("interactions", f"{old.log.rows_used:,}", f"{new.log.rows_used:,}"),
        ("users", f"{old.users.users:,}", f"{new.users.users:,}"),
        ("code", before.code or "not noted", after.code or "not noted"),
    ]
    settings = changes(before.settings, after.settings)
    rows += [(name, was, now) for name, (was, now) in settings.items()]
    return [row for row in rows if row[1] != row[2]]
