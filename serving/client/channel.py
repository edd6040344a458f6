"""The connection of a client: its options, retries included, and its stubs."""

import json
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

DEFAULT_TIMEOUT_SECONDS = 5.0
_MAX_ATTEMPTS = 5  # gRPC allows no more


def channel_options(timeout_seconds: float, max_message_bytes: int) -> list[tuple[str, Any]]:
    """gRPC's options of a channel that tries again what the server was UNAVAILABLE for.

    The retries are gRPC's own, so both kinds of client have the same: with random pauses of up
    to 0.1, 0.2, 0.4 and 0.8 s.

    Raises:
        ValueError: if an argument is not positive.
    """
    if timeout_seconds <= 0:
        raise ValueError(f"timeout_seconds must be positive. Received: {timeout_seconds}")
    if max_message_bytes <= 0:
        raise ValueError(f"max_message_bytes must be positive. Received: {max_message_bytes}")
    services = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
    retry = {
        "maxAttempts": _MAX_ATTEMPTS,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {
        "methodConfig": [{"name": [{"service": s} for s in services], "retryPolicy": retry}],
        # A name with several addresses is a cluster: each call goes to the next one.
        "loadBalancingConfig": [{"round_robin": {}}],
    }
    return [
        ("grpc.service_config", json.dumps(config)),
        # Otherwise requests of more than 256 KiB would not be tried again.
        ("grpc.per_rpc_retry_buffer_size", max_message_bytes),
        # Reconnect at the pace of the retries; the default waits a second first.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
    ]


def stub_methods(channel: grpc.Channel | grpc.aio.Channel) -> dict[str, Any]:
    """The methods that `calls.Call` names; those of an aio channel are awaited."""
    prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    model = model_service_pb2_grpc.ModelServiceStub(channel)
    return {"Predict": prediction.Predict, "GetModelStatus": model.GetModelStatus}
