"""TIFU-KNN and item-kNN by hand, on users of a few sessions."""

import numpy as np
import pytest
from scipy import sparse

from benchmarks.peers.neighbours import ItemKnn, TifuKnn, best_items
from components.evaluation.counters import rank_by_popularity
from components.evaluation.request_arrays import decode_requests
from tests.components.tiny_examples import serialize


def users(*histories: list[str]):
    """A user is a list of baskets, a basket a string of one-letter items."""
    return decode_requests(
        serialize([([[(item, 1) for item in basket] for basket in h], []) for h in histories])
    )


def names(requests, lists) -> list[str]:
    return ["".join(requests.item_ids[i].decode() if i >= 0 else "-" for i in row) for row in lists]


def test_tifu_vectors():
    """Three sessions in groups of two: the first group holds one."""
    method = TifuKnn(group_size=2, within_decay=0.5, group_decay=0.1)
    vectors = method._vectors(users(["a", "ab", "c"], ["a"])).toarray()
    # Latest group (ab, c): mean of 0.5 * ab and 1 * c; the one before, decayed by 0.1: a.
    # Mean of both groups: a (0.25 + 0.1) / 2, b 0.25 / 2, c 0.5 / 2.
    np.testing.assert_allclose(vectors, [[0.175, 0.125, 0.25], [1, 0, 0]])


def test_tifu_adds_the_mean_of_the_nearest_users():
    everyone = users(["ab"], ["ac"], ["ac"], ["d"])
    popular = rank_by_popularity(everyone)
    method = TifuKnn(group_size=1, neighbours=3, alpha=0.5)
    # User 0: own a, b; the nearest three are users 0, 1 and 2: a 1, b 1/3, c 2/3.
    # a 1/2 + 1/2, b 1/2 + 1/6, c 1/3, d 0.
    lists = method.recommend(everyone, everyone.of_users(0, 1), popular, 4)
    assert names(everyone, lists) == ["abcd"]
    own = TifuKnn(group_size=1, neighbours=3, alpha=1.0)
    # Without neighbours only d and what is equally unknown, by popularity, is left.
    assert names(everyone, own.recommend(everyone, everyone.of_users(3, 4), popular, 4)) == ["dacb"]


def test_item_similarities_are_cosines_over_sessions():
    # Sessions: ab, ab, ac, d. a is in 3, b in 2, c and d in 1.
    everyone = users(["ab", "ab"], ["ac", "d"])
    found = ItemKnn(neighbours=9)._similarity(everyone).toarray()
    expected = np.eye(4)
    expected[0, 1] = expected[1, 0] = 2 / np.sqrt(3 * 2)
    expected[0, 2] = expected[2, 0] = 1 / np.sqrt(3 * 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # The best of each row, itself left out.
    nearest = ItemKnn(neighbours=1, includes_itself=False)._similarity(everyone).toarray()
    expected = np.zeros([4, 4])
    expected[0, 1] = expected[1, 0] = 2 / np.sqrt(6)
    expected[2, 0] = 1 / np.sqrt(3)
    np.testing.assert_allclose(nearest, expected, rtol=1e-6)


@pytest.mark.parametrize(("decay", "expected"), [(1.0, "ca"), (0.01, "ac")])
def test_item_knn_weighs_sessions_by_their_age(decay, expected):
    # c is similar to d, a to b by as much; c's popularity is a's. d is twice as long ago as often.
    everyone = users(["ab"], ["cd"], ["d", "d", "b"])
    method = ItemKnn(decay=decay, includes_itself=False)
    lists = method.recommend(everyone, everyone.of_users(2, 3), np.array([0, 2]), 2)
    assert names(everyone, lists) == [expected]


def test_equal_scores_by_popularity_and_lists_that_end():
    score = sparse.csr_matrix([[0.0, 0.0, 1.0, 0.0]])
    assert best_items(score, np.array([3, 0, 2]), 5).tolist() == [[2, 3, 0, -1, -1]]
