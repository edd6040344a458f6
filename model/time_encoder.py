"""When a visit happens: gap, hour and weekday -> one vector."""

import tensorflow as tf

HOURS, WEEKDAYS = 24, 7


class VisitTimeEncoder(tf.keras.layers.Layer):
    """Sum of an hour embedding, a weekday embedding and an MLP of the standardised gap."""

    def __init__(self, dim: int, name: str):
        super().__init__(name=name)
        self._hour = tf.keras.layers.Embedding(HOURS, dim)
        self._weekday = tf.keras.layers.Embedding(WEEKDAYS, dim)
        self._gap = tf.keras.Sequential(
            [tf.keras.layers.Dense(dim // 2, activation="gelu"), tf.keras.layers.Dense(dim)]
        )

    def call(self, gap: tf.Tensor, hour: tf.Tensor, weekday: tf.Tensor) -> tf.Tensor:
        """Vectors [..., dim] of visits given by three tensors of the same shape."""
        return self._hour(hour) + self._weekday(weekday) + self._gap(gap[..., tf.newaxis])
