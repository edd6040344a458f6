"""Weeks that follow each other, what each training starts from, and the rows made from cells."""

import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from benchmarks import retraining
from benchmarks.cells import Cell
from tfx_pipeline.config import load_config

# Best validation NDCG of each week's trainings, which take 10 and 2 seconds an epoch: a cold one's
# after its second, a warm one's after its first. A second seed has .1 more.
COLD, WARM = [0.2, 0.3, 0.4], [None, 0.33, 0.36]
CONFIG = """
[data]
log = "clicks.csv"
[model]
min_sessions_per_item = 3
dim = 8
[train]
epochs = 3
patience = 3
"""
VOCABULARIES = [{b"a"}, {b"a", b"b"}, {b"a", b"b", b"c", b"d"}]


def test_validation_follows_week_after_week():
    """Of two weeks: each validates on the seven days before what is left for its test."""
    days = [
        dict(setting.split("=") for setting in retraining.week_settings("shop", 2, week))
        for week in range(3)
    ]
    assert [int(week["split.test_days"]) for week in days] == [21, 14, 7]
    assert {week["split.eval_days"] for week in days} == {"7"}
    assert [week["pipeline.name"] for week in days] == [f"shop_week_{week}" for week in range(3)]


@pytest.fixture
def rows(tmp_path, monkeypatch):
    (tmp_path / "shop.toml").write_text('[data]\nlog = "log.csv"\n')
    started = {}

    def prepare(path, settings, protocol, console):
        assert protocol == "global-time"
        config = load_config(path, settings)
        with_settings = partial(load_config, path)
        return SimpleNamespace(examples="", config=config, with_settings=with_settings)

    def week_of(data):
        return int(data.config.pipeline.name[-1])

    def train(data, settings, base, folder):
        week, seed = week_of(data), int(folder.parent.name)
        assert settings == (f"train.seed={seed}",)
        start = None
        if base is not None:
            *place, cell, servable = base.relative_to(tmp_path / "cells").parts
            start = (*place, cell.rpartition("-")[0], servable)
        started[week, seed, folder.name.rpartition("-")[0]] = start
        best = (COLD[week] if base is None else WARM[week]) + seed / 10
        seconds = [10.0, 20.0] if base is None else [2.0, 4.0]
        curve = [best - 0.1, best] if base is None else [best, best - 0.1]
        trials = {f"epoch {epoch}": value for epoch, value in enumerate(curve, 1)}
        return Cell(99.0, {"ndcg@20": [best, 0.0], "recall@20": [0.5]}, trials, seconds)

    monkeypatch.setattr(retraining, "prepare", prepare)
    monkeypatch.setattr(retraining, "_train", train)
    monkeypatch.setattr(retraining, "_vocabulary", lambda data: VOCABULARIES[week_of(data)])
    with (tmp_path / "log").open("w") as log:
        retraining.benchmark_retraining(
            [tmp_path / "shop.toml"],
            (),
            2,
            2,
            tmp_path / "output",
            tmp_path / "cells",
            "command",
            Console(file=log),
        )
    expected = {}
    for seed in range(2):
        expected |= {
            (0, seed, "sessionrec"): None,
            (1, seed, "sessionrec"): None,
            (1, seed, "sessionrec-warm"): ("shop_week_0", f"{seed}", "sessionrec", "servable"),
            (2, seed, "sessionrec"): None,
            (2, seed, "sessionrec-warm"): ("shop_week_1", f"{seed}", "sessionrec-warm", "servable"),
        }
    assert started == expected
    assert (tmp_path / "output" / "retraining-shop-week-2.png").stat().st_size > 1000
    return json.loads((tmp_path / "output" / "results.json").read_text())


def test_rows_of_weeks_and_means_over_seeds(rows):
    value = {
        (row["dataset"], row["method"], row["metric"]): row["value"]
        for row in rows
        if row["seed"] is None
    }
    second = ("shop-week-2", "sessionrec-warm")
    np.testing.assert_allclose(value[*second, "validation-ndcg@20"], (0.36 + 0.46) / 2)
    assert (value[*second, "items"], value[*second, "new-items"]) == (4, 2)
    np.testing.assert_allclose(value[*second, "ndcg@20"], (0.18 + 0.23) / 2)
    assert value[*second, "training_s"] == 4
    to_cold = "s_to_cold-validation-ndcg@20"
    assert value["shop-week-1", "sessionrec", to_cold] == 20
    assert value["shop-week-1", "sessionrec-warm", to_cold] == 2
    assert (*second, to_cold) not in value
    relative = "warm-over-cold-"
    np.testing.assert_allclose(value[*second, f"{relative}training_s"], 0.2)
    [mean] = [
        row
        for row in rows
        if (row["dataset"], row["metric"]) == ("shop", f"{relative}validation-ndcg@20")
    ]
    ratios = [0.33 / 0.3, 0.43 / 0.4, 0.36 / 0.4, 0.46 / 0.5]
    np.testing.assert_allclose(mean["value"], sum(ratios) / 4)
    np.testing.assert_allclose([mean["low"], mean["high"]], [0.9, 1.1])
    curve = {
        (row["seed"], row["metric"]): row["value"]
        for row in rows
        if (row["dataset"], row["method"]) == second and row["seed"] is not None
    }
    np.testing.assert_allclose(curve[1, "validation-ndcg@20-epoch-1"], 0.46)
    assert not any(dataset.endswith("week-0") for dataset, *_ in value)


@pytest.mark.slow
def test_a_week_of_a_log_in_which_items_are_new(tmp_path, run_command):
    """The base knows days 0 to 45 of 60, the retrained models to 52; an item is new on day 47."""
    lines = ["user_id,item_id,timestamp"]
    for day in range(60):
        for user in range(day % 3, 60, 3):
            names = [f"i{(user + place) % 12}" for place in range(3)] + ["new"] * (day >= 47)
            lines += [f"u{user},{name},{1_700_000_000 + day * 86_400 + user}" for name in names]
    (tmp_path / "clicks.csv").write_text("\n".join(lines))
    (tmp_path / "shop.toml").write_text(CONFIG)
    command = ("benchmark", "retraining", "--config=shop.toml", "--weeks=1", "--seeds=1")
    command = (*command, "--output=results")
    status, printed = run_command(tmp_path, *command)
    assert status == 0, printed
    value = {
        (row["dataset"], row["method"], row["metric"]): row["value"]
        for row in json.loads((tmp_path / "results" / "results.json").read_text())
    }
    for method in ("sessionrec", "sessionrec-warm"):
        assert value["shop-week-1", method, "items"] == 13
        assert value["shop-week-1", method, "new-items"] == 1
        assert value["shop-week-1", method, "training_s"] > 0
    assert ("shop-week-1", "sessionrec", "validation-ndcg@20-epoch-3") in value
    assert ("shop-week-1", "sessionrec-warm", "validation-ndcg@20-epoch-3") not in value
