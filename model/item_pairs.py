"""Which items go with which in the training sessions, counted: what follows, and what is beside.

What follows an engagement is what comes later in its session or, after the latest of a session, the
user's whole next session, which is what a recommendation is asked for. Engagements of one time, as
in a basket, do not follow each other. Beside an engagement are all others of its session.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse

from model import features, preprocessing

# Of an item, those that go with it most often are listed.
MOST_LISTED = 20
# The next so many engagements follow one, and the latest so many of a session are beside each
# other, which bounds the work for sessions of any length.
MOST_COUNTED = 200


class ItemPairs(NamedTuple):
    """What goes with each item, as ranges of one list.

    All items that were counted often enough with an item are listed, and no other: a frequency
    from which something is subtracted is to be compared with `least` again.

    Attributes:
      start: where those of each vocabulary index start, int64 [V + 3]; they end where those of the
        next index start.
      other: vocabulary indices, int64 [P].
      frequency: how often each was counted with the item, float32 [P].
      least: the lowest frequency that is listed for each vocabulary index, float32 [V + 2].
      total: how often each vocabulary index was counted with anything, float32 [V + 2].
    """

    start: np.ndarray
    other: np.ndarray
    frequency: np.ndarray
    least: np.ndarray
    total: np.ndarray


class Engagements(NamedTuple):
    """The engagements of a batch of users, by session and time.

    Attributes:
      item: vocabulary indices, [E].
      session: which of the batch's sessions, ascending, [E].
      time: unix seconds, ascending in a session, [E].
      user: which user each session is of, ascending, [sessions].
      vocabulary_size: V.
    """

    item: np.ndarray
    session: np.ndarray
    time: np.ndarray
    user: np.ndarray
    vocabulary_size: int

    def members(self, row: np.ndarray, at: np.ndarray, rows: int) -> scipy.sparse.csr_matrix:
        """How often each vocabulary index, V + 1 left out, is at some places in each row."""
        item = self.item[at]
        is_known = item <= self.vocabulary_size
        row, item = row[is_known], item[is_known]
        shape = rows, self.vocabulary_size + 2
        return scipy.sparse.csr_matrix((np.ones(len(row), np.int32), (row, item)), shape)


class Groups(NamedTuple):
    """Two matrices [groups, V + 2]: how often a group has an item, and how often it has what goes
    with them all.
    """

    members: scipy.sparse.csr_matrix
    others: scipy.sparse.csr_matrix


def engagements(batch: dict, vocabulary_size: int) -> Engagements:
    """Of a batch of Transform's output, with all sessions of its users."""
    item = batch[features.ITEM_INDEX]  # [users, sessions, items]
    engaged = batch[features.ENGAGED].flat_values.numpy() == 1
    session = item.values.value_rowids().numpy()[engaged]
    time = batch[preprocessing.EVENT_TIME].flat_values.numpy()[engaged]
    order = np.lexsort((time, session))
    index = item.flat_values.numpy()[engaged][order]
    user = item.value_rowids().numpy()
    return Engagements(index, session[order], time[order], user, vocabulary_size)


class PairCounter:
    """Counts batch by batch, in the groups that a subclass finds.

    Attributes:
      goes_with_itself: whether an item can.
    """

    goes_with_itself = True

    def __init__(self, vocabulary_size: int):
        """For vocabulary indices 1..V; others go with nothing."""
        width = vocabulary_size + 2
        self._count = scipy.sparse.csr_matrix((width, width), dtype=np.int32)
        self._recent = self._count
        self._total = np.zeros(width, np.float32)

    def groups(self, of: Engagements) -> Groups:
        """Those of a batch."""
        raise NotImplementedError

    def add(self, of: Engagements) -> None:
        """Count a batch."""
        groups = self.groups(of)
        self._recent += groups.members.T @ groups.others
        self._total += np.asarray(groups.members.sum(0))[0]
        # To add a few to many takes the time of many.
        if self._recent.nnz > self._count.nnz:
            self._merge()

    def pairs(self) -> ItemPairs:
        """What was counted."""
        self._merge()
        width = self._count.shape[0]
        row = np.repeat(np.arange(width, dtype=np.int32), np.diff(self._count.indptr))
        index, count = self._count.indices, self._count.data
        if not self.goes_with_itself:
            is_other = row != index
            row, index, count = row[is_other], index[is_other], count[is_other]
        pairs = np.bincount(row, minlength=width)
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
        return ItemPairs(
            start,
            index[kept].astype(np.int64),
            count[kept].astype(np.float32),
            least,
            self._total,
        )

    def _merge(self) -> None:
        self._count = (self._count + self._recent).tocsr()
        self._recent = scipy.sparse.csr_matrix(self._count.shape, dtype=np.int32)


class FollowerCounter(PairCounter):
    """Counts what follows engagements."""

    def groups(self, of: Engagements) -> Groups:
        """Engagements of one session and time, and what follows them."""
        is_new = (np.diff(of.session, prepend=-1) != 0) | (np.diff(of.time, prepend=0) != 0)
        group = np.cumsum(is_new) - 1
        start, end = _what_follows(np.flatnonzero(is_new), of.session, of.user)
        size = np.clip(end - start, 0, MOST_COUNTED)
        follower = np.repeat(start - np.cumsum(size) + size, size) + np.arange(size.sum())
        has_any = np.flatnonzero(size[group] > 0)
        preceded = np.repeat(np.arange(len(size)), size)
        return Groups(
            of.members(group[has_any], has_any, len(size)),
            of.members(preceded, follower, len(size)),
        )


class CompanionCounter(PairCounter):
    """Counts what is beside engagements, which is never the same item."""

    goes_with_itself = False

    def groups(self, of: Engagements) -> Groups:
        """The engagements of a session, and the same."""
        last = np.searchsorted(of.session, of.session, side="right") - 1
        at = np.flatnonzero(last - np.arange(len(last)) < MOST_COUNTED)
        sessions = of.members(of.session[at], at, len(of.user))
        return Groups(sessions, sessions)


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
