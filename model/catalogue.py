"""The items that can be recommended: ids, popularity and features by vocabulary index."""

import dataclasses

import numpy as np
import tensorflow as tf

from model import features, preprocessing
from model.config import ModelConfig
from model.item_pairs import (
    CompanionCounter,
    FollowerCounter,
    ItemPairs,
    PairCounter,
    engagements,
)
from model.item_table import UNKNOWN_ROW, ItemTable


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """V items; indices are 0 (padding), 1..V, and V + 1 (any other item).

    Attributes:
      item_ids: ids of indices 1..V.
      period_count: engaged training sessions of each period that hold the index, int64
        [periods + 1, V + 2].
      exposed_count: training sessions that showed the index and had no engagement with it, int64
        [V + 2].
      row: row in the item table of each index, int64 [V + 2].
      table: the item table.
      followers: which items follow which in engaged training sessions; None without `follow`.
      companions: which are in one with which; None without `together`.
    """

    item_ids: tuple[str, ...]
    period_count: np.ndarray
    exposed_count: np.ndarray
    row: np.ndarray
    table: ItemTable
    followers: ItemPairs | None = None
    companions: ItemPairs | None = None

    @property
    def count(self) -> np.ndarray:
        """Engaged training sessions that hold the index, int64 [V + 2]."""
        return self.period_count.sum(axis=0)


def is_in_catalogue(index: tf.Tensor, vocabulary_size: int) -> tf.Tensor:
    """Which vocabulary indices are of an item, 1..V: bool, of any shape."""
    return tf.logical_and(index >= 1, index <= vocabulary_size)


def build(
    vocabulary_path: str, table: ItemTable, training: tf.data.Dataset, config: ModelConfig
) -> Catalogue:
    """Read the vocabulary file and count the training data, batches of Transform's output.

    Raises:
      ValueError: no item is in enough sessions to be in the vocabulary, or the item table has none
        of those that are.
    """
    with tf.io.gfile.GFile(vocabulary_path, "rb") as file:
        ids = tuple(line.decode() for line in file.read().split(b"\n")[:-1])
    count, exposed, pairs = _count(training, len(ids), config)
    # Transform writes a made-up id into a vocabulary that would be empty.
    if not count[:, 1:-1].any():
        raise ValueError(
            "No item has enough engaged sessions for the vocabulary. Received: 0 items; lower "
            "model.min_sessions_per_item or train on a longer log."
        )
    return Catalogue(ids, count, exposed, _rows(ids, table), table, **pairs)


def _rows(ids: tuple[str, ...], table: ItemTable) -> np.ndarray:
    position = {item_id: row for row, item_id in enumerate(table.item_ids, UNKNOWN_ROW + 1)}
    row = np.full(len(ids) + 2, UNKNOWN_ROW, np.int64)
    row[1:-1] = [position.get(item_id, UNKNOWN_ROW) for item_id in ids]
    if table.item_ids and np.all(row == UNKNOWN_ROW):
        raise ValueError(
            f"None of the item table's {len(table.item_ids)} items is among the {len(ids)} of the "
            f"vocabulary: {table.item_ids[0]!r} is the first of the table's ids, {ids[0]!r} of the "
            "log's. Write them alike or leave out [data.item_table]."
        )
    return row


def _count(
    training: tf.data.Dataset, vocabulary_size: int, config: ModelConfig
) -> tuple[np.ndarray, np.ndarray, dict[str, ItemPairs]]:
    """`period_count`, `exposed_count`, and by their names `followers` and `companions`, if used."""
    engaged = np.zeros([config.periods + 1, vocabulary_size + 2], np.int64)
    exposed = np.zeros(vocabulary_size + 2, np.int64)
    counters: dict[str, PairCounter] = {}
    if config.follow:
        counters["followers"] = FollowerCounter(vocabulary_size)
    if config.together:
        counters["companions"] = CompanionCounter(vocabulary_size)
    for batch in training:
        if counters:
            of_batch = engagements(batch, vocabulary_size)
            for counter in counters.values():
                counter.add(of_batch)
        ragged = batch[features.ITEM_INDEX]  # [users, sessions, items]
        visit = batch[preprocessing.VISIT_PERIOD][:, :-1]  # the request is no session
        period = tf.gather(visit.flat_values, ragged.values.value_rowids()).numpy()
        index = ragged.flat_values.numpy()
        is_engaged = batch[features.ENGAGED].flat_values.numpy() == 1
        np.add.at(engaged, (period[is_engaged], index[is_engaged]), 1)
        np.add.at(exposed, index[~is_engaged], 1)
    return engaged, exposed, {name: counter.pairs() for name, counter in counters.items()}
