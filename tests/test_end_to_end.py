"""The pages of docs/transcripts happen again, on a slice of the data, and what comes after them.

They are what a new user does: a fresh clone, the README's commands, a log of their own.
"""

import re
import shutil
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
        return expected, run_steps([step.command for step in expected], clone)

    return run


@pytest.fixture(scope="module")
def main_job(again) -> tuple[list[Step], list[Step]]:
    return again("main-job")


def shapes(steps: list[Step]) -> list[tuple[str, list[str]]]:
    return [(step.command, shape(step.printed)) for step in steps]


def run(clone: Path, *settings: str) -> str:
    """What another run of the main job prints."""
    options = "".join(f" --set {setting}" for setting in settings)
    [step] = run_steps([f".venv/bin/sessionrec run{options}"], clone)
    return step.printed


def pushed_versions(clone: Path) -> list[str]:
    return sorted(path.name for path in (clone / "output/serving/complete_journey").iterdir())


def test_the_main_job_goes_as_its_page_says(main_job):
    expected, found = main_job
    assert shapes(found) == shapes(expected)


def test_the_main_job_pushes_a_model_that_answers(clone, main_job):
    _, found = main_job
    printed = {step.command: step.printed for step in found}
    ran = printed["time make run"]
    for stage in ("ingest and sessionize", "train", "evaluate", "check the servable", "push"):
        assert re.search(rf"  {stage} +\d+\.\d s", ran), stage
    model, report = (
        clone / path
        for path in re.search(rf"model: {SHOWN_FOLDER}/(\S+)  report: (\S+)$", ran, re.M).groups()
    )
    assert (model / "saved_model.pb").exists()
    assert "personal-frequency" in report.read_text()
    answer = printed[".venv/bin/sessionrec recommend --user 1 -k 5"]
    assert len(re.findall(r"^│ \d+ ", answer, re.M)) == 5


def test_a_second_run_reuses_what_did_not_change(clone, main_job):
    before = pushed_versions(clone)
    printed = run(clone)
    for stage in ("ingest and sessionize", "vocabulary and features", "train"):
        assert re.search(rf"  {stage} +unchanged, reused", printed), stage
    assert pushed_versions(clone) == before


def test_a_worse_model_is_neither_blessed_nor_pushed(clone, main_job):
    before = pushed_versions(clone)
    printed = run(clone, *WORSE)
    assert re.search(
        r"not blessed: ndcg@20 is 0\.\d+ \[.*\] below the last blessed model's", printed
    )
    assert "model: not pushed" in printed
    assert pushed_versions(clone) == before


@pytest.mark.parametrize("name", ["own-program", "own-log"])
def test_another_page_goes_as_it_says(again, main_job, name):
    expected, found = again(name)
    assert shapes(found) == shapes(expected)
