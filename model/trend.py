"""What is popular at the time of the request, and not over the whole log.

Items come and go: counts of the latest days beat counts of all time (Ji et al., "A Re-visit of the
Popularity Baseline in Recommender Systems", SIGIR 2020), and an item's bias drifts (Koren,
"Collaborative Filtering with Temporal Dynamics", KDD 2009). Time is cut into periods that hold
equally many training sessions. The score of an item is a learned mix of its decayed counts in the
periods before the request's, so that no session sees itself or its future. Nothing is learned of a
single period: that would tell a training of what else happens in it, which no request after the
training data can know.
"""

import numpy as np
import tensorflow as tf

# Weight of a period by its distance: from the latest period alone to nearly a plain count.
DECAYS = (0.0, 0.5, 0.8, 0.95)
FLOOR = 0.1


class Trend(tf.keras.layers.Layer):
    """Scores the catalogue by the period of the request.

    A request after the training data is answered as of their end.
    """

    def __init__(self, period_count: np.ndarray):
        """Build the tables.

        Args:
          period_count: engaged training sessions of each period and item, [periods + 1, V].
        """
        super().__init__(name="trend")
        last = int(np.flatnonzero(period_count.any(axis=1)).max(initial=0))
        counts = [decayed_counts(period_count[: last + 1], decay) for decay in DECAYS]
        shares = [count / np.maximum(count.mean(1, keepdims=True), 1e-6) for count in counts]
        # [V, periods, decays]: the items of a step are rows side by side.
        self._log_share = tf.constant(np.log(np.stack(shares).T + FLOOR), tf.float32)
        self._mix = self.add_weight(name="mix", shape=[len(DECAYS)], initializer="zeros")
        self._gate = tf.keras.layers.Dense(1, kernel_initializer="zeros")

    def call(
        self, period: tf.Tensor, state: tf.Tensor, index: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Factors of N requests and of C items, whose product is the scores [N, C].

        Args:
          period: of the request, int64 [N].
          state: the user's state at the request, [N, dim]; it says how much the trend counts.
          index: vocabulary indices of the items, 1..V, [C].

        Returns:
          [N, periods] and [C, periods].
        """
        periods = self._log_share.shape[1]
        row = tf.minimum(period, periods - 1)
        of_request = tf.one_hot(row, periods) * self.weight(state)
        return of_request, tf.tensordot(tf.gather(self._log_share, index - 1), self._mix, 1)

    def weight(self, state: tf.Tensor) -> tf.Tensor:
        """How much the trend counts for users of states [N, dim]: [N, 1]."""
        return tf.exp(self._gate(state))

    def table(self) -> tf.Tensor:
        """The trend of every item at each period, the last for all later ones: [periods, V]."""
        return tf.transpose(tf.tensordot(self._log_share, self._mix, 1))


def decayed_counts(period_count: np.ndarray, decay: float) -> np.ndarray:
    """Sums over the periods before each, the latest with weight 1: [P, V] -> [P + 1, V]."""
    total = np.zeros([len(period_count) + 1, period_count.shape[1]])
    for period, count in enumerate(period_count):
        total[period + 1] = decay * total[period] + count
    return total
