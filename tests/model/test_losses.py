"""Both losses against numbers worked by hand, and their gradients on padding."""

import math

import numpy as np
import pytest
import tensorflow as tf

from model.losses import PADDING, SoftmaxRankLoss, retrieval_loss

LOG = math.log
NO_REDUCTION = tf.keras.losses.Reduction.NONE


def value_and_gradient(loss, scores) -> tuple[np.ndarray, np.ndarray]:
    scores = tf.Variable(np.array(scores, np.float32))
    with tf.GradientTape() as tape:
        value = loss(scores)
    return value.numpy(), tape.gradient(value, scores).numpy()


def rank_loss(labels):
    loss = SoftmaxRankLoss(reduction=NO_REDUCTION)
    return lambda scores: loss(tf.constant(labels, tf.int64), scores)


def test_retrieval_loss_by_hand():
    # logits of items     0       1       2      softmax
    # session 0           log 1   log 2   log 5  1/8  2/8  5/8   engaged: 1 and 2
    # session 1           log 3   log 1   log 4  3/8  1/8  4/8   engaged: 0 (and padding)
    logits = [[LOG(1), LOG(2), LOG(5)], [LOG(3), LOG(1), LOG(4)]]
    index, positive = tf.constant([[1, 2], [0, 0]]), tf.constant([[True, True], [True, False]])
    value, gradient = value_and_gradient(lambda s: retrieval_loss(s, index, positive), logits)
    expected = [-(LOG(2 / 8) + LOG(5 / 8)) / 2, -LOG(3 / 8)]
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    # Gradient: softmax - share of the positives.
    expected = [[1 / 8, 2 / 8 - 1 / 2, 5 / 8 - 1 / 2], [3 / 8 - 1, 1 / 8, 4 / 8]]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("width", [0, 2])
def test_a_session_without_positives_has_no_retrieval_loss_and_no_gradient(width):
    index, positive = tf.zeros([1, width], tf.int64), tf.fill([1, width], False)
    value, gradient = value_and_gradient(
        lambda s: retrieval_loss(s, index, positive), [[1.0, 2.0, 3.0]]
    )
    assert value.tolist() == [0.0]
    assert gradient.tolist() == [[0.0, 0.0, 0.0]]


def test_rank_loss_by_hand():
    # scores of the list   log 1   log 2   log 5   padding
    # softmax of 3 items   1/8     2/8     5/8
    # labels               1       0       1       -1       loss: mean of -log 1/8 and -log 5/8
    scores = [[LOG(1), LOG(2), LOG(5), 7.0]]
    value, gradient = value_and_gradient(rank_loss([[1, 0, 1, PADDING]]), scores)
    np.testing.assert_allclose(value, [-(LOG(1 / 8) + LOG(5 / 8)) / 2], rtol=1e-6)
    np.testing.assert_allclose(gradient[0, :3], [1 / 8 - 1 / 2, 2 / 8, 5 / 8 - 1 / 2], atol=1e-6)
    assert gradient[0, 3] == 0.0


def test_what_stands_in_padding_does_not_matter():
    labels = [[1, 0, PADDING]]
    low, _ = value_and_gradient(rank_loss(labels), [[1.0, 2.0, -1e30]])
    high, gradient = value_and_gradient(rank_loss(labels), [[1.0, 2.0, 1e30]])
    assert low == high
    assert gradient[0, 2] == 0.0


@pytest.mark.parametrize(
    "labels",
    [[1, 1, PADDING], [0, 0, PADDING], [PADDING] * 3, [1, PADDING, PADDING], []],
    ids=["all engaged", "all shown", "empty", "one item", "no column"],
)
def test_a_list_without_order_has_no_rank_loss_and_no_gradient(labels):
    scores = [[5.0, -3.0, 9.0][: len(labels)]]
    value, gradient = value_and_gradient(rank_loss([labels]), scores)
    assert value.tolist() == [0.0]
    assert not gradient.any()


def test_a_list_without_order_leaves_the_others_alone():
    scores = [[5.0, -3.0], [LOG(1), LOG(3)]]
    value, gradient = value_and_gradient(rank_loss([[1, 1], [1, 0]]), scores)
    np.testing.assert_allclose(value, [0.0, LOG(4)], rtol=1e-6)
    np.testing.assert_allclose(gradient, [[0, 0], [-3 / 4, 3 / 4]], atol=1e-6)
