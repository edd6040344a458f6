"""The whole path on a slice of The Complete Journey, through the command line as a user has it."""

import re
import signal
from pathlib import Path

import pytest
from grocery_slice import write_slice

pytestmark = pytest.mark.slow

CONFIG = """
[data]
log = "log.parquet"
item_table = { path = "items.parquet", features = ["department", "brand"], title = "title" }

[data.columns]
event = "event"
session_id = "session_id"

[data.events]
exposed = ["exposure"]

[model]
min_sessions_per_item = 3
dim = 32

[train]
epochs = 2
"""
WORSE = ("train.epochs=1", "model.repeat=false", "train.learning_rate=1e-7")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("groceries")
    write_slice(folder)
    (folder / "groceries.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def first_run(folder, run_command) -> str:
    status, printed = run_command(folder, "run", "--config", "groceries.toml")
    assert status == 0, printed
    return printed


def pushed_versions(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "output/serving/groceries").iterdir())


def test_a_run_prints_stages_results_and_where_they_lie(folder, first_run):
    for stage in ("ingest and sessionize", "train", "evaluate", "check the servable", "push"):
        assert re.search(rf"  {stage} +\d+\.\d s", first_run), stage
    assert "blessed: every threshold is met" in first_run
    assert re.search(r"personal-frequency +│ 0\.\d{4}", first_run)
    found = re.search(r"model: (\S+)  report: (\S+)$", first_run.splitlines()[-1])
    assert found
    model, report = (folder / path for path in found.groups())
    assert (model / "saved_model.pb").exists()
    assert "personal-frequency" in report.read_text()
    for noise in ("WARNING", "Traceback", "port.cc", "absl"):
        assert noise not in first_run


def test_the_pushed_model_serves_and_answers(folder, first_run, start_command, run_command):
    user = re.search(r"next session of user (\S+),", first_run).group(1)
    server = start_command(folder, "serve", "--config", "groceries.toml", "--port", "0")
    try:
        ready = server.stdout.readline()
        port = re.search(r"ready: groceries on 127\.0\.0\.1:(\d+)", ready).group(1)
        asked = ("recommend", "--config", "groceries.toml", "--port", port)
        status, printed = run_command(folder, *asked, "--user", user, "-k", "7")
        assert status == 0, printed
        assert len(re.findall(r"^│ \d+ ", printed, re.MULTILINE)) == 7
        history = folder / "history.json"
        history.write_text('[[{"item_id": "never seen", "timestamp": 1500000000}]]')
        status, printed = run_command(folder, *asked, "--history", str(history))
        assert status == 0, printed
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def test_a_second_run_reuses_what_did_not_change(folder, first_run, run_command):
    before = pushed_versions(folder)
    status, printed = run_command(folder, "run", "--config", "groceries.toml")
    assert status == 0, printed
    for stage in ("ingest and sessionize", "vocabulary and features", "train"):
        assert re.search(rf"  {stage} +unchanged, reused", printed), stage
    assert pushed_versions(folder) == before


def test_a_worse_model_is_neither_blessed_nor_pushed(folder, first_run, run_command):
    before = pushed_versions(folder)
    changes = [part for change in WORSE for part in ("--set", change)]
    status, printed = run_command(folder, "run", "--config", "groceries.toml", *changes)
    assert status == 0, printed
    assert re.search(
        r"not blessed: ndcg@20 is 0\.\d+ \[.*\] below the last blessed model's", printed
    )
    assert "model: not pushed" in printed
    assert pushed_versions(folder) == before
