"""The items that can be recommended: ids, popularity and features by vocabulary index."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from model import features
from model.item_table import UNKNOWN_ROW, ItemTable


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """V items; indices are 0 (padding), 1..V, and V + 1 (any other item).

    Attributes:
      item_ids: ids of indices 1..V.
      count: engaged training sessions that hold the index, int64 [V + 2].
      row: row in the item table of each index, int64 [V + 2].
      table: the item table.
    """

    item_ids: tuple[str, ...]
    count: np.ndarray
    row: np.ndarray
    table: ItemTable


def build(vocabulary_path: str, table: ItemTable, training: tf.data.Dataset) -> Catalogue:
    """Read the vocabulary file and count the training data, batches of Transform's output.

    Raises:
      ValueError: no item is in enough sessions to be in the vocabulary.
    """
    ids = tuple(Path(vocabulary_path).read_text().split("\n")[:-1])
    if not ids:
        raise ValueError(
            "No item has enough engaged sessions for the vocabulary. Received: 0 items; lower "
            "model.min_sessions_per_item or train on a longer log."
        )
    position = {item_id: row for row, item_id in enumerate(table.item_ids, UNKNOWN_ROW + 1)}
    row = np.zeros(len(ids) + 2, np.int64)
    row[1:-1] = [position.get(item_id, UNKNOWN_ROW) for item_id in ids]

    def add(total: tf.Tensor, batch: dict) -> tf.Tensor:
        is_engaged = tf.equal(batch[features.ENGAGED].flat_values, 1)
        index = tf.boolean_mask(batch[features.ITEM_INDEX].flat_values, is_engaged)
        size = len(ids) + 2
        return total + tf.math.bincount(index, minlength=size, maxlength=size, dtype=tf.int64)

    count = training.reduce(tf.zeros(len(ids) + 2, tf.int64), add).numpy()
    return Catalogue(ids, count, row, table)
