"""The two counters that a next-session model has to beat: popularity and personal frequency.

"A Next Basket Recommendation Reality Check" (Li et al., TOIS 2023) shows published models losing to
the second. Sessions are counted over the histories of the evaluated requests. Under the protocol
`last-session` these are the training data; under `global-time` they leave out users who do not
come back after the cut.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np

from components.evaluation.ranking import ranking_metrics
from components.evaluation.request_arrays import Requests

_NO_ITEM = -1


def sessions_per_item(requests: Requests) -> np.ndarray:
    """In how many sessions of the histories each item was engaged: int64 [items]."""
    return np.bincount(requests.history_item, minlength=len(requests.item_ids))


def rank_by_popularity(requests: Requests, min_sessions_per_item: int = 1) -> np.ndarray:
    """The catalogue, items of the most sessions first, equal ones by their id.

    The catalogue is the items of at least `min_sessions_per_item` sessions.

    Returns:
      int64 [catalogue], positions in `requests.item_ids`.
    """
    sessions = sessions_per_item(requests)
    order = np.argsort(-sessions, kind="stable")
    return order[sessions[order] >= min_sessions_per_item]


def recommend_popular(requests: Requests, popular: np.ndarray, k: int) -> np.ndarray:
    """The same list for every user: int64 [users, k or the whole catalogue]."""
    return np.tile(popular[:k], (requests.users, 1))


def recommend_personal(requests: Requests, popular: np.ndarray, k: int) -> np.ndarray:
    """A user's own items by the share of the user's sessions they were in, then popular ones.

    Args:
      requests: the histories.
      popular: int64 [catalogue], from `rank_by_popularity`; also breaks ties.
      k: the length of the lists.

    Returns:
      int64 [users, k], positions in `requests.item_ids`; -1 once the catalogue has ended.
    """
    items = len(requests.item_ids)
    popularity_rank = np.full(items, _NO_ITEM)
    popularity_rank[popular] = np.arange(len(popular))
    in_catalogue = popularity_rank[requests.history_item] != _NO_ITEM
    # The number of a user's sessions is the same for all the user's items: counts rank as shares.
    owned, sessions = np.unique(
        (requests.history_user * items + requests.history_item)[in_catalogue], return_counts=True
    )
    user, item = owned // max(items, 1), owned % max(items, 1)
    order = np.lexsort((popularity_rank[item], -sessions, user))
    user, item = user[order], item[order]
    rank = np.arange(len(user)) - np.searchsorted(user, user)

    # Of the first k popular items a user owns at most as many as stand in the list before them.
    filling = popular[:k]
    lists = np.full((requests.users, k + len(filling)), _NO_ITEM)  # [users, own + popular]
    lists[user[rank < k], rank[rank < k]] = item[rank < k]
    pairs = np.arange(requests.users)[:, None] * items + filling
    lists[:, k:] = np.where(np.isin(pairs, owned), _NO_ITEM, filling)
    first = np.argsort(lists == _NO_ITEM, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(lists, first, axis=1)


def target_sets(
    requests: Requests, catalogue: np.ndarray | None = None
) -> tuple[np.ndarray, list[set[int]]]:
    """The users that have a target to find, and each one's target items.

    Args:
      requests: the targets.
      catalogue: when given, target items outside it are dropped, and users who have no other.

    Returns:
      int64 [evaluated] positions of users, and as many sets of positions in `requests.item_ids`.
    """
    user, item = requests.target_user, requests.target_item
    if catalogue is not None:
        known = np.isin(item, catalogue)
        user, item = user[known], item[known]
    users, starts = np.unique(user, return_index=True)
    return users, [set(part.tolist()) for part in np.split(item, starts)[1:]]


COUNTERS: Mapping = MappingProxyType(
    {"popularity": recommend_popular, "personal-frequency": recommend_personal}
)


def counter_metrics(requests: Requests, cutoffs: Iterable[int]) -> dict[str, dict[str, np.ndarray]]:
    """Evaluates both counters as production would: every engaged target counts.

    Args:
      requests: histories and targets.
      cutoffs: the values of k.

    Returns:
      {counter: {"recall@10" and the like: float [users with a target]}}.
    """
    cutoffs = tuple(cutoffs)
    popular = rank_by_popularity(requests)
    users, targets = target_sets(requests)
    return {
        name: ranking_metrics(
            recommend(requests, popular, max(cutoffs))[users].tolist(), targets, cutoffs
        )
        for name, recommend in COUNTERS.items()
    }
