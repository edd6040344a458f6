"""Warm start: rows follow their items through another vocabulary."""

import numpy as np
import pytest
import tensorflow as tf

from model.warm_start import warm_start


def model(rows: int, width: int = 2):
    made = tf.keras.Model()
    made.table = tf.Variable(tf.fill([rows, width], 9.0), name="item_id_embedding")
    made.count = tf.Variable(tf.zeros([rows, 3]), trainable=False, name="item_count")
    made.bias = tf.Variable(tf.fill([rows], 9.0), name="item_bias")
    made.other = tf.Variable([9.0], name="other")
    return made


@pytest.fixture
def base(tmp_path):
    """Items a, b, c."""
    made = model(5)
    made.table.assign(np.arange(10.0).reshape(5, 2))
    made.bias.assign([0.0, 1.0, 2.0, 3.0, 5.0])
    made.other.assign([4.0])
    saved = tf.Module()
    saved.weights = made.variables
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
    made = model(len(ids) + 2)
    warm_start(made, tuple(ids), base, "items")
    np.testing.assert_array_equal(made.table[:, 0], table)
    np.testing.assert_array_equal(made.bias, bias)
    np.testing.assert_array_equal(made.other, [4.0])


def test_another_width_is_an_error(base):
    with pytest.raises(ValueError, match=r"item_id_embedding.* of shape \[5, 2\].*\[5, 3\]"):
        warm_start(model(5, 3), ("a", "b", "c"), base, "items")
