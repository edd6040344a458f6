"""The rank losses against numbers worked by hand, and what they ignore."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs
from tiny_gradients import value_and_gradient

from model.losses import PADDING
from model.rank_losses import APPROX_NDCG_TEMPERATURE, RANK_LOSSES

LOG = math.log
every_loss = pytest.mark.parametrize("name", RANK_LOSSES)


def rank_loss(name: str, labels):
    loss = RANK_LOSSES[name](reduction=tf.keras.losses.Reduction.NONE)
    return lambda scores: loss(tf.constant(labels, tf.int64), scores)


def test_softmax_by_hand():
    # scores of the list   log 1   log 2   log 5   padding
    # softmax of 3 items   1/8     2/8     5/8
    # labels               1       0       1       -1       loss: mean of -log 1/8 and -log 5/8
    scores = [[LOG(1), LOG(2), LOG(5), 7.0]]
    value, gradient = value_and_gradient(rank_loss("softmax", [[1, 0, 1, PADDING]]), scores)
    np.testing.assert_allclose(value, [-(LOG(1 / 8) + LOG(5 / 8)) / 2], rtol=1e-6)
    np.testing.assert_allclose(gradient[0, :3], [1 / 8 - 1 / 2, 2 / 8, 5 / 8 - 1 / 2], atol=1e-6)


def test_listmle_by_hand():
    # The same list. Permutation: the engaged log 5, then the engaged log 1, then log 2.
    # Likelihood of the first two places: 5/8, then 1/3 of those left.
    scores = [[LOG(1), LOG(2), LOG(5), 7.0]]
    value, gradient = value_and_gradient(rank_loss("listmle", [[1, 0, 1, PADDING]]), scores)
    np.testing.assert_allclose(value, [-LOG(5 / 8) - LOG(1 / 3)], rtol=1e-5)
    expected = [1 / 8 + 1 / 3 - 1, 2 / 8 + 2 / 3, 5 / 8 - 1]
    np.testing.assert_allclose(gradient[0, :3], expected, atol=1e-5)


def test_listmle_takes_the_likeliest_of_the_ideal_permutations():
    def likelihood(order):
        weight = np.exp(np.take(scores, order))
        return weight[0] / weight.sum() * weight[1] / weight[1:].sum()

    scores = [0.3, -1.0, 1.2, 0.9]
    ideal = [(*first, *last) for first in itertools.permutations([0, 2]) for last in [(1, 3)]]
    value, _ = value_and_gradient(rank_loss("listmle", [[1, 0, 1, 0]]), [scores])
    np.testing.assert_allclose(value, [-np.log(max(map(likelihood, ideal)))], rtol=1e-5)


def test_approx_ndcg_by_hand():
    # Temperature t: scores 0, t log 3, and a third that both beat by far.
    # Rank of the first: 1 + sigmoid(log 3) = 1.75; of the second 1.25; of the third 3.
    step = APPROX_NDCG_TEMPERATURE * LOG(3)
    scores = [[0.0, step, -100.0, 7.0]]
    value, gradient = value_and_gradient(rank_loss("approx_ndcg", [[1, 0, 1, PADDING]]), scores)
    gained = 1 / np.log2(2.75) + 1 / np.log2(4)
    ideal = 1 / np.log2(2) + 1 / np.log2(3)
    np.testing.assert_allclose(value, [1 - gained / ideal], rtol=1e-5)
    # d rank / d score of the first: -sigmoid' / t = -(3/4)(1/4) / t.
    slope = -LOG(2) / (2.75 * LOG(2.75) ** 2) * -(3 / 16) / APPROX_NDCG_TEMPERATURE / ideal
    np.testing.assert_allclose(gradient[0, :2], [-slope, slope], rtol=1e-4)


@every_loss
def test_padding_has_no_gradient_and_does_not_matter(name):
    loss = rank_loss(name, [[1, 0, PADDING]])
    low, _ = value_and_gradient(loss, [[1.0, 2.0, -1e30]])
    high, gradient = value_and_gradient(loss, [[1.0, 2.0, 1e30]])
    short, _ = value_and_gradient(rank_loss(name, [[1, 0]]), [[1.0, 2.0]])
    assert low == high
    np.testing.assert_allclose(low, short, rtol=1e-6)
    assert gradient[0, 2] == 0.0
    assert (gradient[0, :2] != 0.0).all()


@every_loss
@pytest.mark.parametrize(
    "labels",
    [[1, 1, PADDING], [0, 0, PADDING], [PADDING] * 3, [1, PADDING, PADDING], []],
    ids=["all engaged", "all shown", "empty", "one item", "no column"],
)
def test_a_list_without_order_has_no_rank_loss_and_no_gradient(name, labels):
    scores = [[5.0, -3.0, 9.0][: len(labels)]]
    value, gradient = value_and_gradient(rank_loss(name, [labels]), scores)
    assert value.tolist() == [0.0]
    assert not gradient.any()


@every_loss
def test_a_list_without_order_leaves_the_others_alone(name):
    alone, alone_gradient = value_and_gradient(rank_loss(name, [[1, 0]]), [[0.0, 0.1]])
    value, gradient = value_and_gradient(
        rank_loss(name, [[1, 1], [1, 0]]), [[5.0, -3.0], [0.0, 0.1]]
    )
    np.testing.assert_allclose(value, [0.0, alone[0]], rtol=1e-6)
    np.testing.assert_allclose(gradient, [[0, 0], alone_gradient[0]], atol=1e-6)


@every_loss
@pytest.mark.parametrize("scores", [[0.0] * 5, [1e5, -1e5, 3.0, 1e5, 0.0]], ids=["equal", "large"])
def test_ties_and_large_scores_stay_finite(name, scores):
    value, gradient = value_and_gradient(rank_loss(name, [[0, 1, 1, 0, PADDING]]), [scores])
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@every_loss
def test_the_order_of_the_list_changes_nothing(name):
    labels, scores = np.array([1, 0, 1, 0, PADDING]), np.array([0.3, 0.2, 0.1, 0.5, 9.0])
    expected, _ = value_and_gradient(rank_loss(name, [labels]), [scores])
    for order in ([4, 3, 2, 1, 0], [2, 4, 0, 1, 3]):
        found, _ = value_and_gradient(rank_loss(name, [labels[order]]), [scores[order]])
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@every_loss
def test_descent_puts_engaged_items_first(name):
    scores, loss = tf.Variable([[0.0, 0.3, 0.1, 0.2]]), rank_loss(name, [[1, 0, 1, 0]])
    optimizer = tf.keras.optimizers.SGD(0.2)
    for _ in range(100):
        with tf.GradientTape() as tape:
            value = loss(scores)
        optimizer.apply_gradients([(tape.gradient(value, scores), scores)])
    found = scores.numpy()[0]
    assert min(found[0], found[2]) > max(found[1], found[3])


@every_loss
def test_as_the_loss_of_a_ranking_task(name):
    task = tfrs.tasks.Ranking(loss=RANK_LOSSES[name](reduction=tf.keras.losses.Reduction.SUM))
    labels, scores = tf.constant([[1, 0], [0, 1]], tf.int64), tf.constant([[0.1, 0.2], [0.2, 0.1]])
    np.testing.assert_allclose(task(labels, scores), sum(rank_loss(name, labels)(scores)))
