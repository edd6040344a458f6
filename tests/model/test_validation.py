"""Validation metrics, worked by hand."""

import numpy as np
import tensorflow as tf

from model.validation import TopMetrics


def test_metrics_by_hand():
    # Scores of items 1..4: 4 > 3 > 2 > 1. Engaged: items 3 and 1, and one outside the vocabulary.
    # Hits at places 2 and 4 of the list, of 3 wanted.
    scores = tf.constant([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    index = tf.constant([[3, 5, 1, 2], [1, 0, 0, 0]], tf.int64)
    engaged = tf.constant([[True, True, True, False], [False] * 4])
    metrics = TopMetrics()
    tf.function(metrics.update_state)(scores, index, engaged)
    gains, ideal = 1 / np.log2([3, 5]), 1 / np.log2([2, 3, 4])
    np.testing.assert_allclose(metrics.ndcg.result(), gains.sum() / ideal.sum(), rtol=1e-6)
    np.testing.assert_allclose(metrics.recall.result(), 2 / 3, rtol=1e-6)
