"""Users of the test split as serving requests, and what they did next."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from components.evaluation.request_arrays import read_folder
from components.ingestion.shards import split_folder
from model import features
from model.item_table import read_titles
from serving.requests import Event, Request
from tfx_pipeline.config import Config

# A user whose list can be judged: enough history, and enough items to find.
LEAST_SESSIONS, LEAST_TARGETS = 5, 5
_Features = Mapping[str, tf.train.Feature]


@dataclasses.dataclass(frozen=True)
class EvaluatedUser:
    """A user of an evaluation split.

    Attributes:
      request: the history and the time of the next session.
      next_items: what the user engaged with in that session.
    """

    request: Request
    next_items: frozenset[str]


def find_user(examples_uri: str, user_id: str | None = None) -> EvaluatedUser | None:
    """The user with `user_id`; without one, the first by id who can be judged, or any."""
    records = read_folder(split_folder(examples_uri, features.TEST_SPLIT))
    if user_id is None:
        record = min(records, key=_preference, default=None)
    else:
        record = next((each for each in records if _user(_feature(each)) == user_id), None)
    return None if record is None else decode_user(record)


def is_judgeable(record: bytes) -> bool:
    """Whether there is enough of a history, and of a next session, to judge a list by."""
    return _is_judgeable(_feature(record))


def has_history(record: bytes) -> bool:
    """Whether there is a session before the request."""
    return bool(_feature(record)[features.SESSION_LENGTH].int64_list.value)


def decode_user(record: bytes) -> EvaluatedUser:
    """The user of a serialized tf.Example of an evaluation split, or of a request."""
    feature = _feature(record)

    def integers(name: str) -> list[int]:
        return list(feature[name].int64_list.value)

    events = [
        Event(item_id, timestamp, bool(engaged))
        for item_id, timestamp, engaged in zip(
            _texts(feature[features.ITEM_ID]),
            integers(features.TIMESTAMP),
            integers(features.ENGAGED),
            strict=True,
        )
    ]
    sessions, start = [], 0
    for length in integers(features.SESSION_LENGTH):
        sessions.append(events[start : start + length])
        start += length
    asked = next(iter(integers(features.REQUEST_TIMESTAMP)), None)
    return EvaluatedUser(Request(_user(feature), sessions, asked), _next_items(feature))


def _feature(record: bytes) -> _Features:
    return tf.train.Example.FromString(record).features.feature


def _texts(feature: tf.train.Feature) -> list[str]:
    return [value.decode() for value in feature.bytes_list.value]


def _preference(record: bytes) -> tuple[bool, str]:
    feature = _feature(record)
    return not _is_judgeable(feature), _user(feature)


def _is_judgeable(feature: _Features) -> bool:
    sessions = len(feature[features.SESSION_LENGTH].int64_list.value)
    return sessions >= LEAST_SESSIONS and len(_next_items(feature)) >= LEAST_TARGETS


def _user(feature: _Features) -> str:
    [user_id] = _texts(feature[features.USER_ID])
    return user_id


def _next_items(feature: _Features) -> frozenset[str]:
    engaged = feature[features.TARGET_ENGAGED].int64_list.value
    targets = zip(_texts(feature[features.TARGET_ITEM_ID]), engaged, strict=True)
    return frozenset(item for item, is_engaged in targets if is_engaged)


def titles(config: Config) -> dict[str, str]:
    """Item id -> title, where the item table has titles."""
    table = config.data.item_table
    if table is None or table.title is None:
        return {}
    return read_titles(table.path, table.item_id, table.title)


def read_history(path: Path) -> list[list[Event]]:
    """Sessions from a JSON file: a list of lists of {"item_id", "timestamp", "engaged"}.

    Raises:
      ValueError: the file is not JSON of that form.
    """
    try:
        return [[Event(**event) for event in session] for session in json.loads(path.read_text())]
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise ValueError(
            f'{path} must be a JSON list of sessions, lists of {{"item_id", "timestamp", '
            f'"engaged"}}: {error}'
        ) from None
