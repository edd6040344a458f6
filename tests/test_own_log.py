"""A user's own CSV: other column names, no sessions, broken rows."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.results import CURVE
from scripts.kill_test import write_log


@pytest.fixture
def folder(tmp_path) -> Path:
    write_log(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.columns.item_id=sku", r"error: .*'sku'.*data\.columns\.item_id"),
        ("data.log=empty.csv", r"error: .*empty\.csv"),
        ("data.log=missing.csv", r"error: .*missing\.csv"),
        ("train.epoch=3", r"error: .*unknown key 'train\.epoch'; did you mean 'epochs'\?"),
    ],
)
def test_an_error_is_one_clear_line(folder, run_command, change, message):
    (folder / "empty.csv").write_text("")
    status, printed = run_command(folder, "run", "--config", "shop.toml", "--set", change)
    assert status != 0
    assert "Traceback" not in printed
    [error] = [line for line in printed.splitlines() if line.startswith("error")]
    assert re.search(message, error), error


@pytest.mark.slow
def test_quality_is_measured_once(folder, run_command):
    command = (
        "benchmark", "quality", "--config", "shop.toml", "--protocol", "last-session",
        "--method", "nipp-counts", "--seeds", "1", "--output", "results",
        "--peers", "personal-frequency", "--peers", "tifu-knn",
        "--set", "model.dim=8", "--set", "serve.max_k=20", "--set", "train.refit=false",
        "--set", "train.epochs=4",
    )  # fmt: skip
    status, printed = run_command(folder, *command)
    assert status == 0, printed
    rows = json.loads((folder / "results" / "results.json").read_text())
    value = {(row["method"], row["metric"], row["seed"]): row["value"] for row in rows}
    methods = ("personal-frequency", "tifu-knn", "nipp-counts")
    assert all(0 < value[method, "ndcg@20", None] < 1 for method in methods)
    # Favourites come again: a model that scores repeats finds them.
    assert value["nipp-counts", "recall@20", 0] > 0.5
    chosen = value["nipp-counts", "validation-ndcg@20", None]
    curve = {metric: of for (_, metric, _), of in value.items() if metric.startswith(CURVE)}
    assert curve.keys() >= {f"{CURVE}1", f"{CURVE}2"}
    assert chosen == max(curve.values())
    assert (folder / "results" / "quality-shop.png").exists()
    models = list((folder / "output/benchmarks/quality/cells").rglob("curves/history.json"))
    written = {path: path.stat().st_mtime_ns for path in models}
    status, printed = run_command(folder, *command)
    assert status == 0, printed
    assert json.loads((folder / "results" / "results.json").read_text()) == rows
    assert {path: path.stat().st_mtime_ns for path in models} == written


def test_an_unknown_method_is_one_clear_line(folder, run_command):
    command = ("benchmark", "quality", "--config", "shop.toml", "--method", "sasrec")
    status, printed = run_command(folder, *command)
    assert status != 0
    assert "error: --method takes one of sessionrec, nipp" in printed
    assert printed.rstrip().endswith("Received: sasrec")
