"""SSE, the session-based sequence encoder (paper, step 3): a state after each session."""

import tensorflow as tf


class TransformerBlock(tf.keras.layers.Layer):
    """Pre-norm causal self-attention and a feed-forward layer, each with a residual connection."""

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

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[batch, steps, dim] -> [batch, steps, dim]; step t sees steps up to t."""
        normed = self._attention_norm(x)
        attended = self._attention(normed, normed, use_causal_mask=True, training=training)
        x += self._dropout(attended, training=training)
        forward = self._forward(self._forward_norm(x), training=training)
        return x + self._dropout(forward, training=training)


class TransformerSequenceEncoder(tf.keras.layers.Layer):
    """SASRec-style transformer (Kang and McAuley, 2018) over sessions instead of items.

    Padding stands after a user's last session, where causal attention cannot reach it, so no
    padding mask is needed.
    """

    def __init__(self, dim: int, layers: int, heads: int, dropout: float, max_steps: int):
        super().__init__(name="sequence_encoder")
        self._position = self.add_weight(
            name="position_embedding",
            shape=[max_steps, dim],
            initializer=tf.keras.initializers.RandomNormal(stddev=0.02),
        )
        self._dropout = tf.keras.layers.Dropout(dropout)
        self._blocks = [
            TransformerBlock(dim, heads, dropout, name=f"block_{i}") for i in range(layers)
        ]
        self._norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States [batch, steps, dim] from step vectors [batch, steps, dim], steps <= max_steps."""
        x = self._dropout(x + self._position[: tf.shape(x)[1]], training=training)
        for block in self._blocks:
            x = block(x, training=training)
        return self._norm(x)


SEQUENCE_ENCODERS = {"transformer": TransformerSequenceEncoder}
