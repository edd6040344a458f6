"""Embedding module (paper, step 1): item id and item features -> one vector per item."""

import tensorflow as tf

from model.config import ModelConfig
from model.item_table import ItemTable
from model.tables import fixed


class ItemEncoder(tf.keras.layers.Layer):
    """`vector(item) = id embedding + MLP(feature embeddings, numbers, which numbers are missing)`.

    Items outside the vocabulary share one id embedding and differ by their features.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary_size: int,
        table: ItemTable,
        name: str = "item_encoder",
    ):
        """Build the tables.

        Args:
          config: the model's configuration.
          vocabulary_size: V; indices are 0 (padding), 1..V, and V + 1 (out of vocabulary).
          table: the items' features.
          name: of the layer.
        """
        super().__init__(name=name)
        self.out_of_vocabulary = vocabulary_size + 1
        self._id_embedding = self.add_weight(
            name="item_id_embedding",
            shape=[vocabulary_size + 2, config.dim],
            initializer=tf.keras.initializers.RandomNormal(stddev=0.1),
        )
        self._codes = fixed(table.codes, "item_feature_codes")
        self._numbers = fixed(table.numbers, "item_feature_numbers")
        self._has_features = bool(table.codes.shape[1] + table.numbers.shape[1])
        self._features = [
            tf.keras.layers.Embedding(
                len(values) + 1,
                config.feature_dim,
                embeddings_initializer="normal",
                name=f"category_{place}",
            )
            for place, values in enumerate(table.categories)
        ]
        self._hidden = tf.keras.layers.Dense(config.dim, activation="gelu")
        self._project = tf.keras.layers.Dense(config.dim, kernel_initializer="zeros")

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
        if not self._has_features:
            return found
        unseen = tf.where(tf.equal(index, self.out_of_vocabulary))  # [unseen, 1]
        computed = self(tf.gather_nd(index, unseen), tf.gather_nd(row, unseen))
        return tf.tensor_scatter_nd_update(found, unseen, computed)

    def _from_features(self, row: tf.Tensor) -> tf.Tensor:
        if not self._has_features:
            return tf.constant(0.0)
        codes = tf.gather(self._codes, row)  # [N, categorical]
        inputs = [table(codes[:, i]) for i, table in enumerate(self._features)]
        numbers = tf.gather(self._numbers, row)  # [N, numeric]
        is_missing = tf.math.is_nan(numbers)
        inputs += [tf.where(is_missing, 0.0, numbers), tf.cast(is_missing, numbers.dtype)]
        return self._project(self._hidden(tf.concat(inputs, axis=-1)))
