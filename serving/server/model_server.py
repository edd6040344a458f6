"""The server as an object: started, stopped and asked for its port."""

import os
from concurrent import futures
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.server import config
from serving.server.flags import Flags
from serving.server.manager import ModelManager
from serving.server.metrics import Metrics, MetricsServer
from serving.server.service import ModelService, PredictionService

STOP_SECONDS = 10.0
_CHANNEL_ARGUMENTS: dict[str, int | str] = {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    # Otherwise a second server on the same port would silently take half of the requests.
    "grpc.so_reuseport": 0,
}


class ModelServer:
    """Serves what its flags say; use it as a context manager, or start() and stop().

    Args:
        flags: as on the command line.
    """

    def __init__(self, flags: Flags):
        self.port = flags.port
        self._flags = flags
        self._manager = ModelManager(flags)
        self._metrics = Metrics()
        self._metrics_server: MetricsServer | None = None
        self._health = health.HealthServicer() if flags.enable_grpc_healthcheck_service else None
        threads = flags.grpc_max_threads or 4 * (os.cpu_count() or 1)
        options = {**_CHANNEL_ARGUMENTS, **dict(flags.grpc_channel_arguments)}
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads), options=list(options.items())
        )
        self._register()

    @property
    def target(self) -> str:
        """Where clients connect, `host:port`; the port is known once the server has started."""
        return f"{self._flags.host}:{self.port}"

    @property
    def models(self) -> list[str]:
        """The names of the models served."""
        return self._manager.names()

    def start(self, timeout_seconds: float | None = None) -> None:
        """Waits until the models are AVAILABLE, then listens, as TensorFlow Serving does.

        Raises:
            StatusError: if a file or model cannot be used, time runs out, or stop() or cancel()
                is called meanwhile.
            OSError: if a port cannot be bound.
        """
        self._manager.start()
        self._manager.reload(config.models(self._flags), timeout_seconds)
        self.port = self._listen(self.target)
        if self._flags.grpc_socket_path:
            self._listen(f"unix:{self._flags.grpc_socket_path}")
        self._serve_metrics()
        self._server.start()
        if self._health is not None:
            self._health.set("", health_pb2.HealthCheckResponse.SERVING)

    def reload(self) -> None:
        """Serves what the flags, or their config file as it is now, name; waits for no load.

        Raises:
            StatusError: if the file cannot be used, else see `ModelManager.follow`.
        """
        self._manager.follow(config.models(self._flags))

    def cancel(self) -> None:
        """Ends a start() in another thread; the server can then only be stopped."""
        self._manager.cancel()

    def stop(self) -> None:
        """Lets requests in flight finish, for up to 10 seconds, and unloads the models."""
        if self._health is not None:
            self._health.enter_graceful_shutdown()
        self._server.stop(STOP_SECONDS).wait()
        if self._metrics_server is not None:
            self._metrics_server.stop()
        self._manager.stop(STOP_SECONDS)

    def _register(self) -> None:
        as_content = self._flags.enable_serialization_as_tensor_content
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self._manager, self._metrics, as_content), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._manager, self._metrics), self._server
        )
        if self._health is not None:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def _listen(self, address: str) -> int:
        credentials = config.server_credentials(self._flags)
        try:
            if credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"Cannot listen on {address}: {error}") from None

    def _serve_metrics(self) -> None:
        path = config.metrics_path(self._flags)
        if path is not None:
            address = (self._flags.host, self._flags.rest_api_port)
            self._metrics_server = MetricsServer(self._metrics, address, path)

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
