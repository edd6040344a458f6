"""A user's own CSV: other column names, no sessions, broken rows; killed, and started again."""

import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest

CONFIG = """
[data]
log = "clicks.csv"
events = { exposed = ["view"] }
[data.columns]
user_id = "visitor"
item_id = "product"
timestamp = "when"
event = "action"
further = ["device"]
[split]
eval_days = 5
test_days = 5
[model]
min_sessions_per_item = 2
[train]
epochs = 2
refit = false
[evaluate]
slices = ["history_sessions", "device", "device*recent_sessions"]
min_slice_size = 10
"""
ROWS, BROKEN = 6000, 60


@pytest.fixture
def folder(tmp_path) -> Path:
    """A log of 100 visitors over 60 days, each with favourites; 1% of the rows are broken."""
    generator = np.random.default_rng(0)
    visitor = generator.integers(100, size=ROWS)
    product = (visitor * 3 + generator.integers(6, size=ROWS) ** 2) % 80
    when = np.datetime64("2024-03-01T00:00:00") + generator.integers(60 * 86400, size=ROWS)
    action = np.where(generator.random(ROWS) < 0.3, "view", "buy")
    device = np.array(["", "phone", "phone", "desk"])[generator.integers(4, size=ROWS)]
    columns = (when, visitor, action, product, device)
    lines = [f"{t},v{v},{a},p{p},{d}" for t, v, a, p, d in zip(*columns, strict=True)]
    for row in range(0, ROWS, ROWS // BROKEN):
        lines[row] = ("yesterday,v1,buy,p1,desk", "2024-03-02T00:00:00,v1,buy,,desk")[
            row // 100 % 2
        ]
    header = "when,visitor,action,product,device"
    (tmp_path / "clicks.csv").write_text("\n".join([header, *lines, ""]))
    (tmp_path / "shop.toml").write_text(CONFIG)
    return tmp_path


@pytest.mark.slow
def test_a_killed_run_is_started_again_and_nothing_is_lost(folder, start_command, run_command):
    command = ("run", "--config", "shop.toml")
    process = start_command(folder, *command)
    for line in process.stdout:
        if "epoch 1" in line:
            process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert not (folder / "output/serving/shop").exists()
    status, printed = run_command(folder, *command)
    assert status == 0, printed
    assert re.search(r"  ingest and sessionize +unchanged, reused", printed)
    assert f"rows: {ROWS:,} read, {ROWS - BROKEN:,} used, 0 ignored, {BROKEN} dead" in printed
    [version] = (folder / "output/serving/shop").iterdir()
    assert (version / "saved_model.pb").exists()
    report = (folder / "output/runs/shop/report.html").read_text()
    for name in ("device=phone", "device=no value", "device=desk * recent_sessions=8+"):
        assert f'<th scope="row">{name}</th>' in report
    [letters] = folder.glob("output/runs/shop/artifacts/SessionExampleGen/examples/*/dead_letters")
    rows = [
        json.loads(line) for file in letters.iterdir() for line in file.read_text().splitlines()
    ]
    assert len(rows) == BROKEN
    assert {row["row"] for row in rows} == set(range(1, ROWS + 1, ROWS // BROKEN))


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
        "--method", "sessionrec", "--method", "nipp", "--seeds", "1", "--output", "results",
        "--peers", "personal-frequency", "--peers", "tifu-knn",
        "--set", "model.dim=8", "--set", "serve.max_k=20",
    )  # fmt: skip
    status, printed = run_command(folder, *command)
    assert status == 0, printed
    rows = json.loads((folder / "results" / "results.json").read_text())
    value = {(row["method"], row["metric"], row["seed"]): row["value"] for row in rows}
    methods = ("personal-frequency", "tifu-knn", "sessionrec", "nipp")
    assert all(0 < value[method, "ndcg@20", None] < 1 for method in methods)
    # Favourites come again: a model that scores repeats finds them.
    assert value["sessionrec", "recall@20", 0] > 0.5
    chosen = value["sessionrec", "validation-ndcg@20", None]
    curve = [value["sessionrec", f"validation-ndcg@20-epoch-{epoch}", 0] for epoch in (1, 2)]
    assert chosen == max(curve)
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
