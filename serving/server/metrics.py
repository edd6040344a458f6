"""Prometheus metrics under TensorFlow Serving's names."""

from http.server import ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, Gauge, Histogram, MetricsHandler

# Microseconds, from 10 to about 20 minutes, as TensorFlow Serving's.
_BUCKETS = [10 * 1.8**power for power in range(33)]


class Metrics:
    """Counts and times the calls of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # A gauge, because the library adds _total to a counter's name, which dashboards made
        # for TensorFlow Serving do not expect.
        self._requests = Gauge(
            ":tensorflow:serving:request_count",
            "The total number of requests.",
            ["model_name", "status"],
            registry=self.registry,
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Distribution of wall time (in microseconds) for requests that were answered.",
            ["model_name", "API", "entrypoint"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def record(self, model: str, api: str, status: str, seconds: float) -> None:
        """Counts a call; `status` is the name of its gRPC code."""
        self._requests.labels(model, status).inc()
        if status == "OK":
            self._latency.labels(model, api, "GRPC").observe(seconds * 1e6)


class MetricsServer:
    """Serves a registry over HTTP at one path; everything else is not found.

    Args:
        metrics: what to serve.
        address: host and port to bind.
        path: where the metrics are.

    Raises:
        OSError: if the port is taken.
    """

    def __init__(self, metrics: Metrics, address: tuple[str, int], path: str):
        class Handler(MetricsHandler.factory(metrics.registry)):  # type: ignore[misc]
            def do_GET(self) -> None:  # noqa: N802
                if self.path == path:
                    super().do_GET()
                else:
                    self.send_error(404)

        self._server = ThreadingHTTPServer(address, Handler)
        Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Closes the port."""
        self._server.shutdown()
        self._server.server_close()
