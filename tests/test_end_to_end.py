"""The pages of docs/transcripts happen again, on a slice of the data, and what comes after them.

They are what a new user does: a fresh clone, the README's commands, a log of their own.
"""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from grocery_slice import write_slice

from scripts.transcript import SHOWN_FOLDER, Step, read_steps, run_steps, shape

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "transcripts"
SMALLER = "\n[model]\nmin_sessions_per_item = 3\ndim = 32\n[train]\nepochs = 2\n"
WORSE = ("train.epochs=1", "train.refit=false", "model.repeat=false", "train.learning_rate=1e-7")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The files of a clone with the environment of this one, and with little data."""
    folder = tmp_path_factory.mktemp("home") / "sessionrec"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)  # with its time, or set-up would start again
    (folder / ".venv").symlink_to(ROOT / ".venv")
    data = folder / "data" / "complete_journey"
    data.mkdir(parents=True)
    write_slice(data)
    with (folder / "configs" / "complete_journey.toml").open("a") as file:
        file.write(SMALLER)
    return folder


@pytest.fixture(scope="module")
def again(clone):
    """Run a page's commands in the clone: its steps as written, and as they are now."""

    def run(name: str) -> tuple[list[Step], list[Step]]:
        expected = read_steps((PAGES / f"{name}.md").read_text())
        # A page waits for a line of its server, which may open the file a moment later.
        (clone / "serve.log").unlink(missing_ok=True)
        return expected, run_steps([step.command for step in expected], clone)

    return run


@pytest.fixture(scope="module")
def main_job(again) -> tuple[list[Step], list[Step]]:
    return again("main-job")


def shapes(steps: list[Step]) -> list[tuple[str, list[str]]]:
    return [(step.command, shape(step.printed)) for step in steps]


def pushed_versions(clone: Path) -> list[str]:
    return sorted(path.name for path in (clone / "output/serving/complete_journey").iterdir())


def test_the_main_job_goes_as_its_page_says(main_job):
    expected, found = main_job
    assert shapes(found) == shapes(expected)


@pytest.fixture(scope="module")
def first_run(main_job) -> str:
    _, found = main_job
    return next(step.printed for step in found if step.command == "time make run")


def test_a_run_prints_stages_results_and_where_they_lie(clone, first_run):
    for stage in ("ingest and sessionize", "train", "evaluate", "check the servable", "push"):
        assert re.search(rf"  {stage} +\d+\.\d s", first_run), stage
    assert "blessed: every threshold is met" in first_run
    assert re.search(r"personal-frequency +│ 0\.\d{4}", first_run)
    found = re.search(rf"^model: {SHOWN_FOLDER}/(\S+)  report: (\S+)$", first_run, re.MULTILINE)
    assert found
    model, report = (clone / path for path in found.groups())
    assert (model / "saved_model.pb").exists()
    assert "personal-frequency" in report.read_text()
    for noise in ("WARNING", "Traceback", "port.cc", "absl"):
        assert noise not in first_run
    log = (clone / "output/runs/complete_journey/sessionrec.log").read_text()
    assert re.search(r"^\S+ \d\d:\d\d:\d\d,\d+ INFO absl: Component Trainer is running", log, re.M)
    assert "temporary sdist package" not in log  # TFX's own, which no worker in process needs


def test_the_pushed_model_serves_and_answers(clone, first_run, start_command, run_command):
    user = re.search(r"next session of user (\S+),", first_run).group(1)
    server = start_command(clone, "serve", "--port", "0")
    try:
        ready = server.stdout.readline()
        port = re.search(r"ready: complete_journey on 127\.0\.0\.1:(\d+)", ready).group(1)
        asked = ("recommend", "--port", port)
        status, printed = run_command(clone, *asked, "--user", user, "-k", "7")
        assert status == 0, printed
        assert len(re.findall(r"^│ \d+ ", printed, re.MULTILINE)) == 7
        history = clone / "unseen.json"
        history.write_text('[[{"item_id": "never seen", "timestamp": 1500000000}]]')
        status, printed = run_command(clone, *asked, "--history", str(history))
        assert status == 0, printed
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def test_a_second_run_reuses_what_did_not_change(clone, first_run, run_command):
    before = pushed_versions(clone)
    status, printed = run_command(clone, "run")
    assert status == 0, printed
    for stage in ("ingest and sessionize", "vocabulary and features", "train"):
        assert re.search(rf"  {stage} +unchanged, reused", printed), stage
    assert pushed_versions(clone) == before


def test_a_worse_model_is_neither_blessed_nor_pushed(clone, first_run, run_command):
    before = pushed_versions(clone)
    changes = [part for change in WORSE for part in ("--set", change)]
    status, printed = run_command(clone, "run", *changes)
    assert status == 0, printed
    assert re.search(
        r"not blessed: ndcg@20 is 0\.\d+ \[.*\] below the last blessed model's", printed
    )
    assert "model: not pushed" in printed
    assert pushed_versions(clone) == before


@pytest.mark.parametrize("name", ["own-program", "own-log"])
def test_another_page_goes_as_it_says(again, main_job, name):
    expected, found = again(name)
    assert shapes(found) == shapes(expected)
