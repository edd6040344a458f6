"""How often each item was engaged with in training: what popularity means in an evaluation."""

import functools
import itertools
import os
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tfx.dsl.io import fileio

from components.evaluation.counters import sessions_per_item
from components.evaluation.request_arrays import decode_requests, read_folder

FILE = "training_items.parquet"
# Bands hold a third of the training engagements each, and not a third of the items.
HEAD, MIDDLE, TAIL, UNSEEN = BANDS = ("head", "middle", "tail", "unseen")

_ITEM_ID, _SESSIONS = "item_id", "sessions"
_USERS_AT_A_TIME = 10_000


# Compared and hashed as the object it is: what is derived from it is cached.
@dataclass(frozen=True, eq=False)
class TrainingItems:
    """Items that were engaged with in training, most popular first, equal ones by id.

    Attributes:
      ids: the items.
      sessions: how many training sessions engaged with each, int64 [items].
      rank: item -> position in `ids`.
    """

    ids: list[bytes]
    sessions: np.ndarray
    rank: dict[bytes, int]

    @functools.cached_property
    def information(self) -> np.ndarray:
        """-log2 of each item's share of all training engagements, in bits: float [items]."""
        return -np.log2(self.sessions / self.sessions.sum())

    @functools.cached_property
    def _band(self) -> np.ndarray:
        before = np.cumsum(self.sessions) - self.sessions
        return (3 * before) // max(self.sessions.sum(), 1)

    def band(self, item: bytes) -> str:
        """The popularity band of an item: one of `BANDS`."""
        place = self.rank.get(item)
        return UNSEEN if place is None else BANDS[self._band[place]]


def write_training_items(split_folder: str, folder: str) -> str:
    """Count the items of a split's histories.

    Args:
      split_folder: gzip TFRecords of tf.Examples.
      folder: where to write `FILE`.

    Returns:
      The path of the file.
    """
    counts: Counter[bytes] = Counter()
    records = read_folder(split_folder)
    while users := list(itertools.islice(records, _USERS_AT_A_TIME)):
        requests = decode_requests(users)
        found = sessions_per_item(requests)
        seen = found > 0  # the others are targets only
        counts.update(dict(zip(requests.item_ids[seen], found[seen].tolist(), strict=True)))
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    table = pa.table(
        {
            _ITEM_ID: pa.array([item for item, _ in ordered], pa.binary()),
            _SESSIONS: pa.array([count for _, count in ordered], pa.int64()),
        }
    )
    path = os.path.join(folder, FILE)
    fileio.makedirs(folder)
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    with fileio.open(path, "wb") as file:
        file.write(buffer.getvalue().to_pybytes())
    return path


@functools.lru_cache(maxsize=2)
def read_training_items(path: str) -> TrainingItems:
    """Read what `write_training_items` wrote."""
    with fileio.open(path, "rb") as file:
        table = pq.read_table(pa.BufferReader(file.read()))
    ids = table[_ITEM_ID].to_pylist()
    return TrainingItems(
        ids, table[_SESSIONS].to_numpy(), {item: place for place, item in enumerate(ids)}
    )
