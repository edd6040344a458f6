"""A split's rows to one record per user: repeats merged, long histories cut, lists flat."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.config import SessionsConfig
from components.ingestion.ordering import order_by, runs
from components.ingestion.sessionize import Sessions
from components.ingestion.splits import Split
from model import features


@dataclass(frozen=True)
class Events:
    """Items of sessions, in the order of the rows.

    Attributes:
      row: [events] the row that the event comes from, the first where it stands for several.
      engaged: int64 [events] 1 if any of its rows was an engagement.
    """

    row: np.ndarray
    engaged: np.ndarray

    def only(self, is_kept: np.ndarray) -> "Events":
        """The events where bool [events] `is_kept`."""
        return Events(self.row[is_kept], self.engaged[is_kept])


def merge_repeats(sessions: Sessions, is_known: np.ndarray) -> Events:
    """One event per session and item, at its first time.

    Only `is_known` rows (bool [rows]) say whether it was engaged, so that what happens after a cut
    does not reach an event from before it. They must be the first ones of each session.
    """
    engaged = np.zeros(len(sessions.session), np.int64)
    engaged[sessions.first[is_known & sessions.engaged]] = 1
    row = np.flatnonzero(is_known & (sessions.first == np.arange(len(sessions.session))))
    return Events(row, engaged[row])


def without_copies(sessions: Sessions, is_known: np.ndarray) -> Events:
    """One event for each of the `is_known` rows (bool [rows]), less exact copies of another."""
    row = np.flatnonzero(is_known & ~sessions.is_copy)
    return Events(row, sessions.engaged[row].astype(np.int64))


def recent_sessions(sessions: Sessions, events: Events, limit: int) -> np.ndarray:
    """bool [events]: those of each user's last `limit` sessions."""
    session = sessions.session[events.row]
    start, lengths = runs(session)
    first, counts = runs(sessions.user[session[start]])
    end = np.repeat(first + counts, counts)  # [present sessions]
    return np.repeat(np.arange(len(start)) >= end - limit, lengths)


def recent_items(sessions: Sessions, events: Events, limit: int) -> np.ndarray:
    """bool [events]: of each session `limit` events, engagements first, then the latest."""
    session = sessions.session[events.row]
    first, counts = runs(session)
    if not len(counts) or counts.max() <= limit:
        return np.ones(len(session), bool)
    order = order_by((session, -events.engaged, -np.arange(len(session))))
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - np.repeat(first, counts)
    return place < limit


def to_records(
    sessions: Sessions, split: Split, limits: SessionsConfig
) -> tuple[pa.RecordBatch, dict[str, int]]:
    """The split's records, columns as the schema says, one row a user; and its counts."""
    to_events = merge_repeats if limits.dedupe == "item" else without_copies
    whole = to_events(sessions, split.is_history)
    recent = whole.only(recent_sessions(sessions, whole, limits.max_sessions))
    events = recent.only(recent_items(sessions, recent, limits.max_items))
    columns, kept = _history_columns(sessions, split.users, events)
    targets = merge_repeats(sessions, split.is_target)
    if split.target is not None:
        columns |= _target_columns(sessions, split, targets)
    counts = {
        "examples": len(split.users),
        "sessions": kept,
        "events": len(events.row),
        "empty_histories": int(np.sum(np.diff(np.asarray(columns[features.ITEM_ID].offsets)) == 0)),
        "target_items": len(targets.row),
        "truncated_sessions": len(runs(sessions.session[whole.row])[0]) - kept,
        "truncated_events": len(whole.row) - len(events.row),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns)), counts


def _lists(values: pa.Array | np.ndarray, of_user: np.ndarray, users: np.ndarray) -> pa.Array:
    """Values of ascending users to one list per user; `of_user` [values], `users` [records]."""
    offsets = np.append(np.searchsorted(of_user, users), len(of_user))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values))


def _texts(values: pa.Array, index: np.ndarray, events: Events) -> pa.Array:
    """The value of each event, from the distinct ones and each row's index into them."""
    return values.take(pa.array(index[events.row])).cast(pa.large_binary())


def _history_columns(
    sessions: Sessions, users: np.ndarray, events: Events
) -> tuple[dict[str, pa.Array], int]:
    of_row = sessions.session[events.row]
    start, length = runs(of_row)
    session = of_row[start]
    of_event, of_session = sessions.user[of_row], sessions.user[session]
    user_ids = sessions.user_ids.take(pa.array(users)).cast(pa.large_binary())
    columns = {
        features.USER_ID: _lists(user_ids, users, users),
        features.ITEM_ID: _lists(_texts(sessions.item_ids, sessions.item, events), of_event, users),
        features.ENGAGED: _lists(events.engaged, of_event, users),
        features.TIMESTAMP: _lists(sessions.timestamp[events.row], of_event, users),
        features.SESSION_LENGTH: _lists(length, of_session, users),
    }
    for name, (values, index) in sessions.further.items():
        columns[name] = _lists(_texts(values, index, events), of_event, users)
    return columns, len(session)


def _target_columns(sessions: Sessions, split: Split, targets: Events) -> dict[str, pa.Array]:
    of_event = sessions.user[sessions.session[targets.row]]
    return {
        features.REQUEST_TIMESTAMP: _lists(sessions.start[split.target], split.users, split.users),
        features.TARGET_ITEM_ID: _lists(
            _texts(sessions.item_ids, sessions.item, targets), of_event, split.users
        ),
        features.TARGET_ENGAGED: _lists(targets.engaged, of_event, split.users),
    }
