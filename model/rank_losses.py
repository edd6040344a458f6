"""The rank losses of SPM (paper, step 4), listwise over the items that one session showed."""

import tensorflow as tf

from model.losses import PADDING

APPROX_NDCG_TEMPERATURE = 0.1


class RankLoss(tf.keras.losses.Loss):
    """Labels [N, L] and scores [N, L] to a loss per list, [N].

    A list without an engaged item, or without one that was only shown, has no order to learn, a
    loss of 0 and no gradient; nor has padding.
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
        loss = self.order_loss(relevance, tf.where(has_order, scores, 0.0))
        return tf.where(has_order[:, 0], loss, 0.0)

    def order_loss(self, relevance: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        """Loss per list, [N], finite for any list.

        Args:
          relevance: 1 for an engaged item, 0 for any other and for padding, [N, L].
          scores: as low as can be for padding, [N, L].
        """
        raise NotImplementedError


class SoftmaxRankLoss(RankLoss):
    """ListNet's top-one cross entropy (Cao et al., ICML 2007)."""

    def order_loss(self, relevance: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        """Cross entropy between equal shares of the engaged items and the scores' softmax."""
        log_share = tf.nn.log_softmax(scores, axis=1)
        share = tf.math.divide_no_nan(relevance, tf.reduce_sum(relevance, axis=1, keepdims=True))
        return -tf.reduce_sum(tf.where(share > 0, share * log_share, 0.0), axis=1)


class ListMleRankLoss(RankLoss):
    """ListMLE (Xia et al., ICML 2008): minus the log likelihood of an ideal permutation.

    Of the permutations with the engaged items first it takes the one that the scores make
    likeliest: among equal labels the higher score first, among equal scores the item listed first.
    The likelihood is of the engaged places only (top-k ListMLE, Xia et al., NIPS 2009): the items
    after them have no order to learn.
    """

    def order_loss(self, relevance: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        """Sum over the engaged places of -log softmax over the items not yet placed."""
        by_score = tf.argsort(scores, direction="DESCENDING", stable=True)
        engaged = tf.gather(relevance, by_score, batch_dims=1)
        by_label = tf.argsort(engaged, direction="DESCENDING", stable=True)
        placed = tf.gather(tf.gather(scores, by_score, batch_dims=1), by_label, batch_dims=1)
        is_engaged_place = tf.gather(engaged, by_label, batch_dims=1) > 0
        remaining = tf.math.cumulative_logsumexp(placed, axis=1, reverse=True)
        return tf.reduce_sum(tf.where(is_engaged_place, remaining - placed, 0.0), axis=1)


class ApproxNdcgRankLoss(RankLoss):
    """1 - ApproxNDCG (Qin et al., Information Retrieval 2010).

    An item's rank is approximated by 1 + sum over the others of sigmoid(score difference /
    temperature).
    """

    def order_loss(self, relevance: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        """1 - DCG / ideal DCG, both over the whole list."""
        length = tf.shape(scores)[1]
        is_other = tf.not_equal(tf.range(length)[:, tf.newaxis], tf.range(length))
        ahead = scores[:, tf.newaxis, :] - scores[:, :, tf.newaxis]  # [N, L, L]
        ahead = tf.sigmoid(ahead / APPROX_NDCG_TEMPERATURE)
        rank = 1.0 + tf.reduce_sum(tf.where(is_other, ahead, 0.0), axis=2)  # [N, L]
        ideal_rank = tf.cumsum(tf.ones_like(scores), axis=1)
        is_ideal = ideal_rank <= tf.reduce_sum(relevance, axis=1, keepdims=True)
        gained = tf.reduce_sum(relevance * _discount(rank), axis=1)
        ideal = tf.reduce_sum(tf.where(is_ideal, _discount(ideal_rank), 0.0), axis=1)
        return 1.0 - tf.math.divide_no_nan(gained, ideal)


def _discount(rank: tf.Tensor) -> tf.Tensor:
    return tf.math.log(2.0) / tf.math.log1p(rank)


RANK_LOSSES: dict[str, type[RankLoss]] = {
    "softmax": SoftmaxRankLoss,
    "listmle": ListMleRankLoss,
    "approx_ndcg": ApproxNdcgRankLoss,
}
