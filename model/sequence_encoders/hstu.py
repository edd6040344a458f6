"""HSTU, the hierarchical sequential transduction unit (Zhai et al., ICML 2024), over sessions."""

import math

import tensorflow as tf

from model.attention import is_past
from model.config import ModelConfig

# Two buckets for each doubling of the seconds between visits; the last starts at about a century.
BUCKETS_PER_DOUBLING = 2
TIME_BUCKETS = 64


def time_buckets(visit_time: tf.Tensor) -> tf.Tensor:
    """Buckets of the time from each step's visit back to another's.

    Args:
      visit_time: unix seconds, int64 [batch, steps].

    Returns:
      int32 [batch, steps, steps], 0..TIME_BUCKETS - 1; 0 is a second or less, or the future.
    """
    elapsed = visit_time[:, :, tf.newaxis] - visit_time[:, tf.newaxis, :]
    seconds = tf.cast(tf.maximum(elapsed, 1), tf.float32)
    bucket = tf.cast(tf.math.log(seconds) * (BUCKETS_PER_DOUBLING / math.log(2)), tf.int32)
    return tf.minimum(bucket, TIME_BUCKETS - 1)


class RelativeBias(tf.keras.layers.Layer):
    """Learned attention bias from how many steps and how much time lie between two visits."""

    def __init__(self, heads: int, max_steps: int):
        super().__init__(name="relative_bias")
        self._by_distance = self.add_weight(
            name="by_distance", shape=[max_steps, heads], initializer="zeros"
        )
        self._by_time = self.add_weight(
            name="by_time", shape=[TIME_BUCKETS, heads], initializer="zeros"
        )

    def call(self, bucket: tf.Tensor) -> tf.Tensor:
        """Bias [batch, heads, steps, steps] from `time_buckets`; the future's means nothing."""
        step = tf.range(tf.shape(bucket)[1])
        distance = tf.maximum(step[:, tf.newaxis] - step, 0)
        bias = tf.gather(self._by_distance, distance) + tf.gather(self._by_time, bucket)
        return tf.transpose(bias, [0, 3, 1, 2])


class HstuBlock(tf.keras.layers.Layer):
    """One unit: `x + f2(norm(attention) * U)`, equations 1 to 3 of the paper.

    Attention is pointwise: silu(q . k + bias) / visible steps, without a softmax, so that how
    many visits match counts and not only which. The paper divides by the longest sequence; the
    number of visible steps depends on nothing that comes later or on who shares the batch.
    """

    def __init__(self, config: ModelConfig, max_steps: int, name: str):
        super().__init__(name=name)
        self._heads, self._width = config.heads, config.dim // config.heads
        self._norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._parts = tf.keras.layers.Dense(4 * self._heads * self._width, activation="silu")
        self._bias = RelativeBias(config.heads, max_steps)
        self._attended_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._dropout = tf.keras.layers.Dropout(config.dropout)
        self._output = tf.keras.layers.Dense(config.dim)

    def call(self, x: tf.Tensor, bucket: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[batch, steps, dim] -> [batch, steps, dim], given `time_buckets` of the visits."""
        batch, steps = tf.shape(x)[0], tf.shape(x)[1]
        gate, *parts = tf.split(self._parts(self._norm(x)), 4, axis=-1)
        shape = [batch, steps, self._heads, self._width]
        value, query, key = (tf.reshape(part, shape) for part in parts)
        weight = tf.nn.silu(tf.einsum("bqhd,bkhd->bhqk", query, key) + self._bias(bucket))
        visible = tf.cast(is_past(steps), x.dtype)  # [1, steps, steps]
        weight *= visible / tf.reduce_sum(visible, axis=2, keepdims=True)
        attended = tf.einsum("bhqk,bkhd->bqhd", weight, value)
        attended = tf.reshape(attended, [batch, steps, self._heads * self._width])
        attended = self._dropout(self._attended_norm(attended) * gate, training=training)
        return x + self._output(attended)


class HstuSequenceEncoder(tf.keras.layers.Layer):
    """Stacked units; order and time enter through the relative bias alone."""

    def __init__(self, config: ModelConfig, max_steps: int):
        super().__init__(name="sequence_encoder")
        self._dropout = tf.keras.layers.Dropout(config.dropout)
        self._blocks = [
            HstuBlock(config, max_steps, name=f"block_{i}") for i in range(config.layers)
        ]
        self._norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)

    def call(self, x: tf.Tensor, visit_time: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States [batch, steps, dim]; both the order and the time of visits count."""
        bucket = time_buckets(visit_time)
        x = self._dropout(x, training=training)
        for block in self._blocks:
            x = block(x, bucket, training=training)
        return self._norm(x)
