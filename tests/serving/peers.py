"""A server under test and stubs that call it."""

import time
from collections.abc import Callable

import grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.server.manager import Watch
from serving.server.model_server import ModelServer

FAST = Watch(poll_wait_seconds=0.02, max_load_retries=0, load_retry_seconds=0.0)


class Peer:
    """A server in this process and stubs that call it."""

    def __init__(self, server: ModelServer):
        self.server = server
        self.channel = grpc.insecure_channel(server.target)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, request, timeout: float = 30.0):
        return self.prediction.Predict(request, timeout=timeout)

    def states(self) -> list[tuple[int, int]]:
        """(version, state) of every version, as the server lists them."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.server.name
        response = self.model.GetModelStatus(request, timeout=30.0)
        return [(entry.version, entry.state) for entry in response.model_version_status]

    def wait_for(self, states: list[tuple[int, int]]) -> None:
        wait_until(lambda: self.states() == states, lambda: f"{self.states()} is not {states}")


def wait_until(is_done: Callable[[], bool], explain: Callable[[], str]) -> None:
    until = time.monotonic() + 30.0
    while not is_done():
        assert time.monotonic() < until, explain()
        time.sleep(0.01)
