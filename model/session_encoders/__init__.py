"""ISE, the item-based session encoder (paper, step 2): the items of one session -> one vector.

All are built from the model's configuration and called with events as `SessionEncoder.call` takes
them: item vectors, flat over all sessions. Their order there does not matter: which came last is
told apart.
"""

from collections.abc import Callable

import tensorflow as tf

from model.config import ModelConfig
from model.session_encoders.pooling import AttentionPool, MaxPool, MeanPool, SessionEncoder
from model.session_encoders.transformer import TransformerSessionEncoder

SESSION_ENCODERS: dict[str, Callable[[ModelConfig], tf.keras.layers.Layer]] = {
    "mean": lambda config: SessionEncoder(config, MeanPool),
    "max": lambda config: SessionEncoder(config, MaxPool),
    "attention": lambda config: SessionEncoder(config, AttentionPool),
    "transformer": TransformerSessionEncoder,
}
