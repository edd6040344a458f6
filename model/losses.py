"""The retrieval loss of SPM (paper, step 4), with exactly zero gradient on padding.

Labels are 1 for an engaged item, 0 for one only shown, and `PADDING` where there is none.
"""

import tensorflow as tf

PADDING = -1


def retrieval_loss(
    logits: tf.Tensor, column: tf.Tensor, target_logits: tf.Tensor, is_positive: tf.Tensor
) -> tf.Tensor:
    """Multi-positive softmax over the candidates: -1/|P| sum_{i in P} log softmax_i(logits).

    Args:
      logits: [N, candidates]; the candidates are the catalogue or a sample of it.
      column: where the items of each target session stand among them, int64 [N, T].
      target_logits: those of the items of each target session, [N, T].
      is_positive: which of them count, bool [N, T].

    Returns:
      Loss per target session, [N]; 0 for one without a positive.
    """
    positive = tf.cast(is_positive, logits.dtype)
    count = tf.reduce_sum(positive, axis=1)  # [N]
    # TensorFlow's fused softmax takes one label a row: the first positive, which the others follow
    # by the differences of their scores.
    is_first = tf.logical_and(is_positive, tf.equal(tf.cumsum(positive, axis=1), 1.0))
    first = tf.reduce_sum(tf.where(is_first, column, 0), axis=1)
    of_first = tf.nn.sparse_softmax_cross_entropy_with_logits(first, logits)
    share = tf.math.divide_no_nan(positive, count[:, tf.newaxis]) - tf.cast(is_first, logits.dtype)
    loss = of_first - tf.reduce_sum(target_logits * share, axis=1)
    return tf.where(count > 0, loss, 0.0)
