"""Repeat-aware scoring: when does this user come back to an item of their own history?

Counters of a user's own items beat neural recommenders where people repeat themselves
(Li et al., "A Next Basket Recommendation Reality Check", TOIS 2023). The term here adds, to the
score of each item of the history, a learned function of how often and how long ago it occurred:
sums over its occurrences of exponentially decaying weights at several learned rates, as in
TIFU-KNN (Hu et al., SIGIR 2020) and in the power-law memory of ACT-R (Anderson and Schooler,
1991), gated by the user's state. Its cost grows with the history, not with the catalogue.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.history import History, Requests
from model.pair_keys import keys_of, pairs_of
from model.pair_scores import GatedScore, PairScores

# Initial decay per session: from "the last occurrence only" to "nearly a plain count".
SESSION_DECAYS = (0.05, 0.5, 0.8, 0.9, 0.97)
TIME_SCALES_DAYS = (7.0, 30.0, 120.0)
SECONDS_PER_DAY = 86400.0
FLOOR = 0.01


class Occurrences(NamedTuple):
    """O sessions' engaged items of the vocabulary, each once a session, in the order of sessions.

    Attributes:
      user: whose session it is, ascending, int64 [O].
      step: the session's place in the user's history, ascending for each user, int64 [O].
      pair: which (user, item) pair occurs, int64 [O].
      item: vocabulary index of each pair, int64 [pairs].
      count: how often each pair occurs, int64 [pairs].
    """

    user: tf.Tensor
    step: tf.Tensor
    pair: tf.Tensor
    item: tf.Tensor
    count: tf.Tensor


def occurrences(history: History, vocabulary_size: int) -> Occurrences:
    """Find them; items out of the vocabulary share one index and are left out."""
    keep = tf.logical_and(history.is_engaged, history.index <= vocabulary_size)
    key = tf.boolean_mask(keys_of(history.session, history.index, vocabulary_size), keep)
    session, index = pairs_of(tf.unique(key).y, vocabulary_size)  # [O]
    user = tf.gather(history.user, session)
    key, pair, count = tf.unique_with_counts(keys_of(user, index, vocabulary_size), tf.int64)
    _, item = pairs_of(key, vocabulary_size)
    return Occurrences(user, tf.gather(history.step, session), pair, item, count)


class RepeatScorer(tf.keras.layers.Layer):
    """Scores the items of each user's history at given points of that history."""

    def __init__(self, item_count: np.ndarray):
        """Take the popularity of items.

        Args:
          item_count: engaged training sessions of each vocabulary index, [V + 2].
        """
        super().__init__(name="repeat")
        self._vocabulary_size = len(item_count) - 2
        self._item_count = tf.constant(item_count, tf.float32)
        decays = np.array(SESSION_DECAYS)
        self._decay_logit = self.add_weight(
            name="session_decay_logit",
            shape=decays.shape,
            initializer=tf.constant_initializer(np.log(decays / (1 - decays))),
        )
        self._log_scale = self.add_weight(
            name="log_time_scale",
            shape=[len(TIME_SCALES_DAYS)],
            initializer=tf.constant_initializer(np.log(TIME_SCALES_DAYS)),
        )
        self._item_bias = self.add_weight(
            name="item_repeat_bias", shape=[len(item_count)], initializer="zeros"
        )
        self._score = GatedScore(48, 32)

    def call(
        self, history: History, requests: Requests, now: tf.Tensor, state: tf.Tensor
    ) -> PairScores:
        """Score every item that a user engaged with before each of N requests.

        Args:
          history: B users.
          requests: of these users.
          now: time of the request, unix seconds, int64 [N].
          state: the user's state there, [N, dim].
        """
        found = occurrences(history, self._vocabulary_size)
        row, pair, sums = self._decayed_sums(history, found, requests, now)
        index = tf.gather(found.item, pair)
        sessions = tf.gather(requests.position, row)
        inputs = self._inputs(sums, index, tf.gather(found.count, pair), sessions)
        score = self._score(inputs, row, state, tf.gather(self._item_bias, index))
        return PairScores(tf.stack([row, index], 1), score)

    def _decayed_sums(self, history, found, requests, now):
        """Sums of each weight over what a user engaged with before a request.

        Args:
          history: B users.
          found: their occurrences.
          requests: N of these users.
          now: of each, [N].

        Returns:
          The request and the (user, item) pair, int64 [R] each, and the sums, [R, sums]; the first
          is the count.
        """
        user, position, _ = requests
        width = history.shape[1] + 1
        place = found.user * width + found.step  # Ascending.
        first, end = (
            tf.searchsorted(place, user * width + at, out_type=tf.int64) for at in (0, position)
        )
        past = tf.ragged.range(first, end)  # Occurrences before each request.
        row, past = past.value_rowids(), past.flat_values
        step = tf.gather(found.step, past)
        visited = tf.gather_nd(history.visit_time, tf.stack([tf.gather(user, row), step], 1))
        weights = self._weights(tf.gather(position, row) - 1 - step, tf.gather(now, row) - visited)
        pairs = tf.maximum(tf.size(found.item, tf.int64), 1)
        key, group = tf.unique(row * pairs + tf.gather(found.pair, past))
        sums = tf.math.unsorted_segment_sum(weights, group, tf.size(key))
        return key // pairs, key % pairs, sums

    def _weights(self, age: tf.Tensor, elapsed: tf.Tensor) -> tf.Tensor:
        """Weights [P, sums] of occurrences some sessions and some seconds ago, int64 [P] each."""
        age = tf.cast(age, tf.float32)[:, tf.newaxis]
        days = tf.maximum(tf.cast(elapsed, tf.float32) / SECONDS_PER_DAY, 0.0)[:, tf.newaxis]
        by_session = tf.exp(age * tf.math.log_sigmoid(self._decay_logit))
        by_time = tf.exp(-days * tf.exp(-self._log_scale))
        return tf.concat([tf.ones_like(age), age, by_session, by_time], axis=1)

    def _inputs(self, sums, index, own, sessions):
        """Inputs of the score function for R pairs, [R, inputs]."""
        count, total_age, decayed = sums[:, :1], sums[:, 1:2], sums[:, 2:]
        sessions = tf.cast(sessions, tf.float32)[:, tf.newaxis]
        # The user's own events are left out, or training would see its targets.
        others = tf.gather(self._item_count, index) - tf.cast(own, tf.float32)
        others = tf.maximum(others, 0.0)[:, tf.newaxis]
        return tf.concat(
            [
                tf.math.log(count),
                tf.math.log(count / sessions),
                tf.math.log1p(total_age / count),
                # A sharp decay is almost the age of the last occurrence; keep its range finite.
                tf.math.log(decayed + FLOOR),
                tf.math.log1p(others) / 3,
                tf.math.log(sessions),
            ],
            axis=1,
        )
