"""SSE, the session-based sequence encoder (paper, step 3): a state after each session.

All are built from `(config, max_steps)` and called with step vectors [batch, steps, dim], the
unix seconds of each step's visit, int64 [batch, steps], and `training`; they return states
[batch, steps, dim], of which state t depends on the steps up to t only. Padding stands after a
user's last session, where a causal encoder cannot reach it, so none needs a padding mask.
"""

from collections.abc import Callable

import tensorflow as tf

from model.config import ModelConfig
from model.sequence_encoders.gru import GruSequenceEncoder
from model.sequence_encoders.hstu import HstuSequenceEncoder
from model.sequence_encoders.hybrid import HybridSequenceEncoder
from model.sequence_encoders.transformer import TransformerSequenceEncoder

SEQUENCE_ENCODERS: dict[str, Callable[[ModelConfig, int], tf.keras.layers.Layer]] = {
    "transformer": TransformerSequenceEncoder,
    "hstu": HstuSequenceEncoder,
    "gru": GruSequenceEncoder,
    "hybrid": HybridSequenceEncoder,
}
