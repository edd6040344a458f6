"""A typed client of the recommender, for TensorFlow Serving and the embedded server alike.

with RecommenderClient("127.0.0.1:8500", model_name="groceries") as client:
    history = [[Event("item-1", 1_700_000_000), Event("item-2", 1_700_000_060)]]
    [best] = client.recommend([Request("user-1", history)], k=10)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from model.features import PADDING_ITEM_ID
from serving.requests import Event, History, Request, Session, example_batch, padded_ids

__all__ = [
    "Event",
    "History",
    "Recommendation",
    "RecommenderClient",
    "RecommenderError",
    "Request",
    "Session",
    "VersionStatus",
]

_MAX_ATTEMPTS = 5  # gRPC allows no more
_ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "Check that a server is running there and has a version ready.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Give a longer timeout_seconds or send fewer requests.",
    grpc.StatusCode.NOT_FOUND: "Check model_name and that the folder served holds a version.",
    grpc.StatusCode.FAILED_PRECONDITION: "The model served lacks the signature: export it again.",
    grpc.StatusCode.INVALID_ARGUMENT: "The model served does not fit this client's requests.",
}


class RecommenderError(RuntimeError):
    """A call that failed; the text says where, why and what to do.

    Args:
        target: the server called.
        code: the gRPC status code.
        details: the server's, or gRPC's, own text.
    """

    def __init__(self, target: str, code: grpc.StatusCode, details: str):
        advice = _ADVICE.get(code, "See the server's log.")
        super().__init__(
            f"The call to {target} ended with {code.name}: {details.rstrip('.')}. {advice}"
        )
        self.target = target
        self.code = code
        self.details = details


@dataclass(frozen=True)
class Recommendation:
    """An item and its score; scores compare only within one answer."""

    item_id: str
    score: float


@dataclass(frozen=True)
class VersionStatus:
    """A version that the server has seen; `state` is START, LOADING, AVAILABLE, ..., END."""

    version: int
    state: str
    error: str


class RecommenderClient:
    """Calls one model; safe to share between threads, holds one connection.

    Calls that find the server UNAVAILABLE are tried up to 5 times within their deadline.

    Args:
        target: `host:port` of the server.
        model_name: the model's name there.
        timeout_seconds: the deadline of a call, retries included.
    """

    def __init__(self, target: str, *, model_name: str, timeout_seconds: float = 5.0):
        if timeout_seconds <= 0:
            raise ValueError(f"timeout_seconds must be positive. Received: {timeout_seconds}")
        self.target = target
        self.model_name = model_name
        self._timeout_seconds = timeout_seconds
        self._channel = grpc.insecure_channel(target, options=_channel_options())
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def recommend(
        self,
        requests: Sequence[Request],
        k: int = 10,
        exclude_item_ids: Sequence[str] = (),
        exclude_seen: bool = False,
    ) -> list[list[Recommendation]]:
        """The best items of each request, best first.

        Args:
            requests: the users to answer for.
            k: how many items each gets; fewer if the model serves or has fewer.
            exclude_item_ids: items that nobody gets.
            exclude_seen: also leave out the items of a request's own history.

        Raises:
            ValueError: if an argument is not usable.
            RecommenderError: if the call fails.
        """
        if not 1 <= k < 2**31:
            raise ValueError(f"k must be at least 1. Received: {k}")
        batch = len(requests)
        inputs = {
            "examples": example_batch(requests),
            "k": tf.make_tensor_proto([k] * batch, tf.int32),
            "exclude_item_id": padded_ids([exclude_item_ids] * batch),
            "exclude_seen": tf.make_tensor_proto([exclude_seen] * batch, tf.bool),
        }
        outputs = self._predict("recommend", inputs)
        return [
            [
                Recommendation(item_id.decode(), score)
                for item_id, score in zip(row_ids, row_scores, strict=True)
                if item_id != PADDING_ITEM_ID.encode()
            ]
            for row_ids, row_scores in zip(
                outputs["item_id"].tolist(), outputs["score"].tolist(), strict=True
            )
        ]

    def rank(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """The scores of each request's own candidates, in their order.

        Raises:
            ValueError: if an argument is not usable.
            RecommenderError: if the call fails.
        """
        if len(candidates) != len(requests):
            raise ValueError(
                "candidates must hold one list a request. "
                f"Received: {len(candidates)} lists for {len(requests)} requests"
            )
        inputs = {"examples": example_batch(requests), "candidate_item_id": padded_ids(candidates)}
        scores = self._predict("rank", inputs)["score"]  # [batch, widest list]
        return [row[: len(ids)].tolist() for row, ids in zip(scores, candidates, strict=True)]

    def encode(self, requests: Sequence[Request]) -> np.ndarray:
        """The users' embeddings, float32 [batch, width].

        Raises:
            ValueError: if a request is not usable.
            RecommenderError: if the call fails.
        """
        return self._predict("encode", {"examples": example_batch(requests)})["embedding"]

    def status(self) -> list[VersionStatus]:
        """The model's versions, as the server lists them.

        Raises:
            RecommenderError: if the call fails.
        """
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        response = self._call(self._model.GetModelStatus, request)
        state_name = get_model_status_pb2.ModelVersionStatus.State.Name
        return [
            VersionStatus(entry.version, state_name(entry.state), entry.status.error_message)
            for entry in response.model_version_status
        ]

    def close(self) -> None:
        """Closes the connection; calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _predict(
        self, signature: str, inputs: Mapping[str, tensor_pb2.TensorProto]
    ) -> dict[str, np.ndarray]:
        request = predict_pb2.PredictRequest(inputs=inputs)
        request.model_spec.name = self.model_name
        request.model_spec.signature_name = signature
        response = self._call(self._prediction.Predict, request)
        return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}

    def _call(self, method: grpc.UnaryUnaryMultiCallable, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise RecommenderError(self.target, error.code(), error.details() or "") from error


def _channel_options() -> list[tuple[str, Any]]:
    services = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
    retry = {
        "maxAttempts": _MAX_ATTEMPTS,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {"methodConfig": [{"name": [{"service": s} for s in services], "retryPolicy": retry}]}
    return [
        ("grpc.service_config", json.dumps(config)),
        # Reconnect at the pace of the retries; the default waits a second first.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
    ]
