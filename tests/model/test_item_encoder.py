"""Item vectors: seen items, unseen ones with and without features, tables without features."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import make_random

from model.item_encoder import ItemEncoder

V = 3
UNSEEN = V + 1
# Row 0 is an item outside the table; rows 4 and 5 are unseen items with features of their own.
CODES = np.array([[0, 0], [1, 1], [1, 2], [2, 1], [2, 2], [1, 2]], np.int32)
ROW_OF_INDEX = tf.constant([0, 1, 2, 3, 0], tf.int64)


def encoder(codes: np.ndarray) -> ItemEncoder:
    tf.keras.utils.set_random_seed(0)
    items = ItemEncoder(V, 4, codes, tuple(int(column.max()) + 1 for column in codes.T), 2)
    items(tf.constant([1]), tf.constant([0]))
    make_random(items)
    return items


@pytest.fixture(scope="module")
def items() -> ItemEncoder:
    return encoder(CODES)


def test_an_unseen_item_gets_a_vector_from_its_features(items):
    none, one, other = items(tf.fill([3], UNSEEN), tf.constant([0, 4, 5])).numpy()
    assert np.abs(one - other).max() > 1e-3
    assert np.abs(one - none).max() > 1e-3


def test_unseen_items_with_the_same_features_are_alike(items):
    one, other = items(tf.fill([2], UNSEEN), tf.constant([2, 5])).numpy()
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("codes", [CODES, np.zeros((6, 0), np.int32)], ids=["features", "none"])
def test_lookup_equals_call(codes):
    items = encoder(codes)
    vectors = items(tf.range(V + 2), ROW_OF_INDEX)
    index = tf.constant([UNSEEN, 1, 3, UNSEEN, 2, UNSEEN], tf.int64)
    row = tf.constant([4, 1, 3, 0, 2, 5], tf.int64)
    np.testing.assert_allclose(items.lookup(vectors, index, row), items(index, row), rtol=1e-6)


def test_lookup_of_nothing(items):
    nothing = tf.zeros([0], tf.int64)
    assert items.lookup(tf.zeros([V + 2, 4]), nothing, nothing).shape == (0, 4)


def test_an_item_starts_at_its_id_embedding():
    items = ItemEncoder(V, 4, CODES, (3, 3), 2)
    vectors = items(tf.range(V + 2), ROW_OF_INDEX)
    np.testing.assert_array_equal(vectors, items.get_weights()[0])
