"""What being shown changes about an item's score.

Retrieval asks which items come next, out of all; ranking asks which of the items that are shown
are engaged with. Popular items are often shown, and often passed over: the two orders differ
(Ma et al., "Entire Space Multi-Task Model", SIGIR 2018, treat the same gap between all items and
those shown). The head adds the difference, and only the rank loss trains it.
"""

import tensorflow as tf


class RankHead(tf.keras.layers.Layer):
    """A bias of each item and a correction of the query, both 0 at first."""

    def __init__(self, dim: int, vocabulary_size: int):
        super().__init__(name="rank_head")
        self._query = tf.keras.layers.Dense(dim, kernel_initializer="zeros")
        self._item_bias = self.add_weight(
            name="item_rank_bias", shape=[vocabulary_size + 2], initializer="zeros"
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
