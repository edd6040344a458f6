"""Interactions of whole users to sessions, in time order."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.canonical import INTERACTIONS, SESSION_ID
from components.ingestion.ordering import changes, order_by, runs
from model import features


@dataclass(frozen=True)
class Sessions:
    """All sessions of some users. Rows stand in the order user, session, time, item, engaged first.

    Rows that agree in these stand in the order of their further columns.

    Attributes:
      user_ids, item_ids: the distinct ids, sorted by their bytes.
      item, timestamp, engaged, session: [rows] index into `item_ids`, unix seconds, bool, index of
        the session.
      first: [rows] the row that the row repeats (same item, same session), itself if none.
      is_copy: bool [rows]: the row before is the same in every field.
      user, start: [sessions] index into `user_ids`, time of the first row in unix seconds.
      further: by further column, its distinct values and [rows] index into them.
    """

    user_ids: pa.Array
    item_ids: pa.Array
    item: np.ndarray
    timestamp: np.ndarray
    engaged: np.ndarray
    session: np.ndarray
    first: np.ndarray
    is_copy: np.ndarray
    user: np.ndarray
    start: np.ndarray
    further: dict[str, tuple[pa.Array, np.ndarray]]


def sessionize(interactions: pa.Table, gap_seconds: float) -> Sessions:
    """Group rows into sessions: by session_id where given, else by inactivity.

    A gap of exactly `gap_seconds` starts a new session. A user's sessions are ordered by the time
    of their first row, and stay whole when their ids interleave in time. The result does not
    depend on the order of the rows.

    Args:
      interactions: as `canonical.interactions_schema` says; all rows of every user in it.
    """
    user_ids, user = code(interactions[features.USER_ID])
    item_ids, item = code(interactions[features.ITEM_ID])
    _, given = code(interactions[SESSION_ID])
    time = interactions[features.TIMESTAMP].to_numpy()
    engaged = interactions[features.ENGAGED].to_numpy()
    further = code_further(interactions)

    ties = (index for _, index in further.values())
    order = order_by((user, given, time, item, ~engaged, *ties))
    user, given, time = user[order], given[order], time[order]
    is_start = changes(user) | changes(given)
    is_start[1:] |= (given[1:] < 0) & (np.diff(time) >= gap_seconds)
    starts = np.flatnonzero(is_start)

    # `starts` is by user and then by id; the sessions are wanted by user and then by time.
    by_time = order_by((user[starts], time[starts], given[starts]))
    rank = np.empty_like(by_time)
    rank[by_time] = np.arange(len(starts))
    session = rank[np.cumsum(is_start) - 1]
    start = time[starts][by_time]
    again = np.argsort(session, kind="stable")
    order, session = order[again], session[again]
    time, item, engaged = time[again], item[order], engaged[order]
    further = {name: (values, index[order]) for name, (values, index) in further.items()}
    differs = changes(session) | changes(item) | changes(time)
    for _, index in further.values():
        differs |= changes(index)
    differs[1:] |= engaged[1:] != engaged[:-1]
    return Sessions(
        user_ids=user_ids,
        item_ids=item_ids,
        item=item,
        timestamp=time,
        engaged=engaged,
        session=session,
        first=_first_of_item(session, item, len(item_ids)),
        is_copy=~differs,
        user=user[starts][by_time],
        start=start,
        further=further,
    )


def code(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Distinct values by their bytes, and int64 [rows] where each row's stands; null is -1."""
    coded = column.combine_chunks().dictionary_encode()
    by_value = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.append(np.argsort(by_value), -1)
    return coded.dictionary.take(pa.array(by_value)), rank[pc.fill_null(coded.indices, -1)]


def code_further(interactions: pa.Table) -> dict[str, tuple[pa.Array, np.ndarray]]:
    """`code` of each further column, by its name."""
    names = interactions.column_names[len(INTERACTIONS) :]
    return {name: code(interactions[name]) for name in names}


def _first_of_item(session: np.ndarray, item: np.ndarray, items: int) -> np.ndarray:
    key = session * items + item
    order = order_by((session, item, np.arange(len(session))))
    starts, counts = runs(key[order])
    first = np.empty_like(order)
    first[order] = np.repeat(order[starts], counts)
    return first
