"""The follow term: what did others go on to from the items that this user engaged with last?

Where items follow each other, counted transitions find what vectors of some sixty numbers an item
learn only over many epochs: sequential rules (Ludewig and Jannach, UMUAI 2018). The term adds, to
the score of each item that followed the last engaged ones in the training sessions, a learned
function of how often it did, gated by the user's state. Its cost grows with the last items, not
with the catalogue.
"""

import numpy as np
import tensorflow as tf

from model.followers import Followers
from model.history import History, Requests
from model.pair_keys import keys_of, pairs_of, positions
from model.pair_scores import GatedScore, PairScores
from model.tables import fixed

FLOOR = 1e-3


class FollowScorer(tf.keras.layers.Layer):
    """Scores what follows the latest engaged items of the session before a request.

    In training that session and the next one are among those that were counted. They are left out,
    or training would see its target.
    """

    def __init__(self, item_count: np.ndarray, followers: Followers):
        """Take what was counted.

        Args:
          item_count: engaged training sessions of each vocabulary index, [V + 2].
          followers: of the same sessions.
        """
        super().__init__(name="follow")
        self._vocabulary_size = len(item_count) - 2
        self._item_count = fixed(item_count.astype(np.float32), "item_count")
        self._table = Followers(*map(fixed, followers, Followers._fields))
        self._score = GatedScore(24)

    def call(self, history: History, requests: Requests, state: tf.Tensor) -> PairScores:
        """Score what follows at N requests.

        Args:
          history: B users.
          requests: of these users.
          state: the user's state there, [N, dim].
        """
        user, position, _ = requests
        session = tf.gather(tf.cumsum(history.length, exclusive=True), user) + position
        row, item = self._last_items(history, tf.where(position > 0, session - 1, -1))
        is_counted = position < tf.gather(history.length, user)
        of_next = tf.where(is_counted, session, -1)
        place, inputs = self._count(history, row, item, of_next)
        return PairScores(place, self._score(inputs, place[:, 0], state))

    def _last_items(self, history, session):
        """The latest engaged items of N sessions, -1 for none: their rows and indices, [S] each."""
        is_known = history.index <= self._vocabulary_size
        event = tf.where(tf.logical_and(history.is_last, is_known))[:, 0]
        of = tf.gather(history.session, event)  # Ascending.
        first, end = (tf.searchsorted(of, session, side, tf.int64) for side in ("left", "right"))
        found = tf.ragged.range(first, end)
        item = tf.gather(history.index, tf.gather(event, found.flat_values))
        return found.value_rowids(), item

    def _count(self, history, row, item, of_next):
        """Inputs of the score function for R (request, follower) pairs.

        Args:
          history: B users.
          row: of S items, which request they are the last items of, ascending, int64 [S].
          item: their vocabulary indices, int64 [S].
          of_next: the session after each request if it was counted, or -1, int64 [N].

        Returns:
          Requests and followers, int64 [R, 2], and the inputs, [R, inputs].
        """
        items = tf.math.unsorted_segment_sum(tf.ones_like(row, tf.float32), row, tf.size(of_next))
        first, end = (tf.gather(self._table.start, i) for i in (item, item + 1))
        listed = tf.ragged.range(first, end)
        source, entry = listed.value_rowids(), listed.flat_values  # Of each listed follower.
        row, item = tf.gather(row, source), tf.gather(item, source)
        follower = tf.gather(self._table.follower, entry)
        key, pair = tf.unique(keys_of(row, follower, self._vocabulary_size))
        place = tf.stack(pairs_of(key, self._vocabulary_size), 1)
        own = self._engagements(history, tf.gather(of_next, place[:, 0]), place[:, 1])
        count = tf.gather(self._table.frequency, entry) - tf.gather(own, pair)
        count = tf.where(count >= tf.gather(self._table.least, item), count, 0.0)
        total = tf.gather(self._table.total, item) - tf.cast(
            tf.gather(of_next, row) >= 0, tf.float32
        )
        share = count / (total + 1.0) / tf.gather(items, row)
        sums = tf.math.unsorted_segment_sum(tf.stack([share, count], 1), pair, tf.size(key))
        kept = tf.where(sums[:, 1] > 0)[:, 0]
        place, sums, own = (tf.gather(values, kept) for values in (place, sums, own))
        others = tf.gather(self._item_count, place[:, 1]) - own
        inputs = [
            tf.math.log(sums[:, 0] + FLOOR),
            tf.math.log1p(sums[:, 1]),
            tf.math.log1p(tf.maximum(others, 0.0)) / 3,
            tf.math.log1p(tf.gather(items, place[:, 0])),
        ]
        return place, tf.stack(inputs, 1)

    def _engagements(self, history, session, index):
        """How often items are engaged with in sessions, [R]; session -1 has none."""
        key = keys_of(history.session, history.index, self._vocabulary_size)
        key, _, count = tf.unique_with_counts(tf.boolean_mask(key, history.is_engaged))
        wanted = keys_of(session, index, self._vocabulary_size)
        found = positions(tf.maximum(wanted, 0), key)
        return tf.gather(tf.concat([[0.0], tf.cast(count, tf.float32)], 0), found + 1)
