"""What is asked of every method, and how its lists are judged.

The catalogue is the items of at least `min_sessions_per_item` sessions of the histories. Test
targets outside it are dropped, and users who have no other; validation targets outside it count as
missed, as in a training's own validation (`model.validation`), whose catalogue is the one that is
served: items that get to `min_sessions_per_item` only in validation sessions are in it, too.
Nothing is sampled, and seen items may be recommended. Counters rank this catalogue. The model's
lists are taken as it serves them: what it recommends from outside counts as missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluation.counters import rank_by_popularity, target_sets
from components.evaluation.ranking import ranking_metrics
from components.evaluation.request_arrays import Requests, decode_requests, read_folder

CUTOFFS = (10, 20)
K = max(CUTOFFS)

_NO_ITEM = -1


@dataclass(frozen=True)
class Task:
    """Whom to recommend to, and what may be learned from.

    Attributes:
      fit: histories of all users up to the cut.
      requests: histories and targets of the users to recommend to; items as in `fit`.
      examples: the requests as serialized tf.Examples.
      popular: the catalogue, most popular first, int64 positions in `item_ids`.
      users: positions of the users that are judged, int64 [judged].
      targets: target items of each of them.
    """

    fit: Requests
    requests: Requests
    examples: tuple[bytes, ...]
    popular: np.ndarray
    users: np.ndarray
    targets: list[set[int]]

    @property
    def judged_examples(self) -> list[bytes]:
        """The serialized requests of the users that are judged."""
        return [self.examples[user] for user in self.users]

    def positions(self, lists: Sequence[Sequence[bytes]]) -> list[list[int]]:
        """Lists of item ids as positions in `item_ids`; -1 for an id that is in no history."""
        position = {item: index for index, item in enumerate(self.requests.item_ids)}
        return [[position.get(item, _NO_ITEM) for item in items] for items in lists]

    def metrics(self, lists: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        """The ranking metrics at 10 and 20 of a list per judged user, by name: float [judged]."""
        return ranking_metrics(lists, self.targets, CUTOFFS)


def load_task(
    fit_folder: str, request_folder: str, min_sessions_per_item: int, *, every_target: bool
) -> Task:
    """Read a task from two splits, as ingestion wrote them.

    Args:
      fit_folder: of a split of histories alone, `train` or `refit`.
      request_folder: of the split with the targets, `eval` or `test`.
      min_sessions_per_item: the least an item needs to be in the catalogue.
      every_target: whether targets outside the catalogue count, as missed.

    Raises:
      ValueError: no user is left to evaluate.
    """
    histories, examples = list(read_folder(fit_folder)), tuple(read_folder(request_folder))
    everyone = decode_requests([*histories, *examples])
    fit = everyone.of_users(0, len(histories))
    requests = everyone.of_users(len(histories), everyone.users)
    popular = rank_by_popularity(fit, min_sessions_per_item)
    users, targets = target_sets(requests, None if every_target else popular)
    if not len(users):
        raise ValueError(
            f"no target in {request_folder} is in the catalogue of items with at least "
            f"{min_sessions_per_item} sessions. Received {len(examples)} examples"
        )
    return Task(fit, requests, examples, popular, users, targets)
