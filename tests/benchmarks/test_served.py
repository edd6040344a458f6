"""Lists and orders asked of a servable."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.served import recommended, shown_ndcg
from tests.components.tiny_examples import serialize


class Servable(tf.Module):
    """Recommends item-0, item-1 and so on; ranks by the order of the alphabet, a first."""

    def __init__(self, k: int):
        super().__init__()
        self._items = tf.constant([[f"item-{index}" for index in range(k)]])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        return {"item_id": tf.repeat(self._items, tf.shape(examples)[0], 0)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="examples"),
            tf.TensorSpec([None, None], tf.string, name="candidate_item_id"),
        ]
    )
    def rank(self, examples, candidate_item_id):
        del examples
        code = tf.strings.unicode_decode(candidate_item_id, "UTF-8").to_tensor(-1)[:, :, 0]
        return {"score": -tf.cast(code, tf.float32)}


def signatures(module: Servable) -> dict:
    return {"serving_default": module.serve, "rank": module.rank}


def test_lists_are_cut():
    servable = Servable(30)
    [ids] = recommended(signatures(servable), [b""])
    assert ids == [f"item-{index}".encode() for index in range(20)]


def test_lists_shorter_than_the_cutoff_are_refused():
    servable = Servable(10)
    with pytest.raises(ValueError, match="Received: 10"):
        recommended(signatures(servable), [b""])


def test_order_of_what_was_shown():
    examples = serialize(
        [
            ([], [("a", 1), ("b", 0), ("c", 0)]),  # The engaged one first: 1.
            ([], [("c", 1), ("b", 0), ("b", 1), ("a", 0)]),  # Second and third.
            ([], [("a", 1)]),  # Nothing to order.
            ([], [("a", 0)]),
        ]
    )
    second, third = 1 / np.log2(3), 1 / np.log2(4)
    expected = [1.0, (second + third) / (1 + second)]
    servable = Servable(30)
    np.testing.assert_allclose(shown_ndcg(signatures(servable), examples), expected)
