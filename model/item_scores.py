"""What items score at serving, from tables that are computed once, when a model is exported."""

import tensorflow as tf

from model.repeat import Repeats
from model.session_model import SessionModel
from model.user_encoder import Reading


class ItemScores(tf.Module):
    """The scores of a trained model, without those of a user's own items.

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
        return tf.minimum(tf.reshape(reading.period, [-1]), self._periods - 1)

    def trend_weight(self, reading: Reading) -> tf.Tensor:
        """What a request multiplies the trend by, [N, 1]."""
        return self._weight(reading.state)


def repeat_scores(repeats: Repeats | None, index: tf.Tensor, vocabulary_size: int) -> tf.Tensor:
    """What being a user's own adds to each row's candidates: int64 [N, C] -> float [N, C]."""
    if repeats is None:
        return tf.zeros(tf.shape(index))
    row = tf.range(tf.shape(index, out_type=tf.int64)[0])[:, tf.newaxis]
    width = vocabulary_size + 2
    own = repeats.place[:, 0] * width + repeats.place[:, 1]
    place = positions(tf.reshape(row * width + index, [-1]), own)
    found = tf.gather(tf.concat([[0.0], repeats.score], 0), place + 1)
    return tf.reshape(found, tf.shape(index))


def positions(keys: tf.Tensor, among: tf.Tensor) -> tf.Tensor:
    """Where each key, 0 or more, stands in `among`, -1 if nowhere: int64 [N], [M] -> int32 [N]."""
    # -1, which no key is, comes first: something is there to compare with.
    among = tf.concat([[-1], among], 0)
    order = tf.argsort(among)
    ordered = tf.gather(among, order)
    place = tf.minimum(tf.searchsorted(ordered, keys), tf.size(ordered) - 1)
    is_found = tf.equal(tf.gather(ordered, place), keys)
    return tf.where(is_found, tf.gather(order, place) - 1, -1)
