"""Top-k over the whole catalogue, exactly."""

from typing import NamedTuple

import tensorflow as tf

from model.catalogue import is_in_catalogue
from model.item_scores import ItemScores
from model.user_encoder import Reading

LOWEST = float("-inf")


class Best(NamedTuple):
    """The best items of N requests, best first; where there are too few, some score -inf.

    Attributes:
      index: vocabulary indices, int64 [N, k].
      score: float [N, k].
    """

    index: tf.Tensor
    score: tf.Tensor


class ExactIndex(tf.Module):
    """Scores every item of the catalogue."""

    def __init__(self, scores: ItemScores):
        """Search among all items of `scores`."""
        super().__init__()
        self.scores = scores

    def search(self, reading: Reading, excluded: tf.Tensor, k: int) -> Best:
        """The k best items that are not excluded; of equals, the first of the vocabulary.

        Args:
          reading: N requests.
          excluded: vocabulary indices, int64 [N, X]; 0 and V + 1 exclude nothing.
          k: V at most.
        """
        scores = self.scores.every(reading)
        if reading.pairs is not None:
            place = reading.pairs.place - [0, 1]
            scores = tf.tensor_scatter_nd_add(scores, place, reading.pairs.score)
        row, index = pairs(excluded, self.scores.vocabulary_size)
        scores = lowered(scores, row, index - 1)
        score, place = tf.math.top_k(scores, k)
        return Best(tf.cast(place, tf.int64) + 1, score)


def pairs(index: tf.Tensor, vocabulary_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Row and vocabulary index of the items of the catalogue among [N, X]: int64 [M] each."""
    place = tf.where(is_in_catalogue(index, vocabulary_size))
    return place[:, 0], tf.gather_nd(index, place)


def lowered(scores: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Scores [N, C] with -inf at M places."""
    low = tf.fill(tf.shape(row), LOWEST)
    return tf.tensor_scatter_nd_update(scores, tf.stack([row, column], 1), low)
