"""The load generator: fixed send times, latency from the intended one, and every answer counted."""

import subprocess
import sys
import time
from pathlib import Path
from threading import Lock

import pytest

from benchmarks.load import closed_loop, open_loop

ROOT = Path(__file__).parents[2]


def test_an_open_loop_counts_the_wait_that_a_pause_of_the_server_causes():
    is_free = Lock()

    def send(number: int) -> None:
        """A server that handles one request at a time, the first in 0.3 s."""
        with is_free:
            time.sleep(0.3 if number == 0 else 0.0)

    latencies = open_loop(send, rate=100, seconds=0.5)
    assert len(latencies) == 50
    # Request 10 was to be sent after 0.1 s and waited for the other 0.2 s.
    assert latencies[10] == pytest.approx(0.2, abs=0.1)
    assert latencies[45] < 0.1


def test_an_open_loop_does_not_wait_for_answers():
    start = time.perf_counter()
    latencies = open_loop(lambda number: time.sleep(0.2), rate=100, seconds=0.3)
    assert time.perf_counter() - start < 1.0
    assert len(latencies) == 30
    assert min(latencies) >= 0.2


def test_a_closed_loop_has_so_many_requests_at_once():
    active, most, numbers = 0, 0, []

    counting = Lock()

    def send(number: int) -> None:
        nonlocal active, most
        numbers.append(number)
        with counting:
            active += 1
            most = max(most, active)
        time.sleep(0.01)
        with counting:
            active -= 1

    latencies = closed_loop(send, callers=3, seconds=0.2)
    assert most == 3
    assert len(latencies) == len(numbers) == len(set(numbers))


def test_it_imports_nothing_heavy():
    program = "import sys, benchmarks.load; print('tensorflow' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
