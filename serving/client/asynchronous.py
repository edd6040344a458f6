"""The client for asyncio."""

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


class AsyncRecommenderClient:
    """Calls one model; `RecommenderClient` for asyncio, to be made in a running event loop.

    Arguments, answers and errors are those of `RecommenderClient`.
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
            self._channel = grpc.aio.insecure_channel(target, options)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, options)
        self._methods = stub_methods(self._channel)

    async def recommend(
        self,
        requests: Sequence[Request],
        k: int = 10,
        exclude_item_ids: Sequence[str] = (),
        exclude_seen: bool = False,
    ) -> list[list[Recommendation]]:
        """The best items of each request; see `RecommenderClient.recommend`."""
        return await self._send(
            calls.recommend(self.model_name, requests, k, exclude_item_ids, exclude_seen)
        )

    async def rank(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """The scores of each request's own candidates; see `RecommenderClient.rank`."""
        return await self._send(calls.rank(self.model_name, requests, candidates))

    async def encode(self, requests: Sequence[Request]) -> np.ndarray:
        """The users' embeddings; see `RecommenderClient.encode`."""
        return await self._send(calls.encode(self.model_name, requests))

    async def status(self) -> list[VersionStatus]:
        """The model's versions; see `RecommenderClient.status`."""
        return await self._send(calls.status(self.model_name))

    async def close(self) -> None:
        """Closes the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, call: Call[_Answer]) -> _Answer:
        try:
            response = await self._methods[call.method](call.request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise RecommenderError(self.target, error.code(), error.details() or "") from error
        return call.parse(response)
