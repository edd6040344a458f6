"""The peers that count: TIFU-KNN and item-kNN, with the settings that are tried on validation."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from components.evaluation.request_arrays import Requests

_BLOCK = 512
_NO_ITEM = -1


class Counter(Protocol):
    """A method that is fitted by counting."""

    def recommend(
        self, fit: Requests, requests: Requests, popular: np.ndarray, k: int
    ) -> np.ndarray:
        """The best items of the catalogue for each request; equal scores by popularity.

        Args:
          fit: histories of all users.
          requests: whom to recommend to.
          popular: the catalogue, most popular first, int64 [catalogue].
          k: the length of the lists.

        Returns:
          int64 [users, k], positions in `item_ids`; -1 once the catalogue has ended.
        """


@dataclass(frozen=True)
class TifuKnn:
    """TIFU-KNN (Hu et al., "Modeling Personalized Item Frequency Information", SIGIR 2020).

    A user's vector is the mean over groups of `group_size` successive sessions of the mean over
    the group's sessions, each decayed by its age; the latest group may be cut short at its start.
    The score is `alpha` of it and the rest of the mean vector of the nearest users.

    Attributes:
      group_size: sessions in a group (m).
      within_decay: per session in a group (r_b).
      group_decay: per group (r_g).
      neighbours: nearest users by Euclidean distance (k).
      alpha: weight of the user's own vector.
    """

    group_size: int = 7
    within_decay: float = 0.9
    group_decay: float = 0.7
    neighbours: int = 300
    alpha: float = 0.7

    def recommend(
        self, fit: Requests, requests: Requests, popular: np.ndarray, k: int
    ) -> np.ndarray:
        """See `Counter`."""
        vectors = self._vectors(fit)
        own = self._vectors(requests)
        index = NearestNeighbors(n_neighbors=min(self.neighbours, fit.users), algorithm="brute")
        nearest = index.fit(vectors).kneighbors_graph(own)  # [requests, users], 0 or 1
        score = self.alpha * own + (1 - self.alpha) * normalize(nearest, "l1") @ vectors
        return best_items(score.tocsr(), popular, k)

    def _vectors(self, users: Requests) -> sparse.csr_matrix:
        sessions = _sessions_per_user(users)[users.history_user]
        age = sessions - 1 - users.history_session
        group, place = age // self.group_size, age % self.group_size
        groups = -(-sessions // self.group_size)
        first = sessions - (groups - 1) * self.group_size
        size = np.where(group == groups - 1, first, self.group_size)
        weight = self.within_decay**place / size * self.group_decay**group / groups
        return _user_item(users, weight)


@dataclass(frozen=True)
class ItemKnn:
    """Item-kNN (Sarwar et al., WWW 2001) over sessions: items that stand in the same sessions.

    The score of an item is the similarity of the items of the user's history to it, each weighted
    by the decayed age of its sessions.

    Attributes:
      neighbours: most similar items that are kept for each.
      decay: per session of age.
      includes_itself: whether an item of the history is similar (1) to itself, which is what lets
        it be repeated.
    """

    neighbours: int = 100
    decay: float = 0.9
    includes_itself: bool = True

    def recommend(
        self, fit: Requests, requests: Requests, popular: np.ndarray, k: int
    ) -> np.ndarray:
        """See `Counter`."""
        sessions = _sessions_per_user(requests)[requests.history_user]
        weight = self.decay ** (sessions - 1 - requests.history_session)
        score = _user_item(requests, weight) @ self._similarity(fit)
        return best_items(score.tocsr(), popular, k)

    def _similarity(self, fit: Requests) -> sparse.csr_matrix:
        """Cosine of the items' columns of sessions [items, items], the best of each row."""
        first = np.concatenate([[0], np.cumsum(_sessions_per_user(fit))])
        session = first[fit.history_user] + fit.history_session
        ones = np.ones(len(session), np.float32)
        items = len(fit.item_ids)
        by_item = sparse.csr_matrix((ones, (fit.history_item, session)), (items, first[-1]))
        by_item = normalize(by_item)
        blocks = []
        for start in range(0, items, _BLOCK):
            block = (by_item[start : start + _BLOCK] @ by_item.T).tolil()
            block.setdiag(float(self.includes_itself), k=start)
            block = block.tocsr()
            blocks.append(_largest(block, self.neighbours))
        return sparse.vstack(blocks, format="csr")


def _largest(matrix: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """The `count` largest entries of each row."""
    matrix.eliminate_zeros()
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, row))
    rank = np.arange(len(order)) - matrix.indptr[row]
    kept = order[rank < count]
    return sparse.csr_matrix((matrix.data[kept], (row[kept], matrix.indices[kept])), matrix.shape)


def _sessions_per_user(users: Requests) -> np.ndarray:
    count = np.zeros(users.users, np.int64)
    np.maximum.at(count, users.history_user, users.history_session + 1)
    return count


def _user_item(users: Requests, weight: np.ndarray) -> sparse.csr_matrix:
    shape = (users.users, len(users.item_ids))
    return sparse.csr_matrix((weight, (users.history_user, users.history_item)), shape)


def best_items(score: sparse.csr_matrix, popular: np.ndarray, k: int) -> np.ndarray:
    """The columns of `popular` with the highest scores: int64 [rows, k]; see `Counter`."""
    lists = np.full((score.shape[0], k), _NO_ITEM)
    for start in range(0, score.shape[0], _BLOCK):
        block = score[start : start + _BLOCK][:, popular].toarray()
        best = np.argsort(-block, axis=1, kind="stable")[:, :k]
        lists[start : start + _BLOCK, : best.shape[1]] = popular[best]
    return lists


def _grid(method: type, **values: tuple) -> tuple:
    combinations = itertools.product(*values.values())
    return tuple(method(**dict(zip(values, chosen, strict=True))) for chosen in combinations)


# The ranges are those of the papers, thinned.
GRIDS: Mapping[str, tuple[Counter, ...]] = MappingProxyType(
    {
        "tifu-knn": _grid(
            TifuKnn,
            group_size=(3, 7),
            within_decay=(0.9, 1.0),
            group_decay=(0.6, 0.7, 0.9),
            neighbours=(100, 300),
            alpha=(0.5, 0.7, 0.9),
        ),
        "item-knn": _grid(
            ItemKnn,
            neighbours=(20, 100, 500),
            decay=(0.8, 0.9, 0.97, 1.0),
            includes_itself=(True, False),
        ),
    }
)
