"""Pairs as single numbers."""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from model.pair_keys import keys_of, pairs_of, positions

V = 6
pairs = st.tuples(st.integers(0, 50), st.integers(0, V + 1))


def numbers(*values: int) -> tf.Tensor:
    return tf.constant(values, tf.int64)


@given(pairs=st.lists(pairs, min_size=1, max_size=20))
def test_keys_are_in_the_order_of_pairs_and_lead_back_to_them(pairs):
    rows, indices = (numbers(*values) for values in zip(*pairs, strict=True))
    keys = keys_of(rows, indices, V)
    back = zip(*(values.numpy().tolist() for values in pairs_of(keys, V)), strict=True)
    assert list(back) == pairs
    order = sorted(range(len(pairs)), key=lambda place: pairs[place])
    np.testing.assert_array_equal(np.argsort(keys, kind="stable"), order)


def test_positions():
    found = positions(numbers(3, 0, 9), numbers(9, 4, 3))
    assert found.numpy().tolist() == [2, -1, 0]
    assert positions(numbers(3), numbers()).numpy().tolist() == [-1]
