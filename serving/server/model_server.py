"""The server as an object: started, stopped and asked for its port."""

import os
from concurrent import futures
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.server.flags import DEFAULT_HOST
from serving.server.manager import VersionManager, Watch
from serving.server.service import ModelService, PredictionService

STOP_SECONDS = 10.0
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Otherwise a second server on the same port would silently take half of the requests.
    ("grpc.so_reuseport", 0),
]


def default_threads() -> int:
    """How many requests run at once unless told: TensorFlow Serving's 4 a core."""
    return 4 * (os.cpu_count() or 1)


class ModelServer:
    """Serves the versions of one model; use it as a context manager, or start() and stop().

    Args:
        name: the model's name in requests.
        base_path: the folder that holds the version folders (`base_path/1/saved_model.pb`).
        port: where to listen; 0 takes a free port, see `port` and `target` once started.
        host: the address to bind, loopback unless told otherwise.
        watch: how the folder is watched.
        threads: how many requests run at once.
        health_check: also answer `grpc.health.v1.Health`.
    """

    def __init__(
        self,
        name: str,
        base_path: str | os.PathLike[str],
        *,
        port: int = 0,
        host: str = DEFAULT_HOST,
        watch: Watch | None = None,
        threads: int | None = None,
        health_check: bool = False,
    ):
        self.name = name
        self.host = host
        self.port = port
        self._manager = VersionManager(name, Path(base_path), watch or Watch())
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads or default_threads()), options=_OPTIONS
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self._manager), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._manager), self._server
        )
        self._health = health.HealthServicer() if health_check else None
        if self._health is not None:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    @property
    def target(self) -> str:
        """Where clients connect, `host:port`; the port is known once the server has started."""
        return f"{self.host}:{self.port}"

    def start(self, timeout_seconds: float | None = None) -> bool:
        """Waits until a version is AVAILABLE, then listens, as TensorFlow Serving does.

        Returns:
            False if the time ran out, or the start was cancelled, before a version was there.

        Raises:
            LoadError: if the first version cannot be loaded.
            OSError: if the port cannot be bound.
        """
        self._manager.start()
        if not self._manager.wait_until_available(timeout_seconds):
            return False
        try:
            self.port = self._server.add_insecure_port(self.target)
        except RuntimeError as error:
            raise OSError(f"Cannot listen on {self.target}: {error}") from None
        self._server.start()
        if self._health is not None:
            self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        return True

    def cancel_start(self) -> None:
        """Ends a start() that waits in another thread; the server can then only be stopped."""
        self._manager.interrupt()

    def stop(self) -> None:
        """Lets requests in flight finish, for up to 10 seconds, and unloads the model."""
        if self._health is not None:
            self._health.enter_graceful_shutdown()
        self._server.stop(STOP_SECONDS).wait()
        self._manager.stop(STOP_SECONDS)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
