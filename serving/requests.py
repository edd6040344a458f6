"""What a client asks about: a user's history, and its encoding as a serialized tf.Example."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow.core.framework import tensor_pb2

from model import features


@dataclass(frozen=True)
class Event:
    """One interaction.

    Args:
        item_id: the raw id of the item, not empty.
        timestamp: unix seconds.
        engaged: False if the item was only shown.
    """

    item_id: str
    timestamp: int
    engaged: bool = True


Session = Sequence[Event]
"""The events of one visit, in time order; not empty. What has the latest time counts apart."""

History = Sequence[Session]
"""A user's sessions, oldest first; empty for a new user."""


@dataclass(frozen=True)
class Request:
    """A user to answer for.

    Args:
        user_id: the raw id of the user, not empty.
        sessions: the user's history.
        request_timestamp: when the answer is for, in unix seconds; None: the last event's time.
    """

    user_id: str
    sessions: History = ()
    request_timestamp: int | None = None


def encode_request(request: Request) -> bytes:
    """The request as the tf.Example that all signatures read: flat events and session lengths.

    Raises:
        ValueError: on an empty id or session, a time that is not a whole number of seconds
            from 0 on, an `engaged` that is neither true nor false, or events not in time order.
    """
    _check_id("user_id", request.user_id)
    for session in request.sessions:
        _check_session(session)
    starts = [session[0].timestamp for session in request.sessions]
    if starts != sorted(starts):
        raise ValueError(f"Sessions must be in time order. Received: first events at {starts}")

    events = [event for session in request.sessions for event in session]
    feature = {
        features.USER_ID: _bytes_feature([request.user_id]),
        features.ITEM_ID: _bytes_feature(event.item_id for event in events),
        features.ENGAGED: _int64_feature(int(event.engaged) for event in events),
        features.TIMESTAMP: _int64_feature(event.timestamp for event in events),
        features.SESSION_LENGTH: _int64_feature(len(session) for session in request.sessions),
    }
    if request.request_timestamp is not None:
        _check_timestamp("request_timestamp", request.request_timestamp)
        feature[features.REQUEST_TIMESTAMP] = _int64_feature([request.request_timestamp])
    example = example_pb2.Example(features=feature_pb2.Features(feature=feature))
    return example.SerializeToString(deterministic=True)


def example_batch(requests: Sequence[Request]) -> tensor_pb2.TensorProto:
    """The encoded requests as a string tensor [batch].

    Raises:
        ValueError: if there is no request, or one cannot be encoded.
    """
    if not requests:
        raise ValueError("requests must hold at least one request. Received: none")
    return tf.make_tensor_proto([encode_request(request) for request in requests], tf.string)


def padded_ids(rows: Sequence[Sequence[str]]) -> tensor_pb2.TensorProto:
    """Rows of ids as a string tensor [batch, widest row, at least 1], padded with ''.

    Raises:
        ValueError: if an id is not a non-empty string.
    """
    for row in rows:
        if isinstance(row, str) or not all(isinstance(item_id, str) and item_id for item_id in row):
            raise ValueError(f"Item ids must be non-empty strings. Received: {row!r}")
    width = max([1, *(len(row) for row in rows)])
    padded = [[*row, *[features.PADDING_ITEM_ID] * (width - len(row))] for row in rows]
    return tf.make_tensor_proto(padded, tf.string)


def _check_session(session: Session) -> None:
    if not session:
        raise ValueError("A session must hold at least one event. Received: an empty session")
    for event in session:
        _check_id("item_id", event.item_id)
        _check_timestamp("timestamp", event.timestamp)
        if event.engaged not in (0, 1):
            raise ValueError(f"engaged must be true or false. Received: {event.engaged!r}")
    times = [event.timestamp for event in session]
    if times != sorted(times):
        raise ValueError(f"The events of a session must be in time order. Received: {times}")


def _check_id(name: str, value: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a non-empty string. Received: {value!r}")


def _check_timestamp(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{name} must be whole unix seconds, 0 or later. Received: {value!r}")


def _bytes_feature(values: Iterable[str]) -> feature_pb2.Feature:
    encoded = [value.encode() for value in values]
    return feature_pb2.Feature(bytes_list=feature_pb2.BytesList(value=encoded))


def _int64_feature(values: Iterable[int]) -> feature_pb2.Feature:
    return feature_pb2.Feature(int64_list=feature_pb2.Int64List(value=values))
