"""Users of the test split as serving requests, and what they did next."""

import dataclasses
import json
from pathlib import Path

import tensorflow as tf

from components.evaluation.request_arrays import read_records
from components.ingestion.shards import split_folder
from model import features
from model.item_table import read_titles
from serving.requests import Event, Request
from tfx_pipeline.config import Config

# A user whose list can be judged: enough history, and enough items to find.
LEAST_SESSIONS, LEAST_TARGETS = 5, 5


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
    records = read_records(split_folder(examples_uri, features.TEST_SPLIT))
    users = map(decode_user, records)
    if user_id is not None:
        return next((user for user in users if user.request.user_id == user_id), None)
    return min(users, key=_preference, default=None)


def is_judgeable(user: EvaluatedUser) -> bool:
    """Whether there is enough of a history, and of a next session, to judge a list by."""
    return len(user.request.sessions) >= LEAST_SESSIONS and len(user.next_items) >= LEAST_TARGETS


def _preference(user: EvaluatedUser) -> tuple[bool, str]:
    return not is_judgeable(user), user.request.user_id


def decode_user(record: bytes) -> EvaluatedUser:
    """The user of a serialized tf.Example of an evaluation split, or of a request."""
    feature = tf.train.Example.FromString(record).features.feature

    def texts(name: str) -> list[str]:
        return [value.decode() for value in feature[name].bytes_list.value]

    def integers(name: str) -> list[int]:
        return list(feature[name].int64_list.value)

    events = [
        Event(item_id, timestamp, bool(engaged))
        for item_id, timestamp, engaged in zip(
            texts(features.ITEM_ID),
            integers(features.TIMESTAMP),
            integers(features.ENGAGED),
            strict=True,
        )
    ]
    sessions, start = [], 0
    for length in integers(features.SESSION_LENGTH):
        sessions.append(events[start : start + length])
        start += length
    [user_id] = texts(features.USER_ID)
    asked = next(iter(integers(features.REQUEST_TIMESTAMP)), None)
    targets = zip(texts(features.TARGET_ITEM_ID), integers(features.TARGET_ENGAGED), strict=True)
    return EvaluatedUser(
        Request(user_id, sessions, asked), frozenset(item for item, engaged in targets if engaged)
    )


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
