"""Top-k among the items of the most promising clusters, and those that pairs score.

The clusters are an inverted file (Sivic and Zisserman, "Video Google", ICCV 2003) over inner
products: the clusters whose mean item scores best are read, their items scored exactly. Only ops
of stock TensorFlow are used.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.index import LOWEST, Best, lowered, pairs
from model.item_scores import ItemScores
from model.pair_scores import PairScores, distinct, joined
from model.shapes import in_blocks
from model.tables import fixed
from model.user_encoder import Reading


class Clusters(NamedTuple):
    """Which items are in which of C clusters.

    Attributes:
      members: vocabulary indices, int64 [C, size]; 0 pads.
      spread: added to the score of a cluster's mean item, [C].
    """

    members: np.ndarray
    spread: np.ndarray


class ClusterIndex(tf.Module):
    """Scores the items of the clusters that score best, and a request's own: those of its pairs."""

    def __init__(self, scores: ItemScores, clusters: Clusters, probes: int):
        """Lay the items out by cluster.

        Args:
          scores: of the model.
          clusters: every vocabulary index 1..V is in one.
          probes: how many clusters a request reads; more, where exclusions would leave too few.
        """
        super().__init__()
        self.scores = scores
        members = clusters.members
        self.probes = probes
        self._size = members.shape[1]
        # Its vector and, as one more dimension, its bias.
        items = np.concatenate([scores.vectors.numpy(), scores.bias.numpy()[:, np.newaxis]], 1)
        mean = _means(items[np.newaxis], members)[0]  # [C, dim + 1]
        mean[:, -1] += clusters.spread
        self._mean = fixed(mean, "cluster_means")
        self._items = fixed(items[members], "clustered_items")  # [C, size, dim + 1]
        self._members = fixed(members, "cluster_members")
        slot = np.full(scores.vocabulary_size + 2, -1, np.int64)
        slot[members.ravel()] = np.arange(members.size)
        self._slot = fixed(slot, "item_slots")
        # Any n clusters hold at least as many items as the n smallest.
        fewest = np.cumsum(np.sort((members > 0).sum(1)))
        self._fewest = fixed(fewest, "fewest_items")
        if scores.trend is not None:
            trend = scores.trend.numpy()
            self._trends = fixed(trend[:, members], "clustered_trends")  # [periods, C, size]
            self._trend = fixed(_means(trend[..., np.newaxis], members)[..., 0], "cluster_trends")

    @property
    def clusters(self) -> int:
        """How many there are."""
        return self._members.shape[0]

    def clusters_with(self, items: tf.Tensor) -> tf.Tensor:
        """How many clusters, whichever they are, hold at least so many items: [N] -> int32 [N]."""
        return tf.minimum(tf.searchsorted(self._fewest, items) + 1, self.clusters)

    def cluster_of(self, index: tf.Tensor) -> tf.Tensor:
        """The cluster of vocabulary indices 1..V, int64."""
        return tf.gather(self._slot, index) // self._size

    def cluster_scores(self, reading: Reading) -> tf.Tensor:
        """By which clusters are chosen, [N, C]."""
        scores = tf.matmul(_with_bias(reading.vector), self._mean, transpose_b=True)
        if self.scores.trend is not None:
            trend = tf.gather(self._trend, self.scores.period(reading))
            scores += self.scores.trend_weight(reading) * trend
        return scores

    def search(self, reading: Reading, excluded: tf.Tensor, k: int) -> Best:
        """As the exact index does, but for items of clusters that are not read; of equals, any."""
        listed = self._listed(reading, excluded)
        own, own_score = self._own(reading, listed)
        # Excluded items are lost to the clusters; own ones only stand beside them.
        missing = tf.reduce_sum(tf.cast(excluded > 0, tf.int64), 1)
        reads = tf.maximum(self.clusters_with(k + missing), self.probes)  # [N]
        chosen = tf.math.top_k(self.cluster_scores(reading), tf.reduce_max(reads)).indices
        index, score = self._read_clusters(reading, chosen, reads)
        score = self._hide(score, chosen, listed)
        index, score = tf.concat([index, own], 1), tf.concat([score, own_score], 1)
        score, place = tf.math.top_k(score, k)
        return Best(tf.gather(index, place, batch_dims=1), score)

    def _listed(self, reading, excluded) -> PairScores:
        """The pairs of the reading and those excluded, which score -inf; each once."""
        row, index = pairs(excluded, self.scores.vocabulary_size)
        listed = PairScores(tf.stack([row, index], 1), tf.fill(tf.shape(row), LOWEST))
        if reading.pairs is not None:
            listed = joined([reading.pairs, listed])
        return distinct(listed, self.scores.vocabulary_size)

    def _own(self, reading, listed) -> tuple[tf.Tensor, tf.Tensor]:
        """The listed items of each request [N, U], 0 pads, and scores."""
        row, index = tf.unstack(listed.place, axis=1)
        rows = tf.shape(reading.vector)[0]
        starts = tf.searchsorted(row, tf.range(rows, dtype=tf.int64))
        column = tf.range(tf.size(row)) - tf.gather(starts, row)
        most = in_blocks(tf.reduce_max(tf.concat([column + 1, [0]], 0)))
        cell = tf.stack([tf.cast(row, tf.int32), column], 1)
        own = tf.scatter_nd(cell, index, [rows, most])
        own_score = tf.tensor_scatter_nd_update(tf.fill([rows, most], LOWEST), cell, listed.score)
        return own, own_score + self.scores.of(reading, own)

    def _read_clusters(self, reading, chosen, reads) -> tuple[tf.Tensor, tf.Tensor]:
        """Items [N, P * size] of clusters [N, P], and scores: -inf for padding and past `reads`."""
        shape = tf.stack([tf.shape(chosen)[0], tf.shape(chosen)[1] * self._size])
        items = tf.gather(self._items, chosen)  # [N, P, size, dim + 1]
        items = tf.reshape(items, tf.concat([shape, [self._items.shape[2]]], 0))
        index = tf.reshape(tf.gather(self._members, chosen), shape)
        score = tf.linalg.matvec(items, _with_bias(reading.vector))
        if self.scores.trend is not None:
            period = tf.broadcast_to(self.scores.period(reading)[:, tf.newaxis], tf.shape(chosen))
            place = tf.stack([period, tf.cast(chosen, tf.int64)], axis=-1)
            trend = tf.reshape(tf.gather_nd(self._trends, place), shape)
            score += self.scores.trend_weight(reading) * trend
        is_read = tf.sequence_mask(reads * self._size, shape[1])
        return index, tf.where(tf.logical_and(is_read, index > 0), score, LOWEST)

    def _hide(self, score, chosen, listed) -> tf.Tensor:
        """Scores of `_read_clusters` with the listed items at -inf."""
        row, item = tf.unstack(listed.place, axis=1)
        slot = tf.gather(self._slot, item)
        rows, probes = tf.unstack(tf.shape(chosen, out_type=tf.int64))
        # Where each cluster stands among those of its row, from 1; 0 if it was not chosen.
        cell = [tf.repeat(tf.range(rows), probes), tf.cast(tf.reshape(chosen, [-1]), tf.int64)]
        from_one = tf.tile(tf.range(probes) + 1, [rows])
        rank = tf.scatter_nd(tf.stack(cell, 1), from_one, [rows, self.clusters])
        rank = tf.gather_nd(rank, tf.stack([row, slot // self._size], 1)) - 1
        column = rank * self._size + slot % self._size
        is_there = rank >= 0
        return lowered(score, tf.boolean_mask(row, is_there), tf.boolean_mask(column, is_there))


def _with_bias(vector: tf.Tensor) -> tf.Tensor:
    """[N, dim] -> [N, dim + 1]."""
    return tf.pad(vector, [[0, 0], [0, 1]], constant_values=1.0)


def _means(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Mean over each cluster's items: [periods, V + 2, n] and [C, size] -> [periods, C, n]."""
    row, column = np.nonzero(members)
    order = members[row, column]
    starts = np.searchsorted(row, np.arange(len(members)))
    count = np.bincount(row).astype(np.float32)[:, np.newaxis]
    return np.stack([np.add.reduceat(each[order], starts) / count for each in values])
