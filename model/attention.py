"""The transformer block that both encoders use."""

import tensorflow as tf


class TransformerBlock(tf.keras.layers.Layer):
    """Pre-norm self-attention and a feed-forward layer, each with a residual connection."""

    def __init__(self, dim: int, heads: int, dropout: float, name: str):
        super().__init__(name=name)
        self._attention_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._attention = tf.keras.layers.MultiHeadAttention(heads, dim // heads, dropout=dropout)
        self._forward_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._forward = tf.keras.Sequential(
            [
                tf.keras.layers.Dense(2 * dim, activation="gelu"),
                tf.keras.layers.Dropout(dropout),
                tf.keras.layers.Dense(dim),
            ]
        )
        self._dropout = tf.keras.layers.Dropout(dropout)

    def call(self, x: tf.Tensor, is_visible: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Mix the steps of each sequence.

        Args:
          x: [batch, steps, dim].
          is_visible: whether a step (dimension 1) sees another (dimension 2), bool, broadcast to
            [batch, steps, steps].
          training: whether dropout is on.

        Returns:
          [batch, steps, dim].
        """
        normed = self._attention_norm(x)
        attended = self._attention(normed, normed, attention_mask=is_visible, training=training)
        x += self._dropout(attended, training=training)
        forward = self._forward(self._forward_norm(x), training=training)
        return x + self._dropout(forward, training=training)


def is_past(steps: tf.Tensor) -> tf.Tensor:
    """Causal visibility: step t sees the steps up to t; bool [1, steps, steps]."""
    step = tf.range(steps)
    return (step[:, tf.newaxis] >= step)[tf.newaxis]
