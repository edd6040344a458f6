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

from model.history import History

# Initial decay per session: from "the last occurrence only" to "nearly a plain count".
SESSION_DECAYS = (0.05, 0.5, 0.8, 0.9, 0.97)
TIME_SCALES_DAYS = (7.0, 30.0, 120.0)
SECONDS_PER_DAY = 86400.0
FLOOR = 0.01


class Repeats(NamedTuple):
    """Scores of R (target session, item) pairs.

    Attributes:
      place: the target session's row in [users * targets], and the vocabulary index, int64 [R, 2].
      score: float [R].
    """

    place: tf.Tensor
    score: tf.Tensor


def occurrences(history: History, vocabulary_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The distinct engaged items of each user, and in which sessions they occur.

    Items out of the vocabulary share one index and are left out.

    Returns:
      Vocabulary indices [B, U], 0 pads; occurrence 0 or 1, float [B, S, U].
    """
    users, steps = history.shape
    keep = tf.logical_and(history.is_engaged, history.index <= vocabulary_size)
    session = tf.boolean_mask(history.session, keep)
    user = tf.gather(history.user, session)
    width = vocabulary_size + 1
    key = user * width + tf.boolean_mask(history.index, keep)
    distinct, place = tf.unique(key, out_idx=tf.int64)  # [pairs], in the order of users
    owner = distinct // width
    column = tf.range(tf.size(distinct, tf.int64)) - tf.searchsorted(
        owner, owner, out_type=tf.int64
    )
    most = tf.reduce_max(tf.concat([column + 1, [1]], axis=0))
    items = tf.scatter_nd(tf.stack([owner, column], 1), distinct % width, tf.stack([users, most]))
    where = tf.stack([user, tf.gather(history.step, session), tf.gather(column, place)], axis=1)
    count = tf.scatter_nd(where, tf.ones_like(user, tf.float32), tf.stack([users, steps, most]))
    return items, tf.minimum(count, 1.0)


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
        self._linear = tf.keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer="ones")
        self._mlp = tf.keras.Sequential(
            [
                tf.keras.layers.Dense(48, activation="gelu"),
                tf.keras.layers.Dense(32, activation="gelu"),
                tf.keras.layers.Dense(1, kernel_initializer="zeros"),
            ]
        )
        self._gate = tf.keras.layers.Dense(2, kernel_initializer="zeros")

    def call(
        self, history: History, position: tf.Tensor, now: tf.Tensor, state: tf.Tensor
    ) -> Repeats:
        """Score every item a user engaged with before each position.

        Args:
          history: B users.
          position: how many sessions came before the target, int64 [B, K].
          now: time of the request, unix seconds, int64 [B, K].
          state: user state at the position, [B, K, dim].
        """
        items, occurrence = occurrences(history, self._vocabulary_size)
        sums = self._decayed_sums(history, position, now, occurrence)  # [B, K, sums, U]
        pair = tf.where(sums[:, :, 0] > 0)  # [R, 3]: user, target, column
        user, target, column = tf.unstack(pair, axis=1)
        sums = tf.gather_nd(tf.transpose(sums, [0, 1, 3, 2]), pair)  # [R, sums]
        index = tf.gather_nd(items, tf.stack([user, column], 1))
        own = tf.gather_nd(tf.reduce_sum(occurrence, 1), tf.stack([user, column], 1))
        place = pair[:, :2]
        inputs = self._inputs(sums, index, own, tf.gather_nd(position, place))
        gate = tf.gather_nd(self._gate(state), place)  # [R, 2]
        score = (self._linear(inputs) + self._mlp(inputs))[:, 0] + tf.gather(self._item_bias, index)
        score = score * tf.exp(gate[:, 0]) + gate[:, 1]
        row = user * tf.shape(position, out_type=tf.int64)[1] + target
        return Repeats(tf.stack([row, index], 1), score)

    def _decayed_sums(self, history, position, now, occurrence):
        """Sums over past occurrences of each weight, [B, K, sums, U]; the first is the count."""
        steps = tf.range(tf.shape(occurrence, out_type=tf.int64)[1])
        age = tf.cast(position[:, :, tf.newaxis] - 1 - steps, tf.float32)  # [B, K, S], sessions
        elapsed = now[:, :, tf.newaxis] - history.visit_time[:, tf.newaxis, :-1]
        days = tf.maximum(tf.cast(elapsed, tf.float32) / SECONDS_PER_DAY, 0.0)
        is_past = tf.cast(age >= 0, tf.float32)
        age = tf.maximum(age, 0.0)
        log_decay = tf.math.log_sigmoid(self._decay_logit)
        by_session = tf.exp(age[..., tf.newaxis] * log_decay)
        by_time = tf.exp(-days[..., tf.newaxis] * tf.exp(-self._log_scale))
        plain = tf.stack([tf.ones_like(age), age], axis=-1)
        weights = tf.concat([plain, by_session, by_time], axis=-1) * is_past[..., tf.newaxis]
        shape = tf.shape(weights)  # B, K, S, sums
        weights = tf.transpose(weights, [0, 1, 3, 2])
        weights = tf.reshape(weights, [shape[0], shape[1] * shape[3], shape[2]])
        sums = tf.matmul(weights, occurrence)
        return tf.reshape(sums, [shape[0], shape[1], weights_count(), tf.shape(occurrence)[2]])

    def _inputs(self, sums, index, own, position):
        """Inputs of the score function for R pairs, [R, inputs]."""
        count, total_age, decayed = sums[:, :1], sums[:, 1:2], sums[:, 2:]
        sessions = tf.cast(position, tf.float32)[:, tf.newaxis]
        # The user's own events are left out, or training would see its targets.
        others = tf.maximum(tf.gather(self._item_count, index) - own, 0.0)[:, tf.newaxis]
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


def weights_count() -> int:
    """How many sums over occurrences the scorer reads."""
    return 2 + len(SESSION_DECAYS) + len(TIME_SCALES_DAYS)
