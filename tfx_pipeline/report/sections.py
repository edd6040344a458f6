"""The parts of the report that are figures: each gives what the template needs of it."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

from components.evaluation.example_validator import read_anomalies, read_drift
from components.ingestion.dead_letters import FOLDER
from model import features
from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.report import charts
from tfx_pipeline.report.facts import mark_of, slices
from tfx_pipeline.results import OVERALL
from tfx_pipeline.runs import EVALUATION, Run
from tfx_pipeline.statistics import STATISTICS, describe, divergence, read_statistics
from tfx_pipeline.verdict import main_metric

ANOMALIES, CURVES = "ExampleValidator.anomalies", "Trainer.model_run"
# Metric -> what it says; those with a cutoff are shown at the largest. The first few stand out.
FIRST = 6
MEANINGS = {
    "ndcg": "found items, those near the top of the list counting more",
    "recall": "share of the next session's items that the list holds",
    "ndcg_over_popularity": "NDCG above that of the items most popular in training",
    "repeat_recall": "recall of items that the user had before",
    "explore_recall": "recall of items that are new to the user",
    "coverage": "share of all items that some list holds",
    "precision": "share of the list that the user engages with next",
    "hit_rate": "share of lists with at least one hit",
    "mrr": "1 / rank of the first hit",
    "map": "precision at each hit, over all items of the session",
    "repeat_share": "share of the list that the user had before",
    "novelty": "bits of surprise of a listed item; a popular one has few",
    "shown_auc": "chosen above not chosen, among the items that a session showed",
}
CURVE_NAMES = {"loss": "training loss", "val_ndcg@20": "validation NDCG@20"}
SHOWN_LETTERS = 5


def trends(numbered: dict[int, Run]) -> dict[str, Any]:
    """The charts of metrics run over run, and one table of what they show."""
    evaluated = {n: run for n, run in numbered.items() if run.has(EVALUATION)}
    if not evaluated:
        return {}
    runs = list(evaluated.values())
    overall = {n: run.results[CANDIDATE][OVERALL] for n, run in evaluated.items()}
    cutoff = main_metric(overall[max(overall)]).partition("@")[2]
    found = {}
    for metric, meaning in MEANINGS.items():
        name = metric if metric.startswith("shown") else f"{metric}@{cutoff}"
        points = [
            charts.Point(n, overall[n][name], mark_of(run, runs))
            for n, run in evaluated.items()
            if name in overall[n]
        ]
        if points:
            chart = charts.trend(points, f"{name} of runs {points[0].run} to {points[-1].run}")
            found[name] = {"meaning": meaning, "chart": chart, "points": {p.run: p for p in points}}
    return {"metrics": found, "first": FIRST, "runs": list(evaluated)}


def slice_charts(run: Run, least: int) -> dict[str, Any]:
    """One chart a slicing feature, and the slices as a table, best first."""
    facts = slices(run, least)
    overall = run.results[CANDIDATE][OVERALL]
    name = main_metric(overall)
    by_feature: dict[str, list[charts.Row]] = {}
    for fact in facts:
        # A value may hold signs of multiplication itself.
        parts = re.split(r" \* (?=[^=*]+=)", fact.name)
        keys, values = zip(*(part.split("=", 1) for part in parts), strict=True)
        row = charts.Row(" * ".join(values), fact.figure, fact.mark)
        by_feature.setdefault(" * ".join(keys), []).append(row)
    drawn = {
        feature: charts.ranked(rows, overall[name].value, f"{name} by {feature}")
        for feature, rows in by_feature.items()
    }
    return {"metric": name, "charts": drawn, "facts": facts, "least": least}


def learning(numbered: dict[int, Run]) -> dict[str, Any]:
    """The learning curves of the last trainings; a model that was reused is shown once."""
    trained = {
        run.uri(CURVES): number for number, run in reversed(numbered.items()) if run.has(CURVES)
    }
    numbers = sorted(trained.values())[-6:]
    by_run = {number: numbered[number].learning_curves for number in numbers}
    return {
        title: {
            "chart": charts.curves(lines, f"{title} by epoch"),
            "lines": lines,
            "epochs": max(map(len, lines.values())),
        }
        for key, title in CURVE_NAMES.items()
        if (lines := {n: found[key] for n, found in by_run.items() if found.get(key)})
    }


def data(numbered: dict[int, Run]) -> dict[str, Any]:
    """What each run read, how it differs from the run before, and what was wrong with it."""
    rows: dict[int, dict[str, Any]] = {}
    drifts: dict[int, float] = {}
    before = None
    for number, run in numbered.items():
        if not run.has(STATISTICS):
            continue
        statistics = read_statistics(run.uri(STATISTICS), features.TRAIN_SPLIT)
        since = divergence(before, statistics, features.ITEM_ID) if before else None
        rows[number] = {"summary": run.summary, "figures": describe(statistics), "since": since}
        before = statistics
        if run.has(ANOMALIES):
            uri = run.uri(ANOMALIES)
            rows[number]["anomalies"] = [
                line
                for split in (features.TRAIN_SPLIT, features.EVAL_SPLIT, features.TEST_SPLIT)
                for line in read_anomalies(uri, split)
            ]
            if found := read_drift(uri):
                drifts[number], limit = found
        elif ANOMALIES in run.outputs:
            rows[number]["anomalies"] = ["removed"]
    if not drifts:
        return {"rows": rows}
    chart = charts.threshold(drifts, limit, "Drift of items between the eval and the test split")
    return {"rows": rows, "drifts": drifts, "limit": limit, "chart": chart}


def dead_letters(run: Run) -> dict[str, Any]:
    """Counts by reason and the first letters of a run."""
    paths = sorted((Path(run.examples_uri) / FOLDER).glob("*.jsonl"))
    lines = itertools.chain.from_iterable(path.open() for path in paths)
    first = map(json.loads, itertools.islice(lines, SHOWN_LETTERS))
    rows = [(each["row"], each["file"], each["reason"], each["value"] or "") for each in first]
    return {"reasons": run.summary.log.dead_letters, "first": rows}
