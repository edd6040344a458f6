"""Builds the approximate index and measures, on real requests, what it finds of the best items."""

import bisect
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from model.cluster_index import ClusterIndex, Clusters
from model.index import ExactIndex
from model.item_scores import ItemScores
from model.user_encoder import Reading

CLUSTER_SIZE = 256  # at most
MEAN_SIZE = 192  # before those too large are split again
MAX_CHILDREN = 128
SAMPLE = 2**16
# Keeps directions that no request asked about from being forgotten.
RIDGE = 1e-3
# One-sided 95%: the number of clusters is chosen on a sample of requests.
CONFIDENCE = 1.645


def cluster_index(
    scores: ItemScores, readings: list[Reading], k: int, min_recall: float
) -> tuple[ClusterIndex, dict]:
    """An index that reads enough clusters, and what it was measured to find.

    Half of the batches choose how many clusters are read, the other half measure.

    Args:
      scores: of the model.
      readings: batches of real requests.
      k: length of the lists.
      min_recall: share of the exact list's items that are to be found.

    Returns:
      The index; its clusters, share of the catalogue read by a request, and recall, as JSON.
    """
    queries = np.concatenate([_queries(scores, reading) for reading in readings])
    index = ClusterIndex(scores, find_clusters(_items(scores), queries), probes=1)
    choosing, measuring = readings[::2], readings[1::2] or readings
    fewest = int(index.clusters_with(tf.constant([k], tf.int64))[0])
    index.probes = max(enough_probes(index, choosing, k, min_recall), fewest)
    recall = measured_recall(index, measuring, k)
    report = {
        "clusters": index.clusters,
        "clusters_read": index.probes,
        "share_of_items_read": round(index.probes / index.clusters, 4),
        "min_index_recall": min_recall,
        f"recall_vs_exact@{k}": round(float(recall.mean()), 4),
        "requests": len(recall),
    }
    return index, report


def find_clusters(items: np.ndarray, queries: np.ndarray) -> Clusters:
    """K-means, in clusters' clusters until each is small enough.

    Distances are in the metric of the queries' second moments: a squared distance is the expected
    squared difference of two items' scores.

    Args:
      items: of indices 1..V, [V, dim].
      queries: [requests, dim].
    """
    moments = queries.T @ queries / len(queries)
    moments += RIDGE * np.trace(moments) / len(moments) * np.eye(len(moments))
    points = (items @ np.linalg.cholesky(moments)).astype(np.float32)
    todo, found = [np.arange(len(points))], []
    # One thread adds in the same order everywhere, and thousands of small problems gain by no more.
    with threadpool_limits(1):
        while todo:
            group = todo.pop()
            if len(group) <= CLUSTER_SIZE:
                found.append(group)
            else:
                todo += _split(points, group)
    members = np.zeros([len(found), CLUSTER_SIZE], np.int64)
    spread = np.zeros(len(found), np.float32)
    for row, group in enumerate(found):
        members[row, : len(group)] = group + 1
        # A cluster's best item scores above its mean: by about a standard deviation.
        spread[row] = np.sqrt(points[group].var(axis=0).sum())
    return Clusters(members, spread)


def _split(points: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """A group as up to MAX_CHILDREN smaller ones, each in ascending order."""
    children = min(-(-len(group) // MEAN_SIZE), MAX_CHILDREN)
    means = KMeans(children, init="random", n_init=1, max_iter=10, random_state=0)
    label = means.fit(points[group[:: -(-len(group) // SAMPLE)]]).predict(points[group])
    parts = [group[label == child] for child in np.unique(label)]
    return parts if len(parts) > 1 else np.array_split(group, 2)  # equal points do not part


def enough_probes(
    index: ClusterIndex, readings: Iterable[Reading], k: int, min_recall: float
) -> int:
    """How many clusters are to be read so that recall is `min_recall`, with 95% confidence."""
    rank = np.concatenate([_cluster_ranks(index, reading, k) for reading in readings])  # [N, k]

    def at_least(probes: int) -> float:
        recall = (rank < probes).mean(axis=1)
        return recall.mean() - CONFIDENCE * recall.std() / np.sqrt(len(recall))

    return bisect.bisect_left(range(1, index.clusters), min_recall, key=at_least) + 1


def _cluster_ranks(index: ClusterIndex, reading: Reading, k: int) -> np.ndarray:
    """After how many others the cluster of each of the k best items is read, [N, k]."""
    best = _search(ExactIndex(index.scores), reading, k)
    order = np.argsort(-index.cluster_scores(reading).numpy(), axis=1)
    cluster = index.cluster_of(best).numpy()
    rank = np.take_along_axis(np.argsort(order, axis=1), cluster, 1)
    if reading.pairs is None:
        return rank
    own = np.zeros([len(best), index.scores.vocabulary_size + 2], bool)
    own[tuple(reading.pairs.place.numpy().T)] = True
    return np.where(np.take_along_axis(own, best, 1), 0, rank)  # always candidates


def measured_recall(index: ClusterIndex, readings: Iterable[Reading], k: int) -> np.ndarray:
    """Share of the exact list's items that the index finds, of each request: [N]."""
    exact = ExactIndex(index.scores)
    return np.array(
        [
            np.isin(found, best).mean()
            for reading in readings
            for found, best in zip(
                _search(index, reading, k), _search(exact, reading, k), strict=True
            )
        ]
    )


def _search(index: ExactIndex | ClusterIndex, reading: Reading, k: int) -> np.ndarray:
    nothing = tf.zeros([len(reading.vector), 0], tf.int64)
    return index.search(reading, nothing, k).index.numpy()


def _queries(scores: ItemScores, reading: Reading) -> np.ndarray:
    """What `_items` are multiplied by, [N, dim + 2]."""
    vector = reading.vector.numpy()
    weight = np.zeros([len(vector), 1])
    if scores.trend is not None:
        weight = scores.trend_weight(reading).numpy()
    return np.concatenate([vector, np.ones_like(weight), weight], axis=1)


def _items(scores: ItemScores) -> np.ndarray:
    """Vector, bias and latest trend of indices 1..V, [V, dim + 2]."""
    bias = scores.bias.numpy()
    trend = np.zeros_like(bias) if scores.trend is None else scores.trend[-1].numpy()
    return np.concatenate([scores.vectors.numpy(), np.stack([bias, trend], 1)], axis=1)[1:-1]
