"""Terms for what others engaged with who had the same items: after them, and beside them.

Where items follow each other, counted transitions find what vectors of some sixty numbers an item
learn only over many epochs: sequential rules (Ludewig and Jannach, UMUAI 2018). Where each user has
a few sessions only, so do counts of what is in one session: item-based nearest neighbours (Sarwar
et al., WWW 2001). A term adds, to the score of each item that was counted with some items of the
user, a learned function of how often it was, gated by the user's state. Its cost grows with those
items, not with the catalogue.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.history import History, Requests
from model.item_pairs import ItemPairs
from model.pair_keys import keys_of, pairs_of, positions
from model.pair_scores import GatedScore, PairScores
from model.tables import fixed

FLOOR = 1e-3
# Items of a user, whose neighbours are scored.
MOST_RECENT = 50


class Sources(NamedTuple):
    """S items of the users, in the order of requests.

    Attributes:
      row: for which request, ascending, int64 [S].
      item: vocabulary indices, int64 [S].
    """

    row: tf.Tensor
    item: tf.Tensor


class Engaged:
    """What the users of N requests engaged with before and, as far as it was counted, after them.

    Attributes:
      requests: how many, N.
    """

    def __init__(self, history: History, requests: Requests, vocabulary_size: int):
        """Take the histories of B users and N requests of these."""
        self._history = history
        self._user, self._position, _ = requests
        self._vocabulary_size = vocabulary_size
        start = tf.cumsum(history.length, exclusive=True)
        self._session = tf.gather(start, self._user) + self._position  # The one after a request.
        self._is_followed = self._position < tf.gather(history.length, self._user)
        key = keys_of(history.session, history.index, vocabulary_size)
        self._key, _, count = tf.unique_with_counts(tf.boolean_mask(key, history.is_engaged))
        # Found at -1, or at the place of a key.
        self._count = tf.concat([[0.0], tf.cast(count, tf.float32)], 0)
        self.requests = tf.size(self._user)

    def latest(self) -> Sources:
        """The latest items of the session before each request; several if they are of one time."""
        before = tf.where(self._position > 0, self._session - 1, -1)
        of, item = self._known(self._history.is_last)
        return _of_ranges(item, *_ends(of, before, before))

    def recent(self, most: int) -> Sources:
        """The latest items before each request, of any session, so many at most."""
        of, item = self._known(self._history.is_engaged)
        first, end = _ends(of, self._session - self._position, self._session - 1)
        return _of_ranges(item, tf.maximum(first, end - most), end)

    def is_followed(self, row: tf.Tensor) -> tf.Tensor:
        """1 where a session after the request was counted, and 0: float [R]."""
        return tf.gather(tf.cast(self._is_followed, tf.float32), row)

    def next_count(self, row: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """How often an item is in the session after a request, 0 if it was not counted: [R]."""
        # Of the user's last session there is none after it, but one of the next user.
        session = tf.gather(tf.where(self._is_followed, self._session, 0), row)
        found = positions(keys_of(session, item, self._vocabulary_size), self._key)
        return tf.gather(self._count, found + 1) * self.is_followed(row)

    def is_new(self, row: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """Whether the user did not engage with an item before a request, bool [R]."""
        session = tf.boolean_mask(self._history.session, self._history.is_engaged)
        index = tf.boolean_mask(self._history.index, self._history.is_engaged)
        key = keys_of(tf.gather(self._history.user, session), index, self._vocabulary_size)
        key, place = tf.unique(key)
        first = tf.math.unsorted_segment_min(session, place, tf.size(key))
        wanted = keys_of(tf.gather(self._user, row), item, self._vocabulary_size)
        found = positions(wanted, key)
        first = tf.gather(tf.concat([[session.dtype.max], first], 0), found + 1)
        return first >= tf.gather(self._session, row)

    def _known(self, is_one):
        """Session, ascending, and vocabulary index of some events, V + 1 left out."""
        history = self._history
        event = tf.where(tf.logical_and(is_one, history.index <= self._vocabulary_size))[:, 0]
        return tf.gather(history.session, event), tf.gather(history.index, event)


class NeighbourScorer(tf.keras.layers.Layer):
    """Scores what was counted with some of a user's items.

    In training the session to be predicted is among those that were counted. It is left out, or
    training would see its target.
    """

    def __init__(self, name: str, item_count: np.ndarray, pairs: ItemPairs):
        """Take what was counted.

        Args:
          name: of the term.
          item_count: engaged training sessions of each vocabulary index, [V + 2].
          pairs: of the same sessions.
        """
        super().__init__(name=name)
        self._vocabulary_size = len(item_count) - 2
        self._item_count = fixed(item_count.astype(np.float32), "item_count")
        self._table = ItemPairs(*map(fixed, pairs, ItemPairs._fields))
        self._score = GatedScore(24)

    def call(self, history: History, requests: Requests, state: tf.Tensor) -> PairScores:
        """Score what goes with the users' items at N requests.

        Args:
          history: B users.
          requests: of these users.
          state: the user's state there, [N, dim].
        """
        engaged = Engaged(history, requests, self._vocabulary_size)
        place, inputs = self._count(engaged)
        return PairScores(place, self._score(inputs, place[:, 0], state))

    def sources(self, engaged: Engaged) -> Sources:
        """The items of the users whose neighbours are scored."""
        raise NotImplementedError

    def own_count(self, engaged: Engaged, sources: Sources) -> tf.Tensor:
        """How often the session after its request was counted for each source, float [S]."""
        raise NotImplementedError

    def is_scored(self, engaged: Engaged, place: tf.Tensor) -> tf.Tensor:
        """Which (request, item) pairs [R, 2] are, bool [R]; all, unless a term says otherwise."""
        del engaged
        return tf.ones_like(place[:, 0], tf.bool)

    def _count(self, engaged):
        """Inputs of the score function for R (request, item) pairs.

        Returns:
          Requests and items, int64 [R, 2], and the inputs, [R, inputs].
        """
        row, item = sources = self.sources(engaged)
        number = tf.math.unsorted_segment_sum(tf.ones_like(row, tf.float32), row, engaged.requests)
        first, end = (tf.gather(self._table.start, i) for i in (item, item + 1))
        listed = tf.ragged.range(first, end)
        source, entry = listed.value_rowids(), listed.flat_values  # Of each listed item.
        other = tf.gather(self._table.other, entry)
        key, pair = tf.unique(keys_of(tf.gather(row, source), other, self._vocabulary_size))
        place = tf.stack(pairs_of(key, self._vocabulary_size), 1)
        own = engaged.next_count(place[:, 0], place[:, 1])
        of_source = self.own_count(engaged, sources)
        count = tf.gather(self._table.frequency, entry)
        count -= tf.gather(of_source, source) * tf.gather(own, pair)
        count = tf.where(count >= tf.gather(self._table.least, tf.gather(item, source)), count, 0.0)
        total = tf.gather(self._table.total, item) - of_source
        share = count / tf.gather((total + 1.0) * tf.gather(number, row), source)
        sums = tf.math.unsorted_segment_sum(tf.stack([share, count], 1), pair, tf.size(key))
        kept = tf.where(tf.logical_and(sums[:, 1] > 0, self.is_scored(engaged, place)))[:, 0]
        place, sums, own = (tf.gather(values, kept) for values in (place, sums, own))
        others = tf.gather(self._item_count, place[:, 1]) - own
        inputs = [
            tf.math.log(sums[:, 0] + FLOOR),
            tf.math.log1p(sums[:, 1]),
            tf.math.log1p(tf.maximum(others, 0.0)) / 3,
            tf.math.log1p(tf.gather(number, place[:, 0])),
        ]
        return place, tf.stack(inputs, 1)


class FollowScorer(NeighbourScorer):
    """Scores what followed the latest engaged items of the session before a request."""

    def __init__(self, item_count: np.ndarray, followers: ItemPairs):
        """See `NeighbourScorer`."""
        super().__init__("follow", item_count, followers)

    def sources(self, engaged: Engaged) -> Sources:
        """The latest items."""
        return engaged.latest()

    def own_count(self, engaged: Engaged, sources: Sources) -> tf.Tensor:
        """The next session follows each of them."""
        return engaged.is_followed(sources.row)


class TogetherScorer(NeighbourScorer):
    """Scores what was in one session with recent items, if it is new to the user.

    What a user had with these items before, and will have again, is in the counts as well, which
    tells a training of a target what a request cannot know; and it is what `RepeatScorer` scores.
    """

    def __init__(self, item_count: np.ndarray, companions: ItemPairs):
        """See `NeighbourScorer`."""
        super().__init__("together", item_count, companions)

    def sources(self, engaged: Engaged) -> Sources:
        """Recent items."""
        return engaged.recent(MOST_RECENT)

    def own_count(self, engaged: Engaged, sources: Sources) -> tf.Tensor:
        """Of those that the next session has, it is one more."""
        return engaged.next_count(*sources)

    def is_scored(self, engaged: Engaged, place: tf.Tensor) -> tf.Tensor:
        """New ones are."""
        return engaged.is_new(place[:, 0], place[:, 1])


def _ends(of, first, last):
    """Where sessions from the first to the last are in ascending sessions."""
    return (
        tf.searchsorted(of, first, "left", tf.int64),
        tf.searchsorted(of, last, "right", tf.int64),
    )


def _of_ranges(item, first, end):
    found = tf.ragged.range(first, end)
    return Sources(found.value_rowids(), tf.gather(item, found.flat_values))
