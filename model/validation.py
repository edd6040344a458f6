"""NDCG and Recall at a cutoff during training; TFMA's are the ones that decide."""

import numpy as np
import tensorflow as tf

CUTOFF = 20


class TopMetrics:
    """Means over target sessions that have an engaged item.

    Every engaged item counts, so one that cannot be recommended is a miss.
    """

    def __init__(self):
        self.ndcg = tf.keras.metrics.Mean(name=f"ndcg@{CUTOFF}")
        self.recall = tf.keras.metrics.Mean(name=f"recall@{CUTOFF}")

    def update_state(self, logits: tf.Tensor, index: tf.Tensor, is_engaged: tf.Tensor) -> None:
        """Add N target sessions.

        Args:
          logits: scores of vocabulary indices 1..V, [N, V].
          index: vocabulary indices of their items, int64 [N, T].
          is_engaged: bool [N, T].
        """
        length = tf.minimum(CUTOFF, tf.shape(logits)[1])
        top = 1 + tf.math.top_k(logits, length).indices
        wanted = tf.where(is_engaged, tf.cast(index, tf.int32), -1)
        hit = tf.reduce_any(tf.equal(top[:, :, tf.newaxis], wanted[:, tf.newaxis]), axis=2)
        hit = tf.cast(hit, tf.float32)  # [N, CUTOFF or V]
        count = tf.reduce_sum(tf.cast(is_engaged, tf.float32), axis=1)  # [N]
        discount = tf.constant(1.0 / np.log2(np.arange(2, CUTOFF + 2)), tf.float32)
        gain = tf.reduce_sum(hit * discount[:length], axis=1)
        ideal = tf.gather(
            tf.cumsum(discount),
            tf.cast(tf.clip_by_value(count, 1, CUTOFF), tf.int32) - 1,
        )
        has_target = tf.cast(count > 0, tf.float32)
        self.ndcg.update_state(gain / ideal, has_target)
        self.recall.update_state(tf.math.divide_no_nan(tf.reduce_sum(hit, 1), count), has_target)
