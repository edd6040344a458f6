"""Both counters on a log small enough to rank by eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_examples import serialize

from components.evaluation.counters import (
    counter_metrics,
    rank_by_popularity,
    recommend_personal,
    sessions_per_item,
    target_sets,
)
from components.evaluation.request_arrays import decode_requests


def sessions(*baskets: str):
    return [[(item, 1) for item in basket] for basket in baskets]


# Sessions per item: a 3, b 3, c 2, d 1; e is in a target only.
USERS = [
    (sessions("ab", "bc", "b"), sessions("be")[0]),
    (sessions("a", "cd"), sessions("d")[0]),
    (sessions("a"), sessions("e")[0]),
    ([], sessions("a")[0]),
]
REQUESTS = decode_requests(serialize(USERS))


def names(positions):
    return "".join(REQUESTS.item_ids[p].decode() if p >= 0 else "-" for p in positions)


def test_popularity_breaks_ties_by_item_id():
    assert sessions_per_item(REQUESTS).tolist() == [3, 3, 2, 1, 0]
    assert names(rank_by_popularity(REQUESTS)) == "abcd"
    assert names(rank_by_popularity(REQUESTS, 2)) == "abc"


@pytest.mark.parametrize(
    ("least", "k", "expected"),
    [
        # User 0: b 3 times, a and c once, so the more popular a first; d fills.
        (1, 4, ["bacd", "acdb", "abcd", "abcd"]),
        (1, 2, ["ba", "ac", "ab", "ab"]),
        # Without d in the catalogue; the lists end with the catalogue.
        (2, 4, ["bac-", "acb-", "abc-", "abc-"]),
    ],
)
def test_personal_frequency(least, k, expected):
    popular = rank_by_popularity(REQUESTS, least)
    lists = recommend_personal(REQUESTS, popular, k)
    assert [names(row) for row in lists] == expected


def test_restricted_targets_leave_out_items_and_users_outside_the_catalogue():
    users, targets = target_sets(REQUESTS, rank_by_popularity(REQUESTS))
    assert users.tolist() == [0, 1, 3]
    assert [names(sorted(target)) for target in targets] == ["b", "d", "a"]
    assert target_sets(REQUESTS)[0].tolist() == [0, 1, 2, 3]


def test_metrics():
    values = counter_metrics(REQUESTS, (1, 2))
    np.testing.assert_allclose(values["popularity"]["recall@1"], [0, 0, 0, 1])
    np.testing.assert_allclose(values["popularity"]["recall@2"], [1 / 2, 0, 0, 1])
    np.testing.assert_allclose(values["personal-frequency"]["recall@1"], [1 / 2, 0, 0, 1])


def test_nobody_to_evaluate():
    values = counter_metrics(decode_requests(serialize([([], [])])), (10,))
    assert len(values["popularity"]["recall@10"]) == 0


baskets = st.lists(st.text("abcdefgh", min_size=1, max_size=4), max_size=4)


@given(st.lists(baskets, min_size=1, max_size=5), st.integers(1, 10), st.integers(1, 2))
def test_lists_agree_with_a_sort_of_the_whole_catalogue(histories, k, least):
    requests = decode_requests(serialize([(sessions(*history), []) for history in histories]))
    popular = rank_by_popularity(requests, least)
    place = {requests.item_ids[p].decode(): rank for rank, p in enumerate(popular)}
    for history, row in zip(histories, recommend_personal(requests, popular, k), strict=True):
        count = {item: sum(item in basket for basket in history) for item in place}
        expected = sorted(place, key=lambda item: (-count[item], place[item]))[:k]
        assert [requests.item_ids[p].decode() for p in row if p >= 0] == expected
