"""What a client may ask: each call's request, and how its response is read.

Both clients send these, so they differ only in how they wait.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from model.features import PADDING_ITEM_ID
from serving.requests import Request, example_batch, padded_ids

_Answer = TypeVar("_Answer")
_ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "Check that a server is running there and has a version ready.",
    # Also where no server was there until the deadline: gRPC does not tell what it tried again.
    grpc.StatusCode.DEADLINE_EXCEEDED: "Give a longer timeout_seconds, send fewer requests "
    "or check that a server is running there.",
    grpc.StatusCode.NOT_FOUND: "Check model_name and that the folder served holds a version.",
    grpc.StatusCode.FAILED_PRECONDITION: "The model served lacks the signature: export it again.",
    grpc.StatusCode.INVALID_ARGUMENT: "The model served does not fit this client's requests.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Give a larger max_message_bytes or send fewer requests.",
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


@dataclass(frozen=True)
class Call(Generic[_Answer]):
    """A call to send.

    Args:
        method: the name of the stub's method.
        request: its argument.
        parse: reads the answer out of the response.
    """

    method: str
    request: Any
    parse: Callable[[Any], _Answer]


def recommend(
    model_name: str,
    requests: Sequence[Request],
    k: int,
    exclude_item_ids: Sequence[str],
    exclude_seen: bool,
) -> Call[list[list[Recommendation]]]:
    """The best items of each request; see `RecommenderClient.recommend`.

    Raises:
        ValueError: if an argument is not usable.
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
    return _predict(model_name, "recommend", inputs, _read_recommendations)


def rank(
    model_name: str, requests: Sequence[Request], candidates: Sequence[Sequence[str]]
) -> Call[list[list[float]]]:
    """The scores of each request's candidates; see `RecommenderClient.rank`.

    Raises:
        ValueError: if an argument is not usable.
    """
    if len(candidates) != len(requests):
        raise ValueError(
            "candidates must hold one list a request. "
            f"Received: {len(candidates)} lists for {len(requests)} requests"
        )
    inputs = {"examples": example_batch(requests), "candidate_item_id": padded_ids(candidates)}

    def parse(outputs: dict[str, np.ndarray]) -> list[list[float]]:
        scores = outputs["score"]  # [batch, widest list]
        return [row[: len(ids)].tolist() for row, ids in zip(scores, candidates, strict=True)]

    return _predict(model_name, "rank", inputs, parse)


def encode(model_name: str, requests: Sequence[Request]) -> Call[np.ndarray]:
    """The users' embeddings, float32 [batch, width].

    Raises:
        ValueError: if a request is not usable.
    """
    inputs = {"examples": example_batch(requests)}
    return _predict(model_name, "encode", inputs, lambda outputs: outputs["embedding"])


def status(model_name: str) -> Call[list[VersionStatus]]:
    """The model's versions, as the server lists them."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model_name
    state_name = get_model_status_pb2.ModelVersionStatus.State.Name

    def parse(response: get_model_status_pb2.GetModelStatusResponse) -> list[VersionStatus]:
        return [
            VersionStatus(entry.version, state_name(entry.state), entry.status.error_message)
            for entry in response.model_version_status
        ]

    return Call("GetModelStatus", request, parse)


def _predict(
    model_name: str,
    signature: str,
    inputs: Mapping[str, tensor_pb2.TensorProto],
    parse: Callable[[dict[str, np.ndarray]], _Answer],
) -> Call[_Answer]:
    request = predict_pb2.PredictRequest(inputs=inputs)
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature

    def parse_response(response: predict_pb2.PredictResponse) -> _Answer:
        return parse({name: tf.make_ndarray(proto) for name, proto in response.outputs.items()})

    return Call("Predict", request, parse_response)


def _read_recommendations(outputs: dict[str, np.ndarray]) -> list[list[Recommendation]]:
    rows = zip(outputs["item_id"].tolist(), outputs["score"].tolist(), strict=True)
    return [
        [
            Recommendation(item_id.decode(), score)
            for item_id, score in zip(ids, scores, strict=True)
            if item_id != PADDING_ITEM_ID.encode()
        ]
        for ids, scores in rows
    ]
