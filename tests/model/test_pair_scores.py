"""Scores of single pairs: one list of several, each pair once, and where they are added."""

import numpy as np
import tensorflow as tf

from model.pair_scores import (
    GatedScore,
    PairScores,
    add_pairs,
    cells_of,
    distinct,
    scores_of,
    together,
)
from model.shapes import in_blocks

V = 6


def pairs(*values):
    place = tf.constant([place for place, _ in values], tf.int64, [len(values), 2])
    return PairScores(place, tf.constant([score for _, score in values], tf.float32))


def test_blocks():
    assert in_blocks(tf.constant([0, 1, 256, 257])).numpy().tolist() == [0, 256, 256, 512]


def test_a_gated_score():
    score = GatedScore(2)
    state = tf.constant([[1.0], [3.0]])
    inputs = tf.constant([[1.0, 2.0]])
    row = tf.constant([1])
    assert score(inputs, row, state, 0.5).numpy().tolist() == [1.5]
    # Of the linear part, of the MLP's layers, of the gate: kernel and bias.
    weights = [[[2], [3]], [1], [[1, 0], [0, -9]], [1, 1], [[4], [5]], [1], [[0.5, 1]], [-1.5, 0]]
    # The gate is exp(0.5 * 3 - 1.5) = 1 and 1 * 3. GELU(1 + 1) = 1.9545; of -17 it is 0.
    by_layer = (score._linear, *score._mlp.layers, score._gate)
    for layer, kernel, bias in zip(by_layer, weights[::2], weights[1::2], strict=True):
        layer.set_weights([np.array(kernel, np.float32), np.array(bias, np.float32)])
    expected = (2 * 1 + 3 * 2 + 1) + (4 * 1.9545 + 1) + 0.5 + 3
    np.testing.assert_allclose(score(inputs, row, state, 0.5), [expected], rtol=1e-4)
    for pairs_scored in (0, 256, 257):
        many = [tf.repeat(values, pairs_scored, 0) for values in (inputs, row)]
        found = score(*many, state, 0.5)
        np.testing.assert_allclose(found, [expected] * pairs_scored, rtol=1e-4)


def test_one_list_of_several():
    one, other = pairs(([0, 2], 1)), pairs(([0, 2], 3), ([1, 1], 4))
    assert together([]) is None
    assert together([one]) is one
    place, score = together([one, other])
    assert place.numpy().tolist() == [[0, 2], [0, 2], [1, 1]]
    assert score.numpy().tolist() == [1, 3, 4]


def test_each_pair_once_in_order():
    place, score = distinct(pairs(([1, 1], 4), ([0, 5], 2), ([0, 2], 1), ([0, 5], 3)), V)
    assert place.numpy().tolist() == [[0, 2], [0, 5], [1, 1]]
    assert score.numpy().tolist() == [1, 5, 4]
    assert distinct(pairs(), V).place.shape == (0, 2)


def test_pairs_are_added_where_their_item_is_scored():
    given = pairs(([0, 2], 1), ([1, 6], 3), ([1, 2], 4), ([0, 6], 5), ([0, 2], 6))
    index = tf.constant([2, 4, 6], tf.int64)
    assert cells_of(given.place, index).numpy().tolist() == [[0, 0], [1, 2], [1, 0], [0, 2], [0, 0]]
    added = add_pairs(tf.ones([2, 3]), given, index)
    assert added.numpy().tolist() == [[8, 1, 6], [5, 1, 4]]


def test_scores_of_each_rows_own_candidates():
    given = pairs(([0, 2], 1), ([1, 3], 2), ([0, 2], 3))
    found = scores_of(given, tf.constant([[2, 3], [2, 3]], tf.int64), V)
    assert found.numpy().tolist() == [[4, 0], [0, 2]]
    nothing = scores_of(None, tf.constant([[2, 3]], tf.int64), V)
    np.testing.assert_array_equal(nothing, [[0, 0]])
