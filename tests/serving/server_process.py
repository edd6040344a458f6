"""`python -m serving.server` as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Starts a server on a free port unless the arguments name one."""
    return subprocess.Popen(
        [sys.executable, "-m", "serving.server", "--port=0", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def target_of(process: subprocess.Popen[str]) -> str:
    """Waits until the server answers; returns `host:port`."""
    assert process.stdout is not None
    ready = process.stdout.readline()
    matched = re.fullmatch(r"ready: [\w, ]+ on (127\.0\.0\.1:\d+)\n", ready)
    assert matched, ready + str(process.communicate()[1])
    return matched[1]


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[str, int]]:
    """A server that answers: its target and process id."""
    process = start(*arguments, **environment)
    try:
        yield target_of(process), process.pid
    finally:
        process.kill()
        process.communicate()
