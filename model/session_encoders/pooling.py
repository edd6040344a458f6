"""Session encoders that pool: the engaged items, those only shown, and what was engaged last."""

from collections.abc import Callable

import tensorflow as tf

from model.config import ModelConfig


class MeanPool(tf.keras.layers.Layer):
    """The mean of each session's vectors."""

    def call(self, vectors: tf.Tensor, session: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """[members, dim] and their sessions [members] -> [count, dim]; 0 for an empty session."""
        total = tf.math.unsorted_segment_sum(vectors, session, count)
        members = tf.math.unsorted_segment_sum(tf.ones_like(vectors[:, :1]), session, count)
        return tf.math.divide_no_nan(total, members)


class MaxPool(tf.keras.layers.Layer):
    """The largest value in each dimension of each session's vectors."""

    def call(self, vectors: tf.Tensor, session: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """[members, dim] and their sessions [members] -> [count, dim]; 0 for an empty session."""
        largest = tf.math.unsorted_segment_max(vectors, session, count)
        # An empty session's maximum is the lowest number there is.
        return tf.where(largest > vectors.dtype.min, largest, 0.0)


class AttentionPool(tf.keras.layers.Layer):
    """Mean weighted by how well items match a learned query.

    The weights are `softmax(query . tanh(W x + b))` over a session's items, the additive attention
    of Bahdanau et al. (ICLR 2015) with a constant query, as in Yang et al. (NAACL 2016).
    """

    def build(self, input_shape: tf.TensorShape) -> None:
        """Make the weights for vectors of `input_shape`, [members, dim]."""
        self._hidden = tf.keras.layers.Dense(input_shape[-1], activation="tanh", name="hidden")
        self._query = tf.keras.layers.Dense(1, use_bias=False, name="query")
        super().build(input_shape)

    def call(self, vectors: tf.Tensor, session: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """[members, dim] and their sessions [members] -> [count, dim]; 0 for an empty session."""
        score = self._query(self._hidden(vectors))  # [members, 1]
        highest = tf.math.unsorted_segment_max(tf.stop_gradient(score), session, count)
        weight = tf.exp(score - tf.gather(highest, session))
        total = tf.math.unsorted_segment_sum(weight * vectors, session, count)
        return tf.math.divide_no_nan(total, tf.math.unsorted_segment_sum(weight, session, count))


class SessionEncoder(tf.keras.layers.Layer):
    """Engaged items pooled beside those only shown, how many there are of each, a projection.

    And the last engaged items, as in STAMP (Liu et al., KDD 2018): where items follow each other,
    the next session goes on from there, which a pooling of all items hides. Items of one time, as
    in a basket, are last together, and their mean is read.
    """

    def __init__(self, config: ModelConfig, pool: Callable[[], tf.keras.layers.Layer]):
        """Build the layers.

        Args:
          config: the model's configuration.
          pool: makes the pooling layer of a role; engaged and shown items have one each.
        """
        super().__init__(name="session_encoder")
        self._engaged, self._shown = pool(), pool()
        self._last = MeanPool() if config.last_items else None
        self._project = tf.keras.layers.Dense(config.dim)

    def call(
        self,
        vectors: tf.Tensor,
        is_engaged: tf.Tensor,
        is_last: tf.Tensor,
        session: tf.Tensor,
        count: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """Encode `count` sessions.

        Args:
          vectors: item vectors of all events, [events, dim].
          is_engaged: bool [events].
          is_last: bool [events], among the engaged ones.
          session: which session each event is in, ascending, [events].
          count: number of sessions, scalar.
          training: whether dropout is on; pooling has none.

        Returns:
          [count, dim].
        """
        del training
        pooled = []
        for pool, has_role in (
            (self._engaged, is_engaged),
            (self._shown, tf.logical_not(is_engaged)),
        ):
            members, owner = _members(vectors, session, has_role)
            size = tf.math.unsorted_segment_sum(tf.ones_like(owner, vectors.dtype), owner, count)
            pooled += [pool(members, owner, count), tf.math.log1p(size)[:, tf.newaxis]]
        if self._last is not None:
            pooled.append(self._last(*_members(vectors, session, is_last), count))
        return self._project(tf.concat(pooled, axis=-1))


def _members(vectors, session, has_role):
    """Those of the events that have a role: vectors [members, dim] and sessions [members]."""
    place = tf.where(has_role)[:, 0]
    return tf.gather(vectors, place), tf.gather(session, place)
