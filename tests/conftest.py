"""What tests share: starting the command line, and no deadline for property tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# An example may take long on a machine that does other things: speed is for benchmarks to judge.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def start_command():
    """Start `sessionrec` with arguments in a folder; the caller waits for it or ends it."""

    def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tfx_pipeline", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def run_command(start_command):
    """Run `sessionrec` to its end: (exit status, everything it printed)."""

    def run(folder: Path, *arguments: str) -> tuple[int, str]:
        with start_command(folder, *arguments) as process:
            printed, _ = process.communicate(timeout=600)
            return process.returncode, printed

    return run
