"""A sample of the answered Predict requests, as TFRecords of PredictionLog.

The configuration is the `logging_config` of a model in TensorFlow Serving's model configuration:

    log_collector_config { type: "tfrecord" filename_prefix: "/logs/requests" }
    sampling_config { sampling_rate: 0.01 }

Stock TensorFlow Serving has no collector compiled in, and refuses a configuration with one.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tensorflow_serving.config import logging_config_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from serving.server.status import invalid_argument

COLLECTOR = "tfrecord"
_LOG = logging.getLogger(__name__)


class RequestLog:
    """Writes a file of its own, PREFIX-SECONDS-PID-NUMBER.tfrecord; threads may share it."""

    def __init__(self, config: logging_config_pb2.LoggingConfig, seed: int | None = None):
        """Opens the file.

        Args:
            config: which collector, where to, and the share of requests.
            seed: of the sampling; None takes one from the system.

        Raises:
            ValueError: the collector is of another type, has no prefix or that of a remote file
                system, or the rate is not from 0 to 1.
            OSError, tf.errors.OpError: the file, or its folder, cannot be made.
        """
        collector, rate = config.log_collector_config, config.sampling_config.sampling_rate
        if collector.type != COLLECTOR:
            raise ValueError(f"log_collector_config.type must be {COLLECTOR!r}: {collector.type!r}")
        if not collector.filename_prefix:
            raise ValueError("log_collector_config.filename_prefix is missing")
        if "://" in collector.filename_prefix:
            raise ValueError(
                "log_collector_config.filename_prefix must be a path of this machine: "
                f"{collector.filename_prefix!r}"
            )
        if not 0 <= rate <= 1:
            raise ValueError(f"sampling_rate must be from 0 to 1: {rate}")
        self.path = _new_file(collector.filename_prefix)
        self.config = config
        self._sampling = config.sampling_config
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._writer = tf.io.TFRecordWriter(self.path)

    def collect(
        self, request: predict_pb2.PredictRequest, response: predict_pb2.PredictResponse
    ) -> None:
        """Writes the call if it is drawn. A file that cannot be written is logged, not raised."""
        with self._lock:
            if self._random.random() >= self._sampling.sampling_rate:
                return
        entry = prediction_log_pb2.PredictionLog()
        entry.log_metadata.model_spec.CopyFrom(response.model_spec)
        entry.log_metadata.sampling_config.CopyFrom(self._sampling)
        entry.log_metadata.timestamp_secs = int(time.time())
        entry.predict_log.request.CopyFrom(request)
        entry.predict_log.response.CopyFrom(response)
        record = entry.SerializeToString()
        try:
            with self._lock:
                self._writer.write(record)
                self._writer.flush()
        except tf.errors.OpError as error:
            _LOG.error("a request could not be logged to %s: %s", self.path, error)

    def close(self) -> None:
        """Ends the file."""
        with self._lock:
            self._writer.close()

    def discard(self) -> None:
        """Ends the file and removes it."""
        self.close()
        Path(self.path).unlink()


class RequestLogs:
    """The request log of each model of a configuration that asks for one."""

    def __init__(self) -> None:
        self._logs: dict[str, RequestLog] = {}

    def get(self, name: str) -> RequestLog | None:
        """Where a model's requests are sampled to."""
        return self._logs.get(name)

    def open(self, listed: Mapping[str, ModelConfig]) -> dict[str, RequestLog]:
        """What to `replace` the logs with for these models; what stays the same stays open.

        Raises:
            StatusError: INVALID_ARGUMENT if a log cannot be opened; no other is then, either.
        """
        logs: dict[str, RequestLog] = {}
        with ExitStack() as undo:
            for name, model in listed.items():
                log = self._logs.get(name)
                if not model.HasField("logging_config"):
                    continue
                if log is None or log.config != model.logging_config:
                    log = _open_log(model)
                    undo.callback(log.discard)
                logs[name] = log
            undo.pop_all()
        return logs

    def replace(self, logs: dict[str, RequestLog]) -> None:
        """Logs to these from now on, and ends the others."""
        for name, log in self._logs.items():
            if logs.get(name) is not log:
                log.close()
        self._logs = logs


def _open_log(model: ModelConfig) -> RequestLog:
    try:
        return RequestLog(model.logging_config)
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise invalid_argument(f"Model {model.name} has no request log: {error}") from None


def _new_file(prefix: str) -> str:
    """Makes an empty file that no other log has, of this process or of another."""
    start = f"{prefix}-{int(time.time())}-{os.getpid()}"
    Path(start).parent.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        path = f"{start}-{number}.tfrecord"
        try:
            Path(path).touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path
