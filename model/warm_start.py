"""Start training from the weights of a served model of other items and other categories."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from model.catalogue import Catalogue

# How the names of trainable weights with a row an item, or a value of a category, begin.
_PER_ITEM, _PER_CATEGORY = "item_", "category_"
_ID_EMBEDDING = "item_id_embedding"
# What the first and the last row are of, which no text equals.
_NONE, _UNSEEN = 0, 1
# Weights that were trained again and again fit new sessions worse than new ones do. Ash and Adams
# ("On Warm-Starting Neural Network Training", NeurIPS 2020) shrink them and add noise: here the
# rest is of the weights that the model was made with.
KEPT = 0.6
Keys = Sequence[str | int]


def warm_start(model: tf.keras.Model, items: Catalogue, base: str, vocabulary: str) -> None:
    """Move a model, whose weights are made, most of the way to the trained ones of a SavedModel.

    Of each weight `KEPT` is the trained one's, and the rest its own. Rows of items that both know
    are found by id, those of categories by value. The id embedding of a new item is the one that
    `base` has for any unseen item, so that its vector comes from its features; its biases, and the
    rows of new categories, stay.

    Args:
      model: of the same configuration as `base`.
      items: of the model.
      base: folder of a SavedModel of `model.signatures.Servable`.
      vocabulary: name of the vocabulary's file among the assets of `base`.

    Raises:
      ValueError: `base` has other weights, or other item features, their order included.
    """
    with tf.io.gfile.GFile(os.path.join(base, "assets", vocabulary), "rb") as file:
        old_ids = [line.decode() for line in file.read().split(b"\n")[:-1]]
    saved = tf.saved_model.load(base)
    if not hasattr(saved, "feature_columns"):
        raise _other_model(base, "no names of its item features")
    old_columns, *old_categories = (
        tuple(name.decode() for name in names.numpy())
        for names in (saved.feature_columns, *saved.categories)
    )
    if old_columns != items.table.columns:
        difference = f"item features {', '.join(old_columns) or 'none'} and the new one"
        raise _other_model(base, f"{difference} {', '.join(items.table.columns) or 'none'}")
    old = [weight for weight in saved.weights if weight.trainable]
    new = [weight for weight in model.variables if weight.trainable]
    if len(old) != len(new):
        raise _other_model(base, f"{len(old)} weights and the new one has {len(new)}")
    for was, weight in zip(old, new, strict=True):
        value, start = was.numpy(), weight.numpy()
        name = weight.name.removesuffix("/embeddings:0").rpartition("/")[2]
        old_keys = _keys(name, old_ids, old_categories)
        keys = _keys(name, items.item_ids, items.table.categories)
        if old_keys and keys and value.shape[1:] == start.shape[1:]:
            new_like = _UNSEEN if name.startswith(_ID_EMBEDDING) else None
            value = _by_key(value, start, old_keys, keys, new_like)
        if value.shape != start.shape:
            difference = f"{weight.name} of shape {list(was.shape)} and the new one of "
            raise _other_model(base, f"{difference}{list(start.shape)}")
        weight.assign(start + KEPT * (value - start))


def _keys(name: str, item_ids: Sequence[str], categories: Sequence[Sequence[str]]) -> Keys:
    """What each row of a weight is of; nothing where rows are of neither items nor categories."""
    if name.startswith(_PER_ITEM):
        return [_NONE, *item_ids, _UNSEEN]
    for place, values in enumerate(categories):
        if name == f"{_PER_CATEGORY}{place}":
            return [_NONE, *values]
    return []


def _by_key(
    old: np.ndarray, start: np.ndarray, old_keys: Keys, keys: Keys, new_like: int | None
) -> np.ndarray:
    """Rows of `old` in the order of `keys`; a new key's is that of `new_like`, or of `start`."""
    place: dict[str | int | None, int] = {key: row for row, key in enumerate(old_keys)}
    rows = np.array([place.get(key, place.get(new_like, -1)) for key in keys])
    return np.where((rows < 0).reshape(-1, *[1] * (old.ndim - 1)), start, old[rows])


def _other_model(base: str, difference: str) -> ValueError:
    return ValueError(
        f"The base model {base} has {difference}: a [model] setting or the columns of the item "
        "table differ. Set train.warm_start = false once."
    )
