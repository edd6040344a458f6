"""The retrieval loss of SPM (paper, step 4), with exactly zero gradient on padding.

Labels are 1 for an engaged item, 0 for one only shown, and `PADDING` where there is none.
"""

import tensorflow as tf

PADDING = -1


def retrieval_loss(
    logits: tf.Tensor, target_logits: tf.Tensor, is_positive: tf.Tensor
) -> tf.Tensor:
    """Multi-positive softmax over the candidates: -1/|P| sum_{i in P} log softmax_i(logits).

    Args:
      logits: [N, candidates]; the candidates are the catalogue or a sample of it.
      target_logits: those of the items of each target session, [N, T].
      is_positive: which of them count, bool [N, T].

    Returns:
      Loss per target session, [N]; 0 for one without a positive.
    """
    positive = tf.cast(is_positive, logits.dtype)
    count = tf.reduce_sum(positive, axis=1)  # [N]
    mean_positive = tf.math.divide_no_nan(tf.reduce_sum(target_logits * positive, axis=1), count)
    loss = tf.reduce_logsumexp(logits, axis=1) - mean_positive
    return tf.where(count > 0, loss, 0.0)
