"""A recurrent network and a transformer side by side, over sessions."""

import tensorflow as tf

from model.config import ModelConfig
from model.sequence_encoders.gru import GruSequenceEncoder
from model.sequence_encoders.transformer import TransformerSequenceEncoder


class HybridSequenceEncoder(tf.keras.layers.Layer):
    """The sum of a GRU's and a transformer's states.

    The first keeps a summary in which the latest sessions weigh most, the second looks up older
    ones. Hymba (Dong et al., arXiv 2411.13676, 2024) has attention and recurrent heads side by side
    within each layer; here they meet after the last.
    """

    def __init__(self, config: ModelConfig, max_steps: int):
        super().__init__(name="sequence_encoder")
        self._recurrent = GruSequenceEncoder(config, max_steps)
        self._attention = TransformerSequenceEncoder(config, max_steps)

    def call(self, x: tf.Tensor, visit_time: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States [batch, steps, dim]; the order of visits counts, not their time."""
        recurrent = self._recurrent(x, visit_time, training=training)
        return recurrent + self._attention(x, visit_time, training=training)
