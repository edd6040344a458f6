"""Embedding module (paper, step 1): item id and item features -> one vector per item."""

import numpy as np
import tensorflow as tf


class ItemEncoder(tf.keras.layers.Layer):
    """`vector(item) = id embedding + MLP(feature embeddings)`.

    Items outside the vocabulary share one id embedding and differ by their features.
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int,
        codes: np.ndarray,
        cardinalities: tuple[int, ...],
        feature_dim: int,
    ):
        """Build the tables.

        Args:
          vocabulary_size: V; indices are 0 (padding), 1..V, and V + 1 (out of vocabulary).
          dim: width of an item vector.
          codes: feature codes of each item-table row, int [rows, features].
          cardinalities: number of codes of each feature.
          feature_dim: width of one feature's embedding.
        """
        super().__init__(name="item_encoder")
        self.out_of_vocabulary = vocabulary_size + 1
        self._id_embedding = self.add_weight(
            name="item_id_embedding",
            shape=[vocabulary_size + 2, dim],
            initializer=tf.keras.initializers.RandomNormal(stddev=0.1),
        )
        self._codes = tf.Variable(codes, trainable=False, name="item_feature_codes")
        self._features = [
            tf.keras.layers.Embedding(size, feature_dim, embeddings_initializer="normal")
            for size in cardinalities
        ]
        self._hidden = tf.keras.layers.Dense(dim, activation="gelu")
        self._project = tf.keras.layers.Dense(dim, kernel_initializer="zeros")

    def call(self, index: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Vectors [N, dim] of items given by vocabulary index [N] and item-table row [N]."""
        return tf.gather(self._id_embedding, index) + self._from_features(row)

    def lookup(self, vectors: tf.Tensor | None, index: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """The same as `call`, reading items of the vocabulary from their computed `vectors`.

        Args:
          vectors: [V + 2, dim], `call` on every vocabulary index; None computes all anew.
          index: [N].
          row: [N].
        """
        if vectors is None:
            return self(index, row)
        found = tf.gather(vectors, index)
        if not self._features:
            return found
        unseen = tf.where(tf.equal(index, self.out_of_vocabulary))  # [unseen, 1]
        computed = self(tf.gather_nd(index, unseen), tf.gather_nd(row, unseen))
        return tf.tensor_scatter_nd_update(found, unseen, computed)

    def _from_features(self, row: tf.Tensor) -> tf.Tensor:
        if not self._features:
            return tf.constant(0.0)
        codes = tf.gather(self._codes, row)  # [N, features]
        embedded = [table(codes[:, i]) for i, table in enumerate(self._features)]
        return self._project(self._hidden(tf.concat(embedded, axis=-1)))
