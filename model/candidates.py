"""What a training step scores sessions against: the whole catalogue, or a sample of it.

Retrieval losses over a sample need the log-Q correction (Bengio and Senecal, 2008; Yi et al.,
RecSys 2019): each item is weighted by how often it was drawn over how often that was to be
expected, which makes the softmax's denominator unbiased. Items that have a score of this user's
own count for much of it where people repeat themselves, and a sample seldom holds them: all of
them are there, with weight 1.
"""

from bisect import bisect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.catalogue import is_in_catalogue
from model.config import ModelConfig
from model.pair_scores import PairScores, cells_of

# With more items in the vocabulary, scoring all of them takes most of a training step.
LARGE_CATALOGUE = 50_000
# How likely the items of ranks 1, 2, .. are drawn, up to a factor.
SAMPLING: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"uniform": np.ones_like, "log-uniform": lambda rank: np.log1p(1 / rank)}
)
# Popular items are drawn again and again: draws for each item that is wanted, at most.
MOST_DRAWS = 4


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
    in_catalogue = is_in_catalogue(target_index, vocabulary_size)
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

    A target session's negatives are the items of its own pairs, the positives of the batch's other
    target sessions and items sampled from the catalogue; never its own positives. Items that were
    only shown are scored for the rank loss and are no negatives.

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
        chance = SAMPLING[config.sampling](np.arange(1.0, self._vocabulary_size + 1))
        chance /= chance.sum()
        wanted = min(config.sampled_negatives, self._vocabulary_size)
        most = range(1, MOST_DRAWS * wanted)
        self._draws = 1 + bisect(most, wanted, key=lambda draws: _found(chance, draws).sum())
        self._expected = tf.constant(_found(chance, self._draws), tf.float32)
        # Without the last, which is 1 but for rounding.
        self._bounds = tf.constant(chance.cumsum()[:-1])
        in_catalogue = item_count[1:-1].astype(np.float64)
        share = np.zeros(len(item_count))
        share[1:-1] = in_catalogue / max(in_catalogue.sum(), 1.0)
        self._share = tf.constant(share, tf.float32)

    def __call__(
        self,
        target_index: tf.Tensor,
        is_positive: tf.Tensor,
        pairs: PairScores | None,
        seed: tf.Tensor,
    ) -> Candidates:
        """Candidates of a batch.

        Args:
          target_index: vocabulary indices of the items of each target session, int64 [N, T].
          is_positive: which of them were engaged and are in the catalogue, bool [N, T].
          pairs: what is added to the N rows' scores of items of the catalogue.
          seed: of the sample, which depends on nothing else, int64 [2].
        """
        in_catalogue = is_in_catalogue(target_index, self._vocabulary_size)
        positive = tf.boolean_mask(target_index, is_positive)  # [M]
        certain = tf.stack([tf.where(is_positive)[:, 0], positive], axis=1)
        if pairs is not None:
            certain = tf.concat([certain, pairs.place], axis=0)
        sampled = draw(self._bounds, self._draws, seed) + 1
        scored = tf.boolean_mask(target_index, in_catalogue), certain[:, 1], sampled
        index = tf.sort(tf.unique(tf.concat(scored, axis=0)).y)
        drawn = tf.concat([positive, sampled], axis=0)  # [M + sampled]
        place = tf.searchsorted(index, drawn)
        times = tf.math.unsorted_segment_sum(
            tf.ones_like(drawn, tf.float32), place, tf.size(index)
        )  # [C]
        expected = tf.gather(self._expected, index - 1)
        flat = tf.searchsorted(index, tf.reshape(target_index, [-1]), out_type=tf.int64)
        column = tf.where(in_catalogue, tf.reshape(flat, tf.shape(target_index)), 0)
        share = tf.gather(self._share, index)
        cells = cells_of(certain, index)
        return Candidates(index, column, _log_weight(times, expected, share, is_positive, cells))


def draw(bounds: tf.Tensor, draws: int, seed: tf.Tensor) -> tf.Tensor:
    """The different items of so many draws, int64 [at most `draws`], 0..V - 1.

    Args:
      bounds: the chance that a draw is of one of the items up to each but the last, float64
        [V - 1].
      draws: how many.
      seed: int64 [2].
    """
    at = tf.random.stateless_uniform([draws], seed, dtype=tf.float64)
    return tf.unique(tf.searchsorted(bounds, at, side="right", out_type=tf.int64)).y


def _found(chance: np.ndarray, draws: int) -> np.ndarray:
    """How likely each item is found by so many draws, each with a chance [V]."""
    return 1.0 - (1.0 - chance) ** draws


def _log_weight(times, expected, share, is_positive, certain) -> tf.Tensor:
    """Log of times drawn over times expected, [N, C]; 0 where a row is sure of its candidate.

    Args:
      times: how often each candidate is in the sample and among the batch's positives, [C].
      expected: how often it was expected in the sample, [C].
      share: its share of all engagements, [C].
      is_positive: bool [N, T].
      certain: cells of a row's own positives and of its pairs, int64 [cells, 2].
    """
    own = tf.reduce_sum(tf.cast(is_positive, tf.float32), axis=1, keepdims=True)  # [N, 1]
    others = tf.reduce_sum(own) - own
    is_drawn = times > 0
    expected = tf.where(is_drawn, expected, 1.0) + others * share  # [N, C]
    log_weight = tf.math.log(tf.where(is_drawn, times, 1.0)) - tf.math.log(expected)
    log_weight = tf.where(is_drawn, log_weight, log_weight.dtype.min / 2)
    nothing = tf.zeros_like(certain[:, 0], tf.float32)
    return tf.tensor_scatter_nd_update(log_weight, certain, nothing)
