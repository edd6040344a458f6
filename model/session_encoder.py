"""ISE, the item-based session encoder (paper, step 2): the items of one session -> one vector."""

import tensorflow as tf


class MeanSessionEncoder(tf.keras.layers.Layer):
    """Mean of the engaged items' vectors beside the mean of those only shown, then a projection."""

    def __init__(self, dim: int):
        super().__init__(name="session_encoder")
        self._project = tf.keras.layers.Dense(dim)

    def call(self, vectors: tf.Tensor, is_engaged: tf.Tensor, session: tf.Tensor, count: tf.Tensor):
        """Encode `count` sessions.

        Args:
          vectors: item vectors of all events, [events, dim].
          is_engaged: bool [events].
          session: which session each event is in, ascending, [events].
          count: number of sessions, scalar.

        Returns:
          [count, dim].
        """
        pooled = []
        for is_member in (is_engaged, tf.logical_not(is_engaged)):
            weight = tf.cast(is_member, vectors.dtype)[:, tf.newaxis]
            total = tf.math.unsorted_segment_sum(vectors * weight, session, count)
            members = tf.math.unsorted_segment_sum(weight, session, count)
            pooled.append(tf.math.divide_no_nan(total, members))
            pooled.append(tf.math.log1p(members))
        return self._project(tf.concat(pooled, axis=-1))


SESSION_ENCODERS = {"mean": MeanSessionEncoder}
