"""What items score at serving, from tables that are computed once, when a model is exported."""

import tensorflow as tf

from model.session_model import SessionModel
from model.user_encoder import Reading


class ItemScores(tf.Module):
    """The scores of a trained model, without those of pairs.

    Attributes:
      trend: of every item at each period, [periods, V + 2], or None.
    """

    def __init__(self, model: SessionModel):
        """Compute the tables of a trained model."""
        super().__init__()
        self.vocabulary_size = model.vocabulary_size
        self._vectors = [
            tf.Variable(vectors, trainable=False, name="item_vectors")
            for vectors in model.item_vectors()
        ]
        self._bias = tf.Variable(model.item_bias, trainable=False, name="item_bias")
        self.trend = None
        if model.trend is not None:
            table = tf.pad(model.trend.table(), [[0, 0], [1, 1]])
            self.trend = tf.Variable(table, trainable=False, name="trend")
            self._periods = len(table)
            self._weight = model.trend.weight

    # To gather from a variable makes TensorFlow copy it wherever it is read as a whole, which would
    # be at every request. To gather from its value does not.
    @property
    def read_vectors(self) -> list[tf.Tensor]:
        """What histories are read with and what is scored, as `SessionModel.item_vectors`."""
        return [vectors.read_value() for vectors in self._vectors]

    @property
    def vectors(self) -> tf.Tensor:
        """What is scored, of all vocabulary indices, [V + 2, dim]."""
        return self._vectors[-1].read_value()

    @property
    def bias(self) -> tf.Tensor:
        """Of all vocabulary indices, [V + 2]."""
        return self._bias.read_value()

    def every(self, reading: Reading) -> tf.Tensor:
        """Scores of vocabulary indices 1..V, [N, V]."""
        scores = tf.matmul(reading.vector, self.vectors[1:-1], transpose_b=True) + self.bias[1:-1]
        if self.trend is not None:
            trend = tf.gather(self.trend, self.period(reading))[:, 1:-1]
            scores += self.trend_weight(reading) * trend
        return scores

    def of(self, reading: Reading, index: tf.Tensor, vectors: tf.Tensor | None = None) -> tf.Tensor:
        """Scores of each row's own candidates, [N, C].

        Args:
          reading: N requests.
          index: vocabulary indices, int64 [N, C].
          vectors: [N, C, dim], if not those of the indices.
        """
        if vectors is None:
            vectors = tf.gather(self.vectors, index)
        scores = tf.linalg.matvec(vectors, reading.vector) + tf.gather(self.bias, index)
        return scores + self.trend_of(reading, index)

    def trend_of(self, reading: Reading, index: tf.Tensor) -> tf.Tensor:
        """What the trend adds to the scores of candidates [N, C]."""
        if self.trend is None:
            return tf.zeros([])
        period = tf.broadcast_to(self.period(reading)[:, tf.newaxis], tf.shape(index))
        place = tf.stack([period, tf.cast(index, tf.int64)], axis=-1)
        return self.trend_weight(reading) * tf.gather_nd(self.trend, place)

    def period(self, reading: Reading) -> tf.Tensor:
        """The row of `trend` that answers each request, int64 [N]."""
        return tf.minimum(reading.period, self._periods - 1)

    def trend_weight(self, reading: Reading) -> tf.Tensor:
        """What a request multiplies the trend by, [N, 1]."""
        return self._weight(reading.state)
