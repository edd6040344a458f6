"""The load generator: fixed send times, latency from the intended one, and every answer counted."""

import itertools
import subprocess
import sys
import time
from pathlib import Path
from threading import Barrier, Event, Lock
from types import SimpleNamespace

from benchmarks import load

ROOT = Path(__file__).parents[2]


def test_an_open_loop_counts_the_wait_that_a_pause_of_the_server_causes(monkeypatch):
    monkeypatch.setattr(load, "MOST_THREADS", 1)  # One request at a time, the first in 0.3 s.
    latencies = load.open_loop(
        lambda number: time.sleep(0.0 if number else 0.3), rate=100, seconds=0.5
    )
    assert len(latencies) == 50
    # Request 10 was to be sent after 0.1 s and waited for the other 0.2 s.
    assert latencies[10] >= 0.2


def test_an_open_loop_does_not_wait_for_answers():
    last = Event()

    def send(number: int) -> None:
        if number == 29:
            last.set()
        assert last.wait(timeout=60.0)

    assert len(load.open_loop(send, rate=100, seconds=0.3)) == 30


def test_a_closed_loop_has_so_many_requests_at_once(monkeypatch):
    # A second passes at each look at the clock.
    monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
    active, most, numbers = 0, 0, []
    counting, all_are_here = Lock(), Barrier(3)

    def send(number: int) -> None:
        nonlocal active, most
        with counting:
            numbers.append(number)
            active += 1
            most = max(most, active)
        if number < 3:
            all_are_here.wait(timeout=60.0)
        with counting:
            active -= 1

    latencies = load.closed_loop(send, callers=3, seconds=100)
    assert most == 3
    assert len(latencies) == len(numbers) == len(set(numbers)) > 3


def test_it_imports_nothing_heavy():
    program = "import sys, benchmarks.load; print('tensorflow' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
