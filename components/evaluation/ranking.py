"""Top-k ranking metrics with binary relevance, in numpy; one implementation for every evaluation.

Lists and targets are first reduced to `hits` [requests, k]; each metric then takes `hits`, the
number of relevant items per request and a cutoff, and gives one value a request.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np


def hit_matrix(recommended: Sequence[Sequence], relevant: Iterable[Collection]) -> np.ndarray:
    """Says which recommended items are relevant.

    An item that a list repeats counts once, where it stands first.

    Args:
      recommended: ids per request, best first; lists may differ in length.
      relevant: the relevant ids per request, in the same id type.

    Returns:
      bool [requests, longest list]; False where a list has ended.
    """
    hits = np.zeros((len(recommended), max(map(len, recommended), default=0)), bool)
    for row, ids, targets in zip(hits, recommended, relevant, strict=True):
        missing = set(targets)
        for rank, item in enumerate(ids):
            if item in missing:
                row[rank] = True
                missing.remove(item)
    return hits


def recall(hits: np.ndarray, target_size: np.ndarray, k: int) -> np.ndarray:
    """Hits among the first k over all relevant items (Manning et al. 2008, section 8.3)."""
    return hits[:, :k].sum(1) / target_size


def precision(hits: np.ndarray, target_size: np.ndarray, k: int) -> np.ndarray:
    """Hits among the first k over k, also of shorter lists (Manning et al. 2008, section 8.4)."""
    return hits[:, :k].sum(1) / k


def hit_rate(hits: np.ndarray, target_size: np.ndarray, k: int) -> np.ndarray:
    """1 where the first k hold a relevant item, else 0."""
    return hits[:, :k].any(1).astype(float)


def ndcg(hits: np.ndarray, target_size: np.ndarray, k: int) -> np.ndarray:
    """Discounted gain over that of the best possible list (Järvelin and Kekäläinen, TOIS 2002).

    Gain 1 for a relevant item, discount 1 / log2(rank + 1); the best list has
    min(k, target_size) relevant items first.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(target_size, k) - 1]
    cut = hits[:, :k]
    return cut @ discount[: cut.shape[1]] / ideal


def mrr(hits: np.ndarray, target_size: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant item among the first k, else 0 (Voorhees, TREC-8 1999)."""
    cut = hits[:, :k]
    if not cut.shape[1]:
        return np.zeros(len(cut))
    return np.where(cut.any(1), 1 / (cut.argmax(1) + 1), 0.0)


def average_precision(hits: np.ndarray, target_size: np.ndarray, k: int) -> np.ndarray:
    """Sum of the precision at each hit among the first k, over all relevant items.

    Manning et al. 2008, section 8.4; cut at k as trec_eval's `map_cut`.
    """
    cut = hits[:, :k]
    at_rank = cut.cumsum(1) / np.arange(1, cut.shape[1] + 1)
    return (at_rank * cut).sum(1) / target_size


METRICS: Mapping = MappingProxyType(
    {
        "recall": recall,
        "ndcg": ndcg,
        "precision": precision,
        "hit_rate": hit_rate,
        "mrr": mrr,
        "map": average_precision,
    }
)


def ranking_metrics(
    recommended: Sequence[Sequence], relevant: Sequence[Collection], cutoffs: Iterable[int]
) -> dict[str, np.ndarray]:
    """Computes every metric at every cutoff.

    Args:
      recommended: ids per request, best first.
      relevant: the distinct relevant ids per request, at least one each.
      cutoffs: the values of k.

    Returns:
      `recall@10` and the like, each float [requests].

    Raises:
      ValueError: if a request has no relevant item, for which nothing is defined.
    """
    target_size = np.array([len(set(targets)) for targets in relevant], int)
    if not target_size.all():
        raise ValueError(
            "every request needs a relevant item. "
            f"Received none for request {int(target_size.argmin())}"
        )
    hits = hit_matrix(recommended, relevant)
    return {f"{name}@{k}": METRICS[name](hits, target_size, k) for k in cutoffs for name in METRICS}
