"""A session encoder in which the items of a session see one another."""

import tensorflow as tf

from model.attention import TransformerBlock
from model.config import ModelConfig
from model.ordering import order_by
from model.session_encoders.pooling import MeanPool, SessionEncoder

LAYERS = 1


class TransformerSessionEncoder(tf.keras.layers.Layer):
    """A transformer without positions over the items of each session, then mean pooling.

    Self-attention costs the square of the items, so it reads `session_items` of a session; the
    others go to the pooling as they are.
    """

    def __init__(self, config: ModelConfig):
        super().__init__(name="session_encoder")
        self._most = config.session_items
        self._role = tf.keras.layers.Embedding(2, config.dim)
        self._blocks = [
            TransformerBlock(config.dim, config.heads, config.dropout, name=f"block_{i}")
            for i in range(LAYERS)
        ]
        self._pool = SessionEncoder(config, MeanPool)

    def call(
        self,
        vectors: tf.Tensor,
        is_engaged: tf.Tensor,
        is_last: tf.Tensor,
        session: tf.Tensor,
        count: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """Encode `count` sessions; arguments and result as in `SessionEncoder.call`."""
        vectors = vectors + self._role(tf.cast(is_engaged, tf.int32))
        event, cell = self._cells(vectors, is_engaged, session)
        width = tf.reduce_max(tf.concat([cell[:, 1] + 1, [1]], axis=0))
        shape = tf.stack([tf.cast(count, tf.int64), width])
        x = tf.scatter_nd(cell, tf.gather(vectors, event), tf.concat([shape, vectors.shape[1:]], 0))
        is_item = tf.scatter_nd(cell, tf.ones_like(event, tf.bool), shape)  # [count, width]
        for block in self._blocks:
            x = block(x, is_item[:, tf.newaxis], training=training)
        seen = tf.tensor_scatter_nd_update(vectors, event[:, tf.newaxis], tf.gather_nd(x, cell))
        return self._pool(seen, is_engaged, is_last, session, count)

    def _cells(self, vectors, is_engaged, session):
        """The events that attend, [kept], and the (session, place) each is put in, [kept, 2].

        Engaged items come first. Past the limit the choice is arbitrary, but one that does not
        depend on the order of the items: by a number of their vectors.
        """
        key = 2 * session + tf.cast(tf.logical_not(is_engaged), session.dtype)
        order = order_by(key, vectors[:, 0])
        owner = tf.gather(tf.cast(session, tf.int64), order)
        place = tf.range(tf.size(owner, tf.int64)) - tf.searchsorted(
            owner, owner, out_type=tf.int64
        )
        kept = tf.where(place < self._most)[:, 0]
        cell = tf.gather(tf.stack([owner, place], axis=1), kept)
        return tf.gather(order, kept), cell
