"""GRU4Rec-style recurrent network over sessions."""

import tensorflow as tf

from model.config import ModelConfig


class GruSequenceEncoder(tf.keras.layers.Layer):
    """Stacked gated recurrent units (GRU4Rec, Hidasi et al., ICLR 2016) over sessions."""

    def __init__(self, config: ModelConfig, max_steps: int):
        super().__init__(name="sequence_encoder")
        del max_steps  # A recurrent network reads any number of steps.
        self._dropout = tf.keras.layers.Dropout(config.dropout)
        self._layers = [
            tf.keras.layers.GRU(config.dim, return_sequences=True, name=f"gru_{i}")
            for i in range(config.layers)
        ]

    def call(self, x: tf.Tensor, visit_time: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States [batch, steps, dim]; the order of visits counts, not their time."""
        del visit_time
        for layer in self._layers:
            x = layer(self._dropout(x, training=training), training=training)
        return x
