"""Item vectors: seen items, unseen ones with and without features, tables without features.

Features are two categorical ones and one number, missing for row 2 and outside the table.
"""

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import make_random

from model.config import ModelConfig
from model.item_encoder import ItemEncoder
from model.item_table import ItemTable

V = 3
UNSEEN = V + 1
# Row 0 is an item outside the table; rows 4 and 5 are unseen items with features of their own.
CODES = np.array([[0, 0], [1, 1], [1, 2], [2, 1], [2, 2], [1, 2]], np.int32)
ROW_OF_INDEX = tf.constant([0, 1, 2, 3, 0], tf.int64)


NUMBERS = np.array([[np.nan], [0.5], [np.nan], [-1.0], [2.0], [np.nan]], np.float32)
CONFIG = ModelConfig(dim=4, feature_dim=2)


def encoder(codes: np.ndarray = CODES, numbers: np.ndarray = NUMBERS) -> ItemEncoder:
    tf.keras.utils.set_random_seed(0)
    categories = tuple(tuple("abc"[: column.max()]) for column in codes.T)
    items = ItemEncoder(CONFIG, V, ItemTable((), codes, categories, numbers, tuple("abc")))
    items(tf.constant([1]), tf.constant([0]))
    return items


def random_encoder(codes: np.ndarray = CODES, numbers: np.ndarray = NUMBERS) -> ItemEncoder:
    items = encoder(codes, numbers)
    make_random(items)
    return items


@pytest.fixture(scope="module")
def items() -> ItemEncoder:
    return random_encoder()


def test_an_unseen_item_gets_a_vector_from_its_features(items):
    none, one, other = items(tf.fill([3], UNSEEN), tf.constant([0, 4, 5])).numpy()
    assert np.abs(one - other).max() > 1e-3
    assert np.abs(one - none).max() > 1e-3


def test_unseen_items_with_the_same_features_are_alike(items):
    one, other = items(tf.fill([2], UNSEEN), tf.constant([2, 5])).numpy()
    np.testing.assert_array_equal(one, other)


def test_a_number_and_its_absence_count(items):
    unseen = tf.fill([4], UNSEEN)
    alike = random_encoder(np.zeros((6, 0), np.int32))
    missing, zero, number, none = alike(unseen, tf.constant([2, 1, 4, 5])).numpy()
    np.testing.assert_array_equal(missing, none)
    assert np.abs(missing - zero).max() > 1e-3
    assert np.abs(number - zero).max() > 1e-3
    assert np.isfinite(items(unseen, tf.constant([2, 1, 4, 5]))).all()


def test_gradients_of_missing_numbers_are_finite(items):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(items(tf.range(V + 2), ROW_OF_INDEX) ** 2)
    for gradient in tape.gradient(loss, items.trainable_variables):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


NO_CODES, NO_NUMBERS = np.zeros((6, 0), np.int32), np.zeros((6, 0), np.float32)


@pytest.mark.parametrize("codes", [CODES, NO_CODES], ids=["codes", "no codes"])
@pytest.mark.parametrize("numbers", [NUMBERS, NO_NUMBERS], ids=["numbers", "no numbers"])
def test_lookup_equals_call(codes, numbers):
    items = random_encoder(codes, numbers)
    vectors = items(tf.range(V + 2), ROW_OF_INDEX)
    index = tf.constant([UNSEEN, 1, 3, UNSEEN, 2, UNSEEN], tf.int64)
    row = tf.constant([4, 1, 3, 0, 2, 5], tf.int64)
    np.testing.assert_allclose(items.lookup(vectors, index, row), items(index, row), rtol=1e-6)
    np.testing.assert_array_equal(items.lookup(None, index, row), items(index, row))


def test_lookup_of_nothing(items):
    nothing = tf.zeros([0], tf.int64)
    assert items.lookup(tf.zeros([V + 2, 4]), nothing, nothing).shape == (0, 4)


def test_an_item_starts_at_its_id_embedding():
    items = encoder()
    vectors = items(tf.range(V + 2), ROW_OF_INDEX)
    np.testing.assert_array_equal(vectors, items.get_weights()[0])
