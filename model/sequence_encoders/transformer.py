"""SASRec-style transformer over sessions."""

import tensorflow as tf

from model.attention import TransformerBlock, is_past
from model.config import ModelConfig


class TransformerSequenceEncoder(tf.keras.layers.Layer):
    """SASRec (Kang and McAuley, ICDM 2018) over sessions instead of items."""

    def __init__(self, config: ModelConfig, max_steps: int):
        super().__init__(name="sequence_encoder")
        self._position = self.add_weight(
            name="position_embedding",
            shape=[max_steps, config.dim],
            initializer=tf.keras.initializers.RandomNormal(stddev=0.02),
        )
        self._dropout = tf.keras.layers.Dropout(config.dropout)
        self._blocks = [
            TransformerBlock(config.dim, config.heads, config.dropout, name=f"block_{i}")
            for i in range(config.layers)
        ]
        self._norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)

    def call(self, x: tf.Tensor, visit_time: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States [batch, steps, dim]; the order of visits counts, not their time."""
        del visit_time
        steps = tf.shape(x)[1]
        x = self._dropout(x + self._position[:steps], training=training)
        for block in self._blocks:
            x = block(x, is_past(steps), training=training)
        return self._norm(x)
