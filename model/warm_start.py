"""Start training from the weights of a served model whose vocabulary was another."""

import os

import numpy as np
import tensorflow as tf

_PER_ITEM = ("item_id_embedding", "item_bias")
_UNSEEN_ROW = "item_id_embedding"


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
    reader = tf.train.load_checkpoint(os.path.join(base, "variables", "variables"))
    # Keras lists the trainable variables first.
    for place, variable in enumerate(model.trainable_variables):
        key = f"_weights/{place}/.ATTRIBUTES/VARIABLE_VALUE"
        old = reader.get_tensor(key) if reader.has_tensor(key) else np.zeros(0)
        shape = list(old.shape)
        new = variable.numpy()
        if any(part in variable.name for part in _PER_ITEM):
            old = _by_item(old, new, old_ids, item_ids, _UNSEEN_ROW in variable.name)
        if old is None or old.shape != new.shape:
            raise ValueError(
                f"The base model {base} has {variable.name} of shape {shape} and the new one of "
                f"{list(new.shape)}: a [model] or [sessions] setting or the item table differs. "
                "Set train.warm_start = false once."
            )
        variable.assign(old)


def _by_item(
    old: np.ndarray, new: np.ndarray, old_ids: list[str], ids: tuple[str, ...], unseen: bool
) -> np.ndarray | None:
    """`old` [V + 2, ...] in the order of `ids`; None if its rows are of another width."""
    if old.shape[1:] != new.shape[1:]:
        return None
    place = {item_id: row for row, item_id in enumerate(old_ids, 1)}
    made = new.copy()
    made[0], made[-1] = old[0], old[-1]  # padding, and any other item
    for row, item_id in enumerate(ids, 1):
        if item_id in place:
            made[row] = old[place[item_id]]
        elif unseen:
            made[row] = old[-1]
    return made
