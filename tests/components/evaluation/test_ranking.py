"""The ranking metrics, against values worked by hand and against their own bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.ranking import METRICS, hit_matrix, ranking_metrics

# The first list hits at ranks 1 and 3, the second at rank 4, the third never.
RECOMMENDED = [["a", "x", "b", "y"], ["x", "y", "z", "a"], ["x", "y", "z", "w"]]
RELEVANT = [{"a", "b", "c"}, {"a"}, {"a", "b"}]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("recall@3", [2 / 3, 0, 0]),
        ("recall@4", [2 / 3, 1, 0]),
        ("hit_rate@3", [1, 0, 0]),
        ("hit_rate@4", [1, 1, 0]),
        # Gains 1/log2(2) + 1/log2(4) = 1.5; ideal 1/log2(2) + 1/log2(3) + 1/log2(4) = 2.13093.
        ("ndcg@3", [1.5 / 2.1309298, 0, 0]),
        # The second list gains 1/log2(5) = 0.43068 of 1.
        ("ndcg@4", [1.5 / 2.1309298, 0.4306766, 0]),
        # With k = 1 the ideal list is one item long, although three are relevant.
        ("ndcg@1", [1, 0, 0]),
        ("precision@4", [2 / 4, 1 / 4, 0]),
        # Precision 1 at rank 1 and 2/3 at rank 3, over three relevant items.
        ("map@3", [(1 + 2 / 3) / 3, 0, 0]),
        ("map@4", [(1 + 2 / 3) / 3, 1 / 4, 0]),
        ("mrr@3", [1, 0, 0]),
        ("mrr@4", [1, 1 / 4, 0]),
    ],
)
def test_by_hand(metric, expected):
    values = ranking_metrics(RECOMMENDED, RELEVANT, (1, 3, 4))
    np.testing.assert_allclose(values[metric], expected, atol=1e-7)


def test_short_and_empty_lists_miss_what_they_do_not_hold():
    values = ranking_metrics([["a"], []], [{"a", "b"}, {"a"}], (10,))
    np.testing.assert_allclose(values["recall@10"], [1 / 2, 0])
    np.testing.assert_allclose(values["ndcg@10"], [1 / 1.6309298, 0])
    np.testing.assert_allclose(ranking_metrics([[]], [{"a"}], (5,))["mrr@5"], [0])


def test_a_repeated_item_counts_once():
    np.testing.assert_array_equal(hit_matrix([["a", "a", "b"]], [{"a", "b"}]), [[1, 0, 1]])


def test_a_request_without_target_is_refused():
    with pytest.raises(ValueError, match="request 1"):
        ranking_metrics([["a"], ["a"]], [{"a"}, set()], (1,))


items = st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=20)
targets = st.sets(st.integers(0, 30), min_size=1, max_size=10)


@given(items, targets, st.integers(1, 25))
def test_values_lie_between_0_and_1(recommended, relevant, k):
    for values in ranking_metrics([recommended], [relevant], (k,)).values():
        assert 0 <= values[0] <= 1 + 1e-12


@given(items, targets, st.integers(1, 20), st.randoms())
def test_order_beyond_the_cutoff_does_not_matter(recommended, relevant, k, random):
    tail = recommended[k:]
    random.shuffle(tail)
    before, after = (
        ranking_metrics([ids], [relevant], (k,)) for ids in (recommended, recommended[:k] + tail)
    )
    assert before == after


@given(targets, items, st.integers(1, 25))
def test_a_perfect_list_scores_1(relevant, others, k):
    perfect = [*relevant, *(item for item in others if item not in relevant)]
    values = ranking_metrics([perfect], [relevant], (k,))
    found = min(k, len(relevant))
    expected = {"recall": found / len(relevant), "map": found / len(relevant)}
    expected["precision"] = found / k
    for name in METRICS:
        assert values[f"{name}@{k}"][0] == pytest.approx(expected.get(name, 1))
