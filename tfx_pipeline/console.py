"""What a person sees: one line a stage, results, and no library's log."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from rich.console import Console

from tfx_pipeline.command_line import FAILURE, fail

TITLES = {
    "SessionExampleGen": "ingest and sessionize",
    "CuratedSchema": "schema",
    "StatisticsGen": "statistics",
    "ExampleValidator": "validate the data",
    "Transform": "vocabulary and features",
    "Trainer": "train",
    "LatestBlessedModel": "last blessed model",
    "Evaluator": "evaluate",
    "CounterBaselines": "evaluate the counters",
    "ServableCheck": "check the servable",
    "Pusher": "push",
}


class Screen(Console):
    """The process's own output and, for errors, its standard error."""

    def __init__(self, out: IO[str], errors: IO[str], is_terminal: bool):
        # As it is: paths, messages and titles of items may hold brackets or `:cat:`.
        super().__init__(
            file=out,
            soft_wrap=True,
            force_terminal=is_terminal,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._errors = errors

    def fail(self, message: str, code: int = FAILURE) -> NoReturn:
        """End the process with an error of the user's."""
        fail(message, code, self._errors)


@contextlib.contextmanager
def quiet(log_path: Path) -> Iterator[Screen]:
    """Send everything that libraries print or log to `log_path`; the console stays usable.

    C++ libraries write to the file descriptors themselves, so those are redirected.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    is_terminal = os.isatty(1)
    with (
        log_path.open("a") as log,
        os.fdopen(os.dup(1), "w", buffering=1) as shown,
        os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as errors,
    ):
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield Screen(shown, errors, is_terminal)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(saved, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)


class StageProgress(logging.Handler):
    """Prints a line a pipeline stage from what TFX's LocalDagRunner logs."""

    def __init__(self, console: Console):
        super().__init__(logging.INFO)
        self.stage = ""
        self._console = console
        self._started = 0.0
        self._cached = False

    def emit(self, record: logging.LogRecord) -> None:
        """Follow the runner's and the trainer's messages."""
        if record.name == "sessionrec.progress":
            self._console.print(f"    {record.getMessage()}", markup=False, emoji=False)
        elif record.msg == "Component %s is running.":
            self.stage = str(record.args[0]) if isinstance(record.args, tuple) else ""
            self._started, self._cached = time.monotonic(), False
        elif record.msg == "A cached execution %d is used.":
            self._cached = True
        elif record.msg == "Component %s is finished.":
            seconds = time.monotonic() - self._started
            spent = "unchanged, reused" if self._cached else f"{seconds:6.1f} s"
            self._console.print(f"  {TITLES.get(self.stage, self.stage):<26}{spent}")
