"""What a person sees: a line a stage, and the output of libraries in the log."""

import contextlib
import io
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tfx_pipeline.console import TITLES, StageProgress, quiet


class Stages:
    """A logger that is followed, and what that printed."""

    def __init__(self):
        self._shown = io.StringIO()
        console = Console(file=self._shown, soft_wrap=True, highlight=False)
        self.progress = StageProgress(console)

    def log(self, message: str, *arguments: object, name: str = "absl", level=logging.INFO):
        # TFX logs the message and its arguments apart, as absl does.
        record = logging.LogRecord(name, level, __file__, 1, message, arguments, None)
        self.progress.handle(record)

    def run(self, stage: str, cached: bool = False) -> None:
        self.log("Component %s is running.", stage)
        if cached:
            self.log("A cached execution %d is used.", 7)
        self.log("Component %s is finished.", stage)

    @property
    def lines(self) -> list[str]:
        return self._shown.getvalue().splitlines()


@contextlib.contextmanager
def process_streams() -> Iterator[None]:
    """Python's streams over descriptors 1 and 2, as outside pytest, which puts its own there."""
    with (
        open(1, "w", closefd=False) as out,
        open(2, "w", closefd=False) as error,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
    ):
        yield


@pytest.fixture
def stages() -> Stages:
    return Stages()


def test_a_finished_stage_is_a_line_with_its_seconds(stages, monkeypatch):
    clock = iter([100.0, 112.34])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    stages.run("Trainer")
    assert stages.lines == ["  train                       12.3 s"]


def test_a_running_stage_is_remembered_and_not_printed(stages):
    stages.log("Component %s is running.", "Transform")
    assert stages.progress.stage == "Transform"
    assert stages.lines == []


def test_a_cached_stage_says_so_and_the_next_one_does_not(stages):
    stages.run("Transform", cached=True)
    stages.run("Trainer")
    cached, ran = stages.lines
    assert re.fullmatch(r"  vocabulary and features +unchanged, reused", cached)
    assert re.fullmatch(r"  train +\d+\.\d s", ran)


def test_every_stage_lines_up(stages):
    for stage in TITLES:
        stages.run(stage, cached=True)
    assert {line.index("unchanged") for line in stages.lines} == {28}


def test_a_stage_without_a_title_is_shown_by_its_name(stages):
    stages.run("MyOwnStep")
    assert stages.lines[0].startswith("  MyOwnStep  ")


def test_progress_inside_a_stage_is_shown_as_it_is(stages):
    # Brackets are markup for rich.
    stages.log("epoch %d: [ndcg@20] %.3f", 2, 0.5, name="sessionrec.progress")
    assert stages.lines == ["    epoch 2: [ndcg@20] 0.500"]


def test_other_messages_are_not_shown(stages):
    stages.log("Component %s is resolved.", "Trainer")
    stages.log("epoch 2", name="sessionrec.other")
    stages.log("Component Trainer is running.", level=logging.DEBUG)
    assert stages.lines == []
    assert stages.progress.level == logging.INFO


def test_output_of_every_kind_goes_to_the_log_and_back(tmp_path, capfd):
    log = tmp_path / "runs" / "sessionrec.log"
    with process_streams():
        with quiet(log) as console:
            print("from python")
            print("an error", file=sys.stderr)
            # As C++ libraries do.
            os.write(1, b"from C++\n")
            os.write(2, b"an error of C++\n")
            # Titles of items may look like markup of rich.
            console.print("for a person [red] :cat:")
        print("afterwards")
        print("afterwards too", file=sys.stderr)
    assert tuple(capfd.readouterr()) == (
        "for a person [red] :cat:\nafterwards\n",
        "afterwards too\n",
    )
    assert sorted(log.read_text().splitlines()) == [
        "an error",
        "an error of C++",
        "from C++",
        "from python",
    ]


def test_an_error_of_the_users_goes_to_standard_error(tmp_path, capfd):
    with process_streams():
        with pytest.raises(SystemExit) as ended, quiet(tmp_path / "log") as console:
            console.print("a result")
            console.fail("no [red] list", 3)
        print("afterwards too", file=sys.stderr)
    assert ended.value.code == 3
    assert tuple(capfd.readouterr()) == (
        "a result\n",
        "error: no [red] list\nafterwards too\n",
    )


def test_the_log_is_continued(tmp_path, capfd):
    for number in range(2):
        with process_streams(), quiet(tmp_path / "log"):
            print("run", number)
    assert (tmp_path / "log").read_text() == "run 0\nrun 1\n"
    assert tuple(capfd.readouterr()) == ("", "")


def test_an_error_restores_the_output_and_leaves_no_file_open(tmp_path, capfd):
    descriptors = Path("/proc/self/fd")
    open_before = len(list(descriptors.iterdir()))
    with process_streams():
        with pytest.raises(ValueError, match="broken"), quiet(tmp_path / "log"):
            raise ValueError("broken")
        print("afterwards")
    assert capfd.readouterr().out == "afterwards\n"
    assert len(list(descriptors.iterdir())) == open_before
