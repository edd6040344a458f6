"""Scores of single (request, item) pairs, which are added to those that every item has."""

from typing import NamedTuple

import tensorflow as tf

from model.pair_keys import keys_of, pairs_of, positions
from model.shapes import in_blocks


class PairScores(NamedTuple):
    """Scores of R pairs; those of a pair that is there more than once add up.

    Attributes:
      place: the request's row of N, and the vocabulary index, int64 [R, 2].
      score: float [R].
    """

    place: tf.Tensor
    score: tf.Tensor


class GatedScore(tf.keras.layers.Layer):
    """`(linear(x) + mlp(x) + bias) * exp(a) + b`, where the user's state gives a and b."""

    def __init__(self, *hidden: int):
        """Build the layers; `hidden` are the widths of the MLP's."""
        super().__init__(name="score")
        self._linear = tf.keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer="ones")
        self._mlp = tf.keras.Sequential(
            [
                *(tf.keras.layers.Dense(width, activation="gelu") for width in hidden),
                tf.keras.layers.Dense(1, kernel_initializer="zeros"),
            ]
        )
        self._gate = tf.keras.layers.Dense(2, kernel_initializer="zeros")

    def call(
        self, inputs: tf.Tensor, row: tf.Tensor, state: tf.Tensor, bias: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """Scores [R] of inputs [R, inputs], with each pair's row of the states [N, dim]."""
        gate = tf.gather(self._gate(state), row)  # [R, 2]
        pairs = tf.size(row)
        inputs = tf.pad(inputs, [[0, in_blocks(pairs) - pairs], [0, 0]])
        score = (self._linear(inputs) + self._mlp(inputs))[:pairs, 0] + bias
        return score * tf.exp(gate[:, 0]) + gate[:, 1]


def together(parts: list[PairScores]) -> PairScores | None:
    """One list of all; None if there is none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return joined(parts)


def joined(parts: list[PairScores]) -> PairScores:
    """One list of at least one."""
    places, scores = zip(*parts, strict=True)
    return PairScores(tf.concat(places, 0), tf.concat(scores, 0))


def distinct(pairs: PairScores, vocabulary_size: int) -> PairScores:
    """Each pair once, in the order of rows and then of items."""
    key = keys_of(pairs.place[:, 0], pairs.place[:, 1], vocabulary_size)
    order = tf.argsort(key)
    key, pair = tf.unique(tf.gather(key, order))
    score = tf.math.unsorted_segment_sum(tf.gather(pairs.score, order), pair, tf.size(key))
    return PairScores(tf.stack(pairs_of(key, vocabulary_size), 1), score)


def add_pairs(logits: tf.Tensor, pairs: PairScores, index: tf.Tensor) -> tf.Tensor:
    """Add the scores of pairs.

    Args:
      logits: [N, C].
      pairs: of the N rows.
      index: the candidates, all items of the pairs among them, ascending, int64 [C].
    """
    return tf.tensor_scatter_nd_add(logits, cells_of(pairs.place, index), pairs.score)


def cells_of(place: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Row and column of rows and items, where items of ascending indices [C] are scored: [R, 2]."""
    row, item = tf.unstack(place, num=2, axis=1)
    return tf.stack([row, tf.searchsorted(index, item, out_type=tf.int64)], axis=1)


def scores_of(pairs: PairScores | None, index: tf.Tensor, vocabulary_size: int) -> tf.Tensor:
    """What the pairs add to each row's own candidates: int64 [N, C] -> float [N, C]."""
    if pairs is None:
        return tf.zeros(tf.shape(index))
    pairs = distinct(pairs, vocabulary_size)
    row = tf.range(tf.shape(index, out_type=tf.int64)[0])[:, tf.newaxis]
    key = keys_of(pairs.place[:, 0], pairs.place[:, 1], vocabulary_size)
    place = positions(tf.reshape(keys_of(row, index, vocabulary_size), [-1]), key)
    found = tf.gather(tf.concat([[0.0], pairs.score], 0), place + 1)
    return tf.reshape(found, tf.shape(index))
