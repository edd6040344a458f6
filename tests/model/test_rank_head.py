"""The rank head by hand: what it adds, and what learns from it."""

import dataclasses

import numpy as np
import tensorflow as tf
from tiny_model import PERIODS, catalogue, history, small_model, target

from model.config import ModelConfig
from model.losses import PADDING
from model.rank_head import RankHead
from model.session_model import SessionModel

VECTOR = tf.constant([[1.0, 2.0], [0.0, 1.0]])  # [N, dim]
INDEX = tf.constant([[1, 2], [3, 0]], tf.int64)  # [N, T]
ITEMS = tf.constant([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [5.0, 5.0]]])  # [N, T, dim]


def head(query: list, bias: list) -> RankHead:
    made = RankHead(2, np.zeros(5))
    made(VECTOR, INDEX, ITEMS)
    made._query.set_weights([np.array(query, np.float32), np.zeros(2, np.float32)])
    made._item_bias.assign(bias)
    return made


def test_at_first_it_divides_by_how_often_an_item_is_shown_in_vain():
    made = RankHead(2, np.array([0, 9, 0, 99, 4]))
    expected = [[-np.log(10), 0], [-np.log(100), 0]]
    np.testing.assert_allclose(made(VECTOR, INDEX, ITEMS), expected, rtol=1e-6)


def test_without_exposures_it_adds_nothing_at_first():
    np.testing.assert_array_equal(RankHead(2, np.zeros(5))(VECTOR, INDEX, ITEMS), np.zeros([2, 2]))


def test_a_rare_item_is_taken_to_be_shown_as_often_as_the_median():
    items = dataclasses.replace(catalogue([3] * 3), exposed_count=np.array([0, 4, 9, 2, 1000]))
    model = SessionModel(ModelConfig(periods=PERIODS, dim=8, heads=2), items, 10)
    bias = model.rank_head._item_bias.numpy()
    np.testing.assert_allclose(bias, -np.log([1, 5, 10, 3, 5]), rtol=1e-6)


def test_a_bias_an_item_and_a_corrected_query():
    made = head([[1.0, 0.0], [0.0, 3.0]], [0.0, 10.0, 20.0, 30.0, 40.0])
    # Queries [1, 6] and [0, 3]; the last place is padding, whose bias is that of index 0.
    expected = [[1 + 10, 6 + 20], [3 + 30, 15 + 0]]
    np.testing.assert_allclose(made(VECTOR, INDEX, ITEMS), expected)


def test_item_vectors_learn_nothing_from_it():
    made, items = head(np.eye(2), [0.0] * 5), tf.Variable(ITEMS)
    with tf.GradientTape() as tape:
        score = made(VECTOR, INDEX, items)
    assert tape.gradient(score, items) is None


def test_only_lists_with_an_order_teach_it():
    model = small_model([3] * 4)
    users = history([[(0, [(1, 1), (2, 0)]), (1, [(3, 1)])]])
    with tf.GradientTape() as tape:
        loss = model.compute_loss((users, target([[1]], [[3, 4]], [[1, 1]])))
    bias = tape.gradient(loss, model.rank_head._item_bias)
    np.testing.assert_array_equal(tf.convert_to_tensor(bias), np.zeros(6))
    with tf.GradientTape() as tape:
        loss = model.compute_loss((users, target([[1]], [[3, 4, 0]], [[1, 0, PADDING]])))
    bias = tf.convert_to_tensor(tape.gradient(loss, model.rank_head._item_bias)).numpy()
    # The engaged item's falls with the loss, the shown one's rises as much, nothing else moves.
    assert bias[3] < 0
    np.testing.assert_allclose(bias[3], -bias[4], rtol=1e-5)
    np.testing.assert_array_equal(bias[[0, 1, 2, 5]], np.zeros(4))


def test_without_a_rank_loss_there_is_none():
    model = small_model([3] * 4, rank_weight=0.0)
    assert model.rank_head is None
    assert not [weight for weight in model.variables if "rank" in weight.name]
