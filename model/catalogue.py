"""The items that can be recommended: ids, popularity and features by vocabulary index."""

import dataclasses

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
    with tf.io.gfile.GFile(vocabulary_path, "rb") as file:
        ids = tuple(line.decode() for line in file.read().split(b"\n")[:-1])
    row, count = _rows(ids, table), _count(training, len(ids))
    # Transform writes a made-up id into a vocabulary that would be empty.
    if not count[1:-1].any():
        raise ValueError(
            "No item has enough engaged sessions for the vocabulary. Received: 0 items; lower "
            "model.min_sessions_per_item or train on a longer log."
        )
    return Catalogue(ids, count, row, table)


def _rows(ids: tuple[str, ...], table: ItemTable) -> np.ndarray:
    position = {item_id: row for row, item_id in enumerate(table.item_ids, UNKNOWN_ROW + 1)}
    row = np.full(len(ids) + 2, UNKNOWN_ROW, np.int64)
    row[1:-1] = [position.get(item_id, UNKNOWN_ROW) for item_id in ids]
    return row


def _count(training: tf.data.Dataset, vocabulary_size: int) -> np.ndarray:
    size = vocabulary_size + 2

    def add(total: tf.Tensor, batch: dict) -> tf.Tensor:
        is_engaged = tf.equal(batch[features.ENGAGED].flat_values, 1)
        index = tf.boolean_mask(batch[features.ITEM_INDEX].flat_values, is_engaged)
        return total + tf.math.bincount(index, minlength=size, maxlength=size, dtype=tf.int64)

    return training.reduce(tf.zeros(size, tf.int64), add).numpy()
