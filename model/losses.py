"""The two losses of SPM (paper, step 4), with exactly zero gradient on padding.

Labels are 1 for an engaged item, 0 for one only shown, and `PADDING` where there is none.
"""

import tensorflow as tf

PADDING = -1


def retrieval_loss(logits: tf.Tensor, target_index: tf.Tensor, is_positive: tf.Tensor) -> tf.Tensor:
    """Multi-positive softmax over the catalogue: -1/|P| sum_{i in P} log softmax_i(logits).

    Args:
      logits: [N, catalogue].
      target_index: catalogue positions of the items of each target session, [N, T].
      is_positive: which of them count, bool [N, T].

    Returns:
      Loss per target session, [N]; 0 for one without a positive.
    """
    positive = tf.cast(is_positive, logits.dtype)
    count = tf.reduce_sum(positive, axis=1)  # [N]
    scores = tf.gather(logits, target_index, batch_dims=1)  # [N, T]
    mean_positive = tf.math.divide_no_nan(tf.reduce_sum(scores * positive, axis=1), count)
    loss = tf.reduce_logsumexp(logits, axis=1) - mean_positive
    return tf.where(count > 0, loss, 0.0)


class SoftmaxRankLoss(tf.keras.losses.Loss):
    """ListNet's top-one cross entropy (Cao et al., ICML 2007) over the items of one session.

    A list without an engaged item, or without one that was only shown, has no order to learn and
    a loss of 0.
    """

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Loss per list, [N], from labels [N, L] and scores [N, L]."""
        is_item = tf.not_equal(y_true, PADDING)
        relevance = tf.where(is_item, tf.cast(y_true, y_pred.dtype), 0.0)
        relevant = tf.reduce_sum(relevance, axis=1, keepdims=True)
        listed = tf.reduce_sum(tf.cast(is_item, y_pred.dtype), axis=1, keepdims=True)
        has_order = tf.logical_and(relevant > 0, relevant < listed)
        # A finite low score keeps the softmax of padding at 0 without 0 * inf in its gradient.
        scores = tf.where(is_item, y_pred, y_pred.dtype.min / 2)
        log_share = tf.nn.log_softmax(tf.where(has_order, scores, 0.0), axis=1)
        share = tf.math.divide_no_nan(relevance, relevant)
        loss = -tf.reduce_sum(tf.where(share > 0, share * log_share, 0.0), axis=1)
        return tf.where(has_order[:, 0], loss, 0.0)


RANK_LOSSES = {"softmax": SoftmaxRankLoss}
