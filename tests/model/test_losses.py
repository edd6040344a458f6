"""The retrieval loss against numbers worked by hand, and its gradient on padding."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tiny_gradients import value_and_gradient

from model.losses import retrieval_loss

LOG = math.log


def loss(logits, index, is_positive):
    index = tf.cast(index, tf.int64)
    return retrieval_loss(logits, index, tf.gather(logits, index, batch_dims=1), is_positive)


def test_retrieval_loss_by_hand():
    # logits of items     0       1       2      softmax
    # session 0           log 1   log 2   log 5  1/8  2/8  5/8   engaged: 1 and 2
    # session 1           log 3   log 1   log 4  3/8  1/8  4/8   engaged: 0 (and padding)
    logits = [[LOG(1), LOG(2), LOG(5)], [LOG(3), LOG(1), LOG(4)]]
    index, positive = tf.constant([[1, 2], [0, 0]]), tf.constant([[True, True], [True, False]])
    value, gradient = value_and_gradient(lambda s: loss(s, index, positive), logits)
    expected = [-(LOG(2 / 8) + LOG(5 / 8)) / 2, -LOG(3 / 8)]
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    # Gradient: softmax - share of the positives.
    expected = [[1 / 8, 2 / 8 - 1 / 2, 5 / 8 - 1 / 2], [3 / 8 - 1, 1 / 8, 4 / 8]]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("width", [0, 2])
def test_a_session_without_positives_has_no_retrieval_loss_and_no_gradient(width):
    index, positive = tf.zeros([1, width], tf.int64), tf.fill([1, width], False)
    value, gradient = value_and_gradient(lambda s: loss(s, index, positive), [[1.0, 2.0, 3.0]])
    assert value.tolist() == [0.0]
    assert gradient.tolist() == [[0.0, 0.0, 0.0]]
