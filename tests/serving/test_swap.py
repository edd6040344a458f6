"""Versions change under load: no request fails, memory returns.

Prints the latencies: pytest -m slow -s tests/serving/test_swap.py
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import psutil
import pytest
from peers import wait_until
from server_process import running
from serving_models import MODEL, half_request, publish, save_half_plus
from tensorflow_serving.apis import prediction_service_pb2_grpc

from components.publishing.rollback import roll_back

REQUESTS, SENDERS = 20_000, 2
BALLAST_MB = 64
NEW_VERSIONS = (2, 3, 4)


class Load:
    """Requests from threads, each sent as soon as the thread's last one was answered.

    A context: the load ends with it, and what a request failed with is raised then.
    """

    def __init__(self, stub):
        self._stub = stub
        self._ended = threading.Event()
        self.sent: list[tuple[float, float, float]] = []  # when, seconds, version that answered

    def __enter__(self):
        self._pool = ThreadPoolExecutor(SENDERS)
        self._senders = [self._pool.submit(self._send) for _ in range(SENDERS)]
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._pool.shutdown()
        for sender in self._senders:
            sender.result()

    def newest(self) -> float:
        return self.sent[-1][2] if self.sent else 0.0

    def wait_for(self, requests: int) -> None:
        wait_until(
            lambda: len(self.sent) >= requests or any(sender.done() for sender in self._senders),
            lambda: f"{len(self.sent)} of {requests} requests",
        )

    def _send(self) -> None:
        while not self._ended.is_set():
            begun = time.perf_counter()
            response = self._stub.Predict(half_request(0.0), timeout=30.0)
            version = response.outputs["y"].float_val[0]
            self.sent.append((begun, time.perf_counter() - begun, version))

    def p99_ms(self, begin: float, end: float) -> float:
        return 1e3 * float(np.percentile([s for at, s, _ in self.sent if begin <= at < end], 99))


@pytest.mark.slow
def test_three_swaps_during_twenty_thousand_requests(tmp_path):
    base_path = tmp_path / "served"
    for version in (1, *NEW_VERSIONS):
        save_half_plus(tmp_path / str(version), float(version), BALLAST_MB)
    publish(tmp_path / "1", base_path, 1)
    flags = [f"--model_name={MODEL}", f"--model_base_path={base_path}"]
    with (
        # oneDNN's allocator would keep a version's memory for the next one.
        running(*flags, TF_ENABLE_ONEDNN_OPTS="0") as (target, pid),
        grpc.insecure_channel(target) as channel,
    ):
        server = psutil.Process(pid)
        before_mb = server.memory_info().rss / 2**20
        swaps = []
        with Load(prediction_service_pb2_grpc.PredictionServiceStub(channel)) as load:
            load.wait_for(REQUESTS // 5)
            for version in NEW_VERSIONS:
                begun = time.perf_counter()
                publish(tmp_path / str(version), base_path, version)
                wait_until(
                    lambda v=version: load.newest() == v, lambda v=version: f"no version {v}"
                )
                swaps.append((begun, time.perf_counter()))
            load.wait_for(REQUESTS)
        wait_until(
            lambda: server.memory_info().rss / 2**20 < before_mb + 0.5 * BALLAST_MB,
            lambda: f"{before_mb} MB before, {server.memory_info().rss / 2**20} MB after",
        )
        after_mb = server.memory_info().rss / 2**20

    answers = [version for _, _, version in load.sent]
    assert set(answers) == {1.0, 2.0, 3.0, 4.0}
    steady = load.p99_ms(0.0, swaps[0][0])
    during = max(load.p99_ms(begin, end) for begin, end in swaps)
    print(f"\np99 steady {steady:.1f} ms, during the worst swap {during:.1f} ms; ", end="")
    print(f"memory {before_mb:.0f} MB before, {after_mb:.0f} MB after")


@pytest.mark.slow
def test_a_rollback_under_load(tmp_path):
    """Version 2 serves, then 3, a copy of 1; a server loads 3 before it unloads 2."""
    base_path = tmp_path / "served"
    for version in (1, 2):
        save_half_plus(tmp_path / str(version), float(version))
        publish(tmp_path / str(version), base_path, version)
    with (
        running(f"--model_name={MODEL}", f"--model_base_path={base_path}") as (target, _),
        grpc.insecure_channel(target) as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with Load(stub) as load:
            load.wait_for(REQUESTS // 20)
            copy, original = roll_back(str(base_path))
            assert original == 1
            wait_until(lambda: load.newest() == original, lambda: "no rollback")
            load.wait_for(REQUESTS // 4)
        answer = stub.Predict(half_request(0.0), timeout=30.0)
    assert answer.model_spec.version.value == copy
    assert {version for _, _, version in load.sent} == {1.0, 2.0}
