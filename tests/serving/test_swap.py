"""Versions change under load: no request fails, latency stays bounded, memory returns.

Prints the figures: pytest -m slow -s tests/serving/test_swap.py
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
    """Sends requests from threads, each as soon as its last was answered."""

    def __init__(self, stub, requests: int = REQUESTS):
        self._stub = stub
        self._left = threading.Semaphore(requests)
        self.sent: list[tuple[float, float, float]] = []  # when, seconds, version that answered

    def newest(self) -> float:
        return self.sent[-1][2] if self.sent else 0.0

    def send(self) -> None:
        while self._left.acquire(blocking=False):
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
        ThreadPoolExecutor(SENDERS) as pool,
    ):
        server = psutil.Process(pid)
        load = Load(prediction_service_pb2_grpc.PredictionServiceStub(channel))
        before_mb = server.memory_info().rss / 2**20
        senders = [pool.submit(load.send) for _ in range(SENDERS)]
        wait_until(lambda: len(load.sent) > REQUESTS // 5, lambda: "no load")
        swaps = []
        for version in NEW_VERSIONS:
            begun = time.perf_counter()
            publish(tmp_path / str(version), base_path, version)
            wait_until(lambda v=version: load.newest() == v, lambda v=version: f"no version {v}")
            swaps.append((begun, time.perf_counter()))
        assert not any(sender.done() for sender in senders)  # the load lasted through all swaps
        for sender in senders:
            sender.result()
        wait_until(
            lambda: server.memory_info().rss / 2**20 < before_mb + 0.5 * BALLAST_MB,
            lambda: f"{before_mb} MB before, {server.memory_info().rss / 2**20} MB after",
        )
        after_mb = server.memory_info().rss / 2**20

    assert len(load.sent) == REQUESTS
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
    requests = REQUESTS // 4
    with (
        running(f"--model_name={MODEL}", f"--model_base_path={base_path}") as (target, _),
        grpc.insecure_channel(target) as channel,
        ThreadPoolExecutor(SENDERS) as pool,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        load = Load(stub, requests)
        senders = [pool.submit(load.send) for _ in range(SENDERS)]
        wait_until(lambda: len(load.sent) > requests // 5, lambda: "no load")
        copy, original = roll_back(str(base_path))
        assert original == 1
        wait_until(lambda: load.newest() == original, lambda: "no rollback")
        assert not any(sender.done() for sender in senders)
        for sender in senders:
            sender.result()  # raises what a request failed with
        answer = stub.Predict(half_request(0.0), timeout=30.0)
    assert answer.model_spec.version.value == copy
    assert len(load.sent) == requests
    assert {version for _, _, version in load.sent} == {1.0, 2.0}
