"""Start training from the weights of a served model whose vocabulary was another."""

import os

import numpy as np
import tensorflow as tf

# How the names of trainable weights with a row an item begin.
_PER_ITEM = "item_"
_ID_EMBEDDING = "item_id_embedding"


def warm_start(
    model: tf.keras.Model, item_ids: tuple[str, ...], base: str, vocabulary: str
) -> None:
    """Give a model, whose weights are made, the trained weights of a SavedModel.

    Rows of items that both know are found by id. The id embedding of a new item is the one that
    `base` has for any unseen item, so that its vector comes from its features; its biases stay.

    Args:
      model: of the same configuration as `base`.
      item_ids: of the model's vocabulary indices 1..V.
      base: folder of a SavedModel of `model.signatures.Servable`.
      vocabulary: name of the vocabulary's file among the assets of `base`.

    Raises:
      ValueError: `base` has other weights.
    """
    with tf.io.gfile.GFile(os.path.join(base, "assets", vocabulary), "rb") as file:
        old_ids = [line.decode() for line in file.read().split(b"\n")[:-1]]
    old = [weight for weight in tf.saved_model.load(base).weights if weight.trainable]
    new = [weight for weight in model.variables if weight.trainable]
    if len(old) != len(new):
        raise _other_model(base, f"{len(old)} weights and the new one has {len(new)}")
    for was, weight in zip(old, new, strict=True):
        value, start = was.numpy(), weight.numpy()
        name = weight.name.rpartition("/")[2]
        is_per_item = name.startswith(_PER_ITEM) and value.shape[1:] == start.shape[1:]
        if is_per_item:
            value = _by_item(value, start, old_ids, item_ids, name.startswith(_ID_EMBEDDING))
        if value.shape != start.shape:
            difference = f"{weight.name} of shape {list(was.shape)} and the new one of "
            raise _other_model(base, f"{difference}{list(start.shape)}")
        weight.assign(value)


def _by_item(
    old: np.ndarray, start: np.ndarray, old_ids: list[str], ids: tuple[str, ...], is_embedding: bool
) -> np.ndarray:
    """`old` [U + 2, ...] in the order of `ids`: [V + 2, ...], as `start` is."""
    place = {item_id: row for row, item_id in enumerate(old_ids, 1)}
    rows = np.array([0, *(place.get(item_id, -1) for item_id in ids), -1])
    found = old[rows]  # the last row is of any unseen item
    if not is_embedding:
        is_new = np.append(rows[:-1] < 0, False)
        found[is_new] = start[is_new]
    return found


def _other_model(base: str, difference: str) -> ValueError:
    return ValueError(
        f"The base model {base} has {difference}: a [model] setting or the item table differs. "
        "Set train.warm_start = false once."
    )
