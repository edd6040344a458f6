"""What being shown changes about an item's score.

Retrieval asks which items come next, out of all; ranking asks which of the items that are shown
are engaged with. The two orders differ (Ma et al., "Entire Space Multi-Task Model", SIGIR 2018,
treat the same gap), by Bayes' rule: a retrieval score is the log of how likely an engagement is,
up to a constant, and the odds of an engagement against a mere exposure are its quotient with how
often the item is shown in vain. The head starts there, and only the rank loss trains it.
"""

import numpy as np
import tensorflow as tf


class RankHead(tf.keras.layers.Layer):
    """A bias of each item and a correction of the query, which is 0 at first."""

    def __init__(self, dim: int, exposed_count: np.ndarray):
        """Build the tables.

        Args:
          dim: width of vectors.
          exposed_count: training sessions that showed each vocabulary index in vain, [V + 2].
        """
        super().__init__(name="rank_head")
        self._query = tf.keras.layers.Dense(dim, kernel_initializer="zeros")
        self._query.build([None, dim])  # A model that was only asked for lists is saved with it.
        self._item_bias = self.add_weight(
            name="item_rank_bias",
            shape=exposed_count.shape,
            initializer=tf.constant_initializer(-np.log1p(exposed_count)),
        )

    def call(self, vector: tf.Tensor, index: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """What to add to the scores of listed items, [N, T].

        Args:
          vector: the users' vectors, [N, dim].
          index: vocabulary indices 0..V + 1 of the items, int64 [N, T].
          items: their vectors, which are learned by retrieval alone, [N, T, dim].
        """
        score = tf.einsum("nd,ntd->nt", self._query(vector), tf.stop_gradient(items))
        return score + tf.gather(self._item_bias, index)
