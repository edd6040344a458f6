"""One load on a served model, on the bare call of its signature, and on plain numpy."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import TracebackType
from typing import Self

import numpy as np
import psutil
import tensorflow as tf

from benchmarks.load import closed_loop, open_loop

MEBIBYTE = 2**20
DIM, K = 64, 100
CALLERS = 4
WARM_UP_CALLS = 20


class ServerError(ValueError):
    """The server did not start or a request failed; the message has its last words."""


@dataclass(frozen=True)
class Load:
    """What was measured.

    Attributes:
      name: of catalogue, index, batch and kind of load.
      method: sessionrec, in-process or numpy.
      latencies: seconds of each request; of an open loop, from the time it was to be sent.
      seconds: that all took.
      cpu_s: CPU seconds of the process that answered.
      peak_mb: MiB that it had resident at most; None where it holds more than what answers.
    """

    name: str
    method: str
    latencies: list[float]
    seconds: float
    cpu_s: float
    peak_mb: float | None

    @property
    def per_second(self) -> float:
        """Requests, each of a whole batch, answered a second."""
        return len(self.latencies) / self.seconds


class Server:
    """The embedded server in a process of its own, as a context."""

    def __init__(self, base: Path):
        """Serve the newest version in the folder `base` under the name of the benchmark."""
        self._command = [sys.executable, "-m", "serving.server", "--port=0"]
        self._command += ["--model_name=serving", "--max_num_load_retries=0"]
        self._command += [f"--model_base_path={base.absolute()}"]

    def __enter__(self) -> Self:
        self._process = psutil.Popen(self._command, stdout=subprocess.PIPE, text=True)
        ready = self._process.stdout.readline()
        if not ready.startswith("ready"):
            raise ServerError(f"The server did not start: {' '.join(self._command)}")
        self.target = ready.split()[-1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def load(self, name: str, requests: list[bytes], rate: float, seconds: float) -> Load:
        """Send serialized PredictRequests; at no rate, as fast as they are answered."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "requests.json"
            path.write_text(json.dumps([request.hex() for request in requests]))
            command = [sys.executable, "-m", "benchmarks.load", f"--target={self.target}"]
            command += [f"--requests={path}", f"--rate={rate}", f"--seconds={seconds}"]
            command += [f"--callers={CALLERS}"]
            with _Watch(self._process) as watch:
                sent = subprocess.run(command, capture_output=True, text=True, check=False)
            if sent.returncode:
                raise ServerError(f"A request failed: {sent.stderr.strip().splitlines()[-1]}")
        found = json.loads(sent.stdout)
        cpu_s, peak_mb = watch.costs
        return Load(name, "sessionrec", found["latencies"], found["seconds"], cpu_s, peak_mb)


class InProcess:
    """A signature, called in this process; its SavedModel must outlive this."""

    def __init__(self, signature: Callable[..., dict], users: list[bytes], batch: int):
        """Make requests of `batch` users each, and warm up."""
        self._function = signature
        self._requests = [tf.constant(users[at : at + batch]) for at in range(0, len(users), batch)]
        for number in range(WARM_UP_CALLS):
            self._call(number)

    def closed(self, name: str, seconds: float) -> Load:
        """One call after the other."""
        return _timed(name, "in-process", lambda: closed_loop(self._call, 1, seconds))

    def open(self, name: str, rate: float, seconds: float) -> Load:
        """Calls at fixed times."""
        return _timed(name, "in-process", lambda: open_loop(self._call, rate, seconds))

    def _call(self, number: int) -> None:
        found = self._function(examples=self._requests[number % len(self._requests)])
        for tensor in found.values():
            tensor.numpy()


def numpy_floor(name: str, items: int, seconds: float) -> Load:
    """A matrix product and argpartition: what scoring and top-k alone cost, for one user."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=[items, DIM]).astype(np.float32)
    query = generator.normal(size=DIM).astype(np.float32)

    def call(number: int) -> None:
        scores = vectors @ query
        best = np.argpartition(scores, -K)[-K:]
        best[np.argsort(-scores[best])]

    return _timed(name, "numpy", lambda: closed_loop(call, 1, seconds))


def _timed(name: str, method: str, load: Callable[[], list[float]]) -> Load:
    start, cpu_start = time.perf_counter(), time.process_time()
    latencies = load()
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    return Load(name, method, latencies, seconds, cpu_s, None)


class _Watch:
    """CPU seconds and peak memory of a process, within a context."""

    def __init__(self, process: psutil.Process):
        self._process = process

    def __enter__(self) -> Self:
        self._start, self._peak, self._stop = self._cpu(), 0, Event()
        self._thread = Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.costs = self._cpu() - self._start, self._peak / MEBIBYTE

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def _sample(self) -> None:
        while not self._stop.wait(0.2):
            self._peak = max(self._peak, self._process.memory_info().rss)
