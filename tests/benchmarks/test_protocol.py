"""The protocol on a log small enough to work by hand."""

import pytest

from benchmarks.protocol import load_task
from tests.components.tiny_examples import serialize, write_tfrecord

# Sessions per item: a 3, b 2, c 1. With at least 2 the catalogue is a, b.
A, B, C = ("a", 1), ("b", 1), ("c", 1)
HISTORIES = [[[A], [A, B]], [[B, C], [A]]]
TARGETS = [[B, C], [C]]  # c is dropped from the first target; nothing is left of the second.


@pytest.fixture
def folders(tmp_path):
    fit = serialize([(history, []) for history in HISTORIES])
    # The second request's user is the first: histories are matched by nothing but their order.
    requests = serialize(list(zip(HISTORIES, TARGETS, strict=True)))
    write_tfrecord(tmp_path / "fit" / "data.gz", fit)
    write_tfrecord(tmp_path / "requests" / "data.gz", requests)
    return str(tmp_path / "fit"), str(tmp_path / "requests")


def test_catalogue_and_targets(folders):
    task = load_task(*folders, min_sessions_per_item=2, every_target=False)
    assert [task.fit.item_ids[item] for item in task.popular] == [b"a", b"b"]
    assert (task.fit.users, task.requests.users) == (2, 2)
    assert task.users.tolist() == [0]
    assert [task.requests.item_ids[item] for item in task.targets[0]] == [b"b"]
    assert task.judged_examples == [task.examples[0]]


def test_every_target_counts_where_a_training_counts(folders):
    task = load_task(*folders, min_sessions_per_item=2, every_target=True)
    assert [task.fit.item_ids[item] for item in task.popular] == [b"a", b"b"]
    assert task.users.tolist() == [0, 1]
    found = [{task.requests.item_ids[item] for item in target} for target in task.targets]
    assert found == [{b"b", b"c"}, {b"c"}]
    best = task.positions([[b"b", b"a"], [b"b", b"a"]])
    assert task.metrics(best)["recall@10"].tolist() == [0.5, 0]


def test_lists_of_ids_are_judged_in_full(folders):
    task = load_task(*folders, min_sessions_per_item=2, every_target=False)
    ids = [b"unheard of"] * 14 + [b"b"] + [b"a"] * 5
    metrics = task.metrics(task.positions([ids]))
    assert metrics["recall@10"].tolist() == [0]
    assert metrics["recall@20"].tolist() == [1]
    assert metrics["ndcg@20"].tolist() == [pytest.approx(1 / 4)]  # 1 / log2(16)


def test_nobody_to_evaluate(folders):
    with pytest.raises(ValueError, match="at least 9 sessions"):
        load_task(*folders, min_sessions_per_item=9, every_target=False)
