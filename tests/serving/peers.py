"""A server under test and stubs that call it."""

import time
from collections.abc import Callable
from pathlib import Path

import grpc
from serving_models import MODEL
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.server.flags import Flags
from serving.server.model_server import ModelServer


def flags(base_path: Path | str = "", name: str = MODEL, **others) -> Flags:
    """Flags of a server on a free port that looks often and tries a load once."""
    fast = {"port": 0, "file_system_poll_wait_seconds": 0.02, "max_num_load_retries": 0}
    return Flags(model_name=name, model_base_path=str(base_path), **{**fast, **others})


class Peer:
    """A server in this process and stubs that call it."""

    def __init__(self, server: ModelServer):
        self.server = server
        self.channel = grpc.insecure_channel(server.target)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, request, timeout: float = 30.0):
        return self.prediction.Predict(request, timeout=timeout)

    def states(self, name: str = MODEL) -> list[tuple[int, int]]:
        """(version, state) of every version, as the server lists them."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        response = self.model.GetModelStatus(request, timeout=30.0)
        return [(entry.version, entry.state) for entry in response.model_version_status]

    def wait_for(self, states: list[tuple[int, int]], name: str = MODEL) -> None:
        wait_until(
            lambda: self.states(name) == states, lambda: f"{self.states(name)} is not {states}"
        )


def wait_until(is_done: Callable[[], bool], explain: Callable[[], str]) -> None:
    until = time.monotonic() + 120.0
    while not is_done():
        assert time.monotonic() < until, explain()
        time.sleep(0.01)
