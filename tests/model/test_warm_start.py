"""Warm start: rows follow their items and their categories through another vocabulary."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import catalogue

from model.catalogue import Catalogue
from model.item_table import EMPTY
from model.warm_start import KEPT, warm_start


def items(ids: str, values: str = "xy") -> Catalogue:
    """Items of one letter, and a category with values of one letter."""
    table = dataclasses.replace(EMPTY, categories=(tuple(values),), columns=("brand",))
    return dataclasses.replace(catalogue([1] * len(ids), table), item_ids=tuple(ids))


def moved(trained: list) -> np.ndarray:
    """Weights of 9 on their way to the trained ones; 9 is of a row that nothing was known of."""
    return 9 + KEPT * (np.array(trained) - 9)


def model(of: Catalogue, width: int = 2) -> tf.keras.Model:
    """Weights of 9."""
    rows = len(of.item_ids) + 2
    made = tf.keras.Model()
    made.table = tf.Variable(tf.fill([rows, width], 9.0), name="item_id_embedding")
    made.count = tf.Variable(tf.zeros([rows, 3]), trainable=False, name="item_count")
    made.bias = tf.Variable(tf.fill([rows], 9.0), name="item_bias")
    made.category = tf.keras.layers.Embedding(
        len(of.table.categories[0]) + 1, 1, tf.keras.initializers.Constant(9.0), name="category_0"
    )
    made.category(tf.constant([0]))
    made.other = tf.Variable([9.0], name="other")
    return made


@pytest.fixture
def base(tmp_path):
    """Items a, b, c, and values x, y."""
    of = items("abc")
    made = model(of)
    made.table.assign(np.arange(10.0).reshape(5, 2))
    made.bias.assign([0.0, 1.0, 2.0, 3.0, 5.0])
    made.category.embeddings.assign([[0.0], [1.0], [2.0]])
    made.other.assign([4.0])
    saved = tf.Module()
    saved.weights = made.variables
    saved.categories = [tf.Variable(values) for values in of.table.categories]
    saved.feature_columns = tf.Variable(of.table.columns)
    tf.saved_model.save(saved, str(tmp_path))
    (tmp_path / "assets" / "items").write_text("a\nb\nc\n")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("ids", "table", "bias"),
    [
        pytest.param("cdab", [0, 6, 8, 2, 4, 8], [0, 3, 9, 1, 2, 5], id="grown and reordered"),
        pytest.param("b", [0, 4, 8], [0, 2, 5], id="shrunk"),
    ],
)
def test_rows_follow_their_items(base, ids, table, bias):
    of = items(ids)
    made = model(of)
    warm_start(made, of, base, "items")
    np.testing.assert_allclose(made.table[:, 0], moved(table), rtol=1e-6)
    np.testing.assert_allclose(made.bias, moved(bias), rtol=1e-6)
    np.testing.assert_allclose(made.other, moved([4.0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        pytest.param("wxy", [0, 9, 1, 2], id="a new value comes first"),
        pytest.param("yz", [0, 2, 9], id="one replaced"),
        pytest.param("", [0], id="none left"),
    ],
)
def test_rows_follow_their_categories(base, values, rows):
    of = items("abc", values)
    made = model(of)
    warm_start(made, of, base, "items")
    np.testing.assert_allclose(made.category.embeddings[:, 0], moved(rows), rtol=1e-6)


def test_another_column_with_as_many_values_is_an_error(base):
    of = items("abc")
    renamed = dataclasses.replace(of, table=dataclasses.replace(of.table, columns=("size",)))
    with pytest.raises(ValueError, match="has item features brand and the new one size: "):
        warm_start(model(renamed), renamed, base, "items")


def test_a_base_without_names_of_its_features_is_an_error(tmp_path):
    saved = tf.Module()
    saved.weights, saved.categories = [], []
    tf.saved_model.save(saved, str(tmp_path))
    (tmp_path / "assets" / "items").write_text("")
    with pytest.raises(ValueError, match="has no names of its item features: "):
        warm_start(model(items("abc")), items("abc"), str(tmp_path), "items")


def test_another_width_is_an_error(base):
    with pytest.raises(ValueError, match=r"item_id_embedding.* of shape \[5, 2\].*\[5, 3\]"):
        warm_start(model(items("abc"), 3), items("abc"), base, "items")
