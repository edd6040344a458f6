"""How good the lists are, under the protocol `last-session`, beside the two counters.

Each user's last session is the target. The catalogue is the items of at least
`min_sessions_per_item` sessions of the histories; targets outside it are dropped, and users who
have no other. Nothing is sampled, and seen items may be recommended. The counters rank this
catalogue. The model's list is taken as it serves it: what it recommends from outside counts as
missed.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from benchmarks.results import Row, bootstrap_interval
from components.evaluation.counters import COUNTERS, rank_by_popularity, target_sets
from components.evaluation.ranking import ranking_metrics
from components.evaluation.request_arrays import Requests, decode_requests, read_records

BENCHMARK = "quality"
MODEL = "sessionrec"
CUTOFFS = (10, 20)

_NO_ITEM = -1
_BATCH = 256


@dataclass(frozen=True)
class QualityRun:
    """What to measure.

    Attributes:
      dataset: its name in the rows.
      examples: the folder of the `test` split, as ingestion wrote it under `last-session`.
      min_sessions_per_item: the least an item needs to be in the protocol's catalogue.
      servable: the folder of the model's saved_model.pb; without it only the counters are run.
      seed: of the model's training, for the rows; and of the bootstrap.
      command: the command line that reproduces the rows.
    """

    dataset: str
    examples: str
    min_sessions_per_item: int
    command: str
    servable: str | None = None
    seed: int = 0


def run_quality(run: QualityRun) -> list[Row]:
    """Measures every method.

    Returns:
      recall, NDCG, hit rate and MRR at 10 and 20: means over users, with bootstrap intervals.

    Raises:
      ValueError: if no user is left to evaluate, or the model's lists are too short.
    """
    examples = list(read_records(run.examples))
    requests = decode_requests(examples)
    popular = rank_by_popularity(requests, run.min_sessions_per_item)
    users, targets = target_sets(requests, popular)
    if not len(users):
        raise ValueError(
            f"no target in {run.examples} is in the catalogue of items with at least "
            f"{run.min_sessions_per_item} sessions. Received {len(examples)} examples"
        )
    rows: list[Row] = []
    for method, lists, seconds in _lists_of_methods(run, examples, requests, popular, users):
        for metric, values in ranking_metrics(lists, targets, CUTOFFS).items():
            low, high = bootstrap_interval(values, run.seed)
            rows.append(
                Row(
                    benchmark=BENCHMARK,
                    dataset=run.dataset,
                    method=method,
                    metric=metric,
                    value=float(values.mean()),
                    low=low,
                    high=high,
                    seed=run.seed,
                    seconds=round(seconds, 3),
                    command=run.command,
                )
            )
    return rows


def _lists_of_methods(
    run: QualityRun,
    examples: Sequence[bytes],
    requests: Requests,
    popular: np.ndarray,
    users: np.ndarray,
) -> Iterator[tuple[str, list[list[int]], float]]:
    """Yields the method, its list for each evaluated user, and the seconds it took."""
    for name, recommend in COUNTERS.items():
        start = time.perf_counter()
        lists = recommend(requests, popular, max(CUTOFFS))[users]
        yield name, lists.tolist(), time.perf_counter() - start
    if run.servable is not None:
        start = time.perf_counter()
        item_ids = served_lists(run.servable, [examples[user] for user in users])
        seconds = time.perf_counter() - start
        position = {item: index for index, item in enumerate(requests.item_ids)}
        yield (
            MODEL,
            [[position.get(item, _NO_ITEM) for item in items] for items in item_ids],
            seconds,
        )


def served_lists(servable: str, examples: Sequence[bytes]) -> list[list[bytes]]:
    """Asks the model's `serving_default` for its lists, cut at the largest cutoff.

    Raises:
      ValueError: if they are shorter.
    """
    k = max(CUTOFFS)
    loaded = tf.saved_model.load(servable)
    recommend = loaded.signatures["serving_default"]
    lists: list[list[bytes]] = []
    for start in range(0, len(examples), _BATCH):
        batch = tf.constant(examples[start : start + _BATCH])
        item_ids = recommend(examples=batch)["item_id"].numpy()  # [batch, serve.max_k]
        if item_ids.shape[1] < k:
            raise ValueError(f"serve.max_k must be {k} or more. Received: {item_ids.shape[1]}")
        lists.extend(item_ids[:, :k].tolist())
    return lists
