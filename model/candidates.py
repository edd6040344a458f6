"""What a training step scores sessions against: the whole catalogue, or a sample of it.

Retrieval losses over a sample need the log-Q correction (Bengio and Senecal, 2008; Yi et al.,
RecSys 2019): each item is weighted by how often it was drawn over how often that was to be
expected, which makes the softmax's denominator unbiased.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.config import ModelConfig

# With more items in the vocabulary, scoring all of them takes most of a training step.
LARGE_CATALOGUE = 50_000
SAMPLERS = {
    "uniform": tf.random.uniform_candidate_sampler,
    "log-uniform": tf.random.log_uniform_candidate_sampler,
}


class Candidates(NamedTuple):
    """C items that N target sessions of T items are scored against.

    Attributes:
      index: their vocabulary indices, ascending, int64 [C].
      column: where the items of the target sessions stand among them, int64 [N, T]; 0 where
        there is none.
      log_weight: added to the scores in the retrieval loss, [N, C] or scalar.
    """

    index: tf.Tensor
    column: tf.Tensor
    log_weight: tf.Tensor


def whole_catalogue(target_index: tf.Tensor, vocabulary_size: int) -> Candidates:
    """Every item, once; for target sessions of vocabulary indices [N, T]."""
    in_catalogue = _in_catalogue(target_index, vocabulary_size)
    column = tf.where(in_catalogue, target_index - 1, 0)
    every = tf.range(1, vocabulary_size + 1, dtype=tf.int64)
    return Candidates(every, column, tf.constant(0.0))


def is_sampled(retrieval_loss: str, vocabulary_size: int) -> bool:
    """Whether training scores a sample; `retrieval_loss` is the configuration's."""
    if retrieval_loss == "auto":
        return vocabulary_size > LARGE_CATALOGUE
    return retrieval_loss == "sampled"


class CandidateSampler:
    """Draws negatives and adds the batch's own items.

    A target session's negatives are the positives of the batch's other target sessions and items
    sampled from the catalogue; never its own positives. Items that were only shown are scored for
    the rank loss and are no negatives.

    `tfrs.tasks.Retrieval` does not fit: it takes one positive a row, so the session's others would
    count as negatives; its scores are dot products, without those of pairs; and its log-Q
    correction clips expected counts at 1.
    """

    def __init__(self, config: ModelConfig, item_count: np.ndarray):
        """Take the popularity of items.

        Args:
          config: the model's configuration.
          item_count: engaged training sessions of each vocabulary index, [V + 2]; the vocabulary
            is in the order of popularity.
        """
        self._vocabulary_size = len(item_count) - 2
        self._sample = SAMPLERS[config.sampling]
        self._count = min(config.sampled_negatives, self._vocabulary_size)
        in_catalogue = item_count[1:-1].astype(np.float64)
        share = np.zeros(len(item_count))
        share[1:-1] = in_catalogue / max(in_catalogue.sum(), 1.0)
        self._share = tf.constant(share, tf.float32)

    def __call__(self, target_index: tf.Tensor, is_positive: tf.Tensor) -> Candidates:
        """Candidates of a batch.

        Args:
          target_index: vocabulary indices of the items of each target session, int64 [N, T].
          is_positive: which of them were engaged and are in the catalogue, bool [N, T].
        """
        in_catalogue = _in_catalogue(target_index, self._vocabulary_size)
        positive = tf.boolean_mask(target_index, is_positive)  # [M]
        sampled, positive_expected, sampled_expected = self._sample(
            true_classes=positive[:, tf.newaxis] - 1,
            num_true=1,
            num_sampled=self._count,
            unique=True,
            range_max=self._vocabulary_size,
        )
        drawn = tf.concat([positive, sampled + 1], axis=0)  # [M + sampled]
        scored = tf.concat([tf.boolean_mask(target_index, in_catalogue), sampled + 1], axis=0)
        index = tf.sort(tf.unique(scored).y)
        place = tf.searchsorted(index, drawn)
        times = tf.math.unsorted_segment_sum(
            tf.ones_like(drawn, tf.float32), place, tf.size(index)
        )  # [C]
        expected = tf.concat([positive_expected[:, 0], sampled_expected], axis=0)
        expected = tf.math.unsorted_segment_max(expected, place, tf.size(index))
        flat = tf.searchsorted(index, tf.reshape(target_index, [-1]), out_type=tf.int64)
        column = tf.where(in_catalogue, tf.reshape(flat, tf.shape(target_index)), 0)
        share = tf.gather(self._share, index)
        return Candidates(index, column, _log_weight(times, expected, share, column, is_positive))


def _log_weight(times, expected, share, column, is_positive) -> tf.Tensor:
    """Log of times drawn over times expected, [N, C]; 0 for a row's own positives.

    Args:
      times: how often each candidate is in the sample and among the batch's positives, [C].
      expected: how often it was expected in the sample, [C]; means nothing where `times` is 0.
      share: its share of all engagements, [C].
      column: see `Candidates`.
      is_positive: bool [N, T].
    """
    own = tf.reduce_sum(tf.cast(is_positive, tf.float32), axis=1, keepdims=True)  # [N, 1]
    others = tf.reduce_sum(own) - own
    is_drawn = times > 0
    expected = tf.where(is_drawn, expected, 1.0) + others * share  # [N, C]
    log_weight = tf.math.log(tf.where(is_drawn, times, 1.0)) - tf.math.log(expected)
    log_weight = tf.where(is_drawn, log_weight, log_weight.dtype.min / 2)
    place = tf.where(is_positive)  # [M, 2]
    cell = tf.stack([place[:, 0], tf.gather_nd(column, place)], axis=1)
    return tf.tensor_scatter_nd_update(log_weight, cell, tf.zeros_like(cell[:, 0], tf.float32))


def _in_catalogue(index: tf.Tensor, vocabulary_size: int) -> tf.Tensor:
    return tf.logical_and(index >= 1, index <= vocabulary_size)
