"""The client for threads."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc
import numpy as np

from serving import DEFAULT_MAX_MESSAGE_BYTES
from serving.client import calls
from serving.client.calls import Call, Recommendation, RecommenderError, VersionStatus
from serving.client.channel import (
    DEFAULT_TIMEOUT_SECONDS,
    channel_options,
    stub_methods,
)
from serving.requests import Request

_Answer = TypeVar("_Answer")


class RecommenderClient:
    """Calls one model; safe to share between threads, holds one connection.

    Calls that find the server UNAVAILABLE are tried up to 5 times within their deadline.

    Args:
        target: `host:port` of the server, or `unix:/path`.
        model_name: the model's name there.
        timeout_seconds: the deadline of a call, retries included.
        credentials: from `grpc.ssl_channel_credentials(...)`, for TLS or, with a key and a
            certificate of the client, mutual TLS; None: plain text.
        max_message_bytes: the largest request and response.

    Raises:
        ValueError: if an argument is not usable.
    """

    def __init__(
        self,
        target: str,
        *,
        model_name: str,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    ):
        options = channel_options(timeout_seconds, max_message_bytes)
        self.target = target
        self.model_name = model_name
        self._timeout_seconds = timeout_seconds
        if credentials is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, credentials, options)
        self._methods = stub_methods(self._channel)

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
        return self._send(
            calls.recommend(self.model_name, requests, k, exclude_item_ids, exclude_seen)
        )

    def rank(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """The scores of each request's own candidates, in their order.

        Raises:
            ValueError: if an argument is not usable.
            RecommenderError: if the call fails.
        """
        return self._send(calls.rank(self.model_name, requests, candidates))

    def encode(self, requests: Sequence[Request]) -> np.ndarray:
        """The users' embeddings, float32 [batch, width].

        Raises:
            ValueError: if a request is not usable.
            RecommenderError: if the call fails.
        """
        return self._send(calls.encode(self.model_name, requests))

    def status(self) -> list[VersionStatus]:
        """The model's versions, as the server lists them.

        Raises:
            RecommenderError: if the call fails.
        """
        return self._send(calls.status(self.model_name))

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

    def _send(self, call: Call[_Answer]) -> _Answer:
        try:
            response = self._methods[call.method](call.request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise RecommenderError(self.target, error.code(), error.details() or "") from error
        return call.parse(response)
