"""Which items follow which in the training sessions, counted.

What follows an engagement is what comes later in its session or, after the latest of a session, the
user's whole next session, which is what a recommendation is asked for. Engagements of one time, as
in a basket, do not follow each other.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse

from model import features, preprocessing

# Of an item, those that follow it most often are listed.
MOST_LISTED = 20
# The next so many engagements follow one, which bounds the work for sessions of any length.
MOST_COUNTED = 200


class Followers(NamedTuple):
    """What follows each item, as ranges of one list.

    All followers of an item that were counted often enough are listed, and no other: a frequency
    from which something is subtracted is to be compared with `least` again.

    Attributes:
      start: where those of each vocabulary index start, int64 [V + 3]; they end where those of the
        next index start.
      follower: vocabulary indices, int64 [F].
      frequency: how often each followed, float32 [F].
      least: the lowest frequency that is listed for each vocabulary index, float32 [V + 2].
      total: how often anything followed each vocabulary index, float32 [V + 2].
    """

    start: np.ndarray
    follower: np.ndarray
    frequency: np.ndarray
    least: np.ndarray
    total: np.ndarray


class FollowerCounter:
    """Counts batch by batch."""

    def __init__(self, vocabulary_size: int):
        """For vocabulary indices 1..V; others neither follow nor are followed."""
        self._vocabulary_size = vocabulary_size
        width = vocabulary_size + 2
        self._count = scipy.sparse.csr_matrix((width, width), dtype=np.int32)
        self._recent = self._count
        self._total = np.zeros(width, np.float32)

    def add(self, batch: dict) -> None:
        """Count a batch of Transform's output, with all sessions of its users."""
        item = batch[features.ITEM_INDEX]  # [users, sessions, items]
        engaged = batch[features.ENGAGED].flat_values.numpy() == 1
        session = item.values.value_rowids().numpy()[engaged]
        time = batch[preprocessing.EVENT_TIME].flat_values.numpy()[engaged]
        order = np.lexsort((time, session))
        session, time = session[order], time[order]
        index = item.flat_values.numpy()[engaged][order]
        is_new = (np.diff(session, prepend=-1) != 0) | (np.diff(time, prepend=0) != 0)
        group = np.cumsum(is_new) - 1  # Of one session and time.
        start, end = _what_follows(np.flatnonzero(is_new), session, item.value_rowids().numpy())
        size = np.clip(end - start, 0, MOST_COUNTED)
        follower = np.repeat(start - np.cumsum(size) + size, size) + np.arange(size.sum())
        has_any = size[group] > 0
        preceding = self._members(group[has_any], index[has_any], len(size))
        following = self._members(np.repeat(np.arange(len(size)), size), index[follower], len(size))
        self._recent += preceding.T @ following
        self._total += np.asarray(preceding.sum(0))[0]
        # To add a few to many takes the time of many.
        if self._recent.nnz > self._count.nnz:
            self._merge()

    def followers(self) -> Followers:
        """What was counted."""
        self._merge()
        width = self._count.shape[0]
        pairs = np.diff(self._count.indptr)
        row = np.repeat(np.arange(width, dtype=np.int32), pairs)
        index, count = self._count.indices, self._count.data
        # Most pairs were counted once, and where many were, none of them is listed: not sorted.
        has_many = pairs > MOST_LISTED
        kept = (count > 1) | ~has_many[row]
        row, index, count = row[kept], index[kept], count[kept]
        order = np.lexsort((index, -count, row))
        row, index, count = row[order], index[order], count[order]
        least = np.where(has_many, 2, 1).astype(np.float32)
        is_first_cut = np.arange(len(row)) - np.searchsorted(row, row) == MOST_LISTED
        least[row[is_first_cut]] = count[is_first_cut] + 1
        kept = count >= least[row]
        start = np.searchsorted(row[kept], np.arange(width + 1))
        return Followers(
            start,
            index[kept].astype(np.int64),
            count[kept].astype(np.float32),
            least,
            self._total,
        )

    def _members(self, row: np.ndarray, index: np.ndarray, rows: int) -> scipy.sparse.csr_matrix:
        """How often each vocabulary index is in each of `rows`."""
        is_known = index <= self._vocabulary_size
        row, index = row[is_known], index[is_known]
        shape = rows, self._vocabulary_size + 2
        return scipy.sparse.csr_matrix((np.ones(len(row), np.int32), (row, index)), shape)

    def _merge(self) -> None:
        self._count = (self._count + self._recent).tocsr()
        self._recent = scipy.sparse.csr_matrix(self._count.shape, dtype=np.int32)


def _what_follows(
    group: np.ndarray, session: np.ndarray, user: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the events that follow each group start and end; where none do, that is not ascending.

    Args:
      group: where each group starts, ascending, [groups].
      session: of each event, ascending, [events].
      user: of each session, ascending, [sessions].
    """
    starts = np.searchsorted(session, np.arange(len(user) + 1))  # Of each session, and the end.
    of = session[group]
    end_of_group = np.append(group[1:], len(session))
    is_last = end_of_group == starts[of + 1]
    # No session comes after a user's last one.
    after = np.flatnonzero(np.diff(user, append=-1))
    next_end = np.append(starts[2:], 0)
    next_end[after] = 0
    return end_of_group, np.where(is_last, next_end[of], starts[of + 1])
