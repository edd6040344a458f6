"""The protocol on a log small enough to work by hand, and a servable beside the counters."""

import pytest
import tensorflow as tf

from benchmarks.quality import QualityRun, run_quality, served_lists
from tests.components.tiny_examples import serialize, write_tfrecord

# Sessions per item: a 3, b 2, c 1. With at least 2 the catalogue is a, b.
USERS = [
    ([[("a", 1)], [("a", 1), ("b", 1)]], [("b", 1), ("c", 1)]),  # c is dropped from the target.
    ([[("b", 1), ("c", 1)], [("a", 1)]], [("c", 1)]),  # Nothing is left: skipped.
]


class FirstItems(tf.Module):
    """A servable that recommends item-0, item-1 and so on, and the item b at rank `rank`."""

    def __init__(self, k: int, rank: int):
        super().__init__()
        items = [f"item-{index}" for index in range(k)]
        items[rank - 1] = "b"
        self._items = tf.constant([items])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        batch = tf.shape(examples)[0]
        return {"item_id": tf.repeat(self._items, batch, 0), "score": tf.zeros([batch, 1])}


def save(folder, **options) -> str:
    module = FirstItems(**options)
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})
    return str(folder)


def test_rows_of_counters_and_model(tmp_path):
    write_tfrecord(tmp_path / "split" / "data.gz", serialize(USERS))
    run = QualityRun(
        dataset="toy",
        examples=str(tmp_path / "split"),
        min_sessions_per_item=2,
        command="reproduce",
        servable=save(tmp_path / "model", k=30, rank=15),
    )
    rows = run_quality(run)
    values = {(row.method, row.metric): row.value for row in rows}
    # One user is evaluated: the target is {b}, second in both counters, 15th in the model.
    assert values["popularity", "mrr@10"] == 1 / 2
    assert values["personal-frequency", "ndcg@20"] == pytest.approx(0.6309298)
    assert values["sessionrec", "recall@10"] == 0
    assert values["sessionrec", "recall@20"] == 1
    assert values["sessionrec", "ndcg@20"] == pytest.approx(1 / 4)  # 1 / log2(16)
    assert {(row.low, row.high) for row in rows} == {(row.value, row.value) for row in rows}
    assert {row.command for row in rows} == {"reproduce"}


def test_nobody_to_evaluate(tmp_path):
    write_tfrecord(tmp_path / "split" / "data.gz", serialize(USERS))
    run = QualityRun("toy", str(tmp_path / "split"), min_sessions_per_item=9, command="")
    with pytest.raises(ValueError, match="at least 9 sessions"):
        run_quality(run)


def test_lists_shorter_than_the_cutoff_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: 10"):
        served_lists(save(tmp_path, k=10, rank=1), serialize(USERS))
