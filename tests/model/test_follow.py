"""The follow term: inputs worked by hand, and that training does not see its target.

In the table 1 is followed by 2 (4 times of 7) and by 3 (2 times), 2 by 3 (3 times of 3).
"""

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import history, requests

from model.follow import FLOOR, FollowScorer
from model.followers import Followers

V = 4
COUNT = np.array([0, 9, 8, 7, 6, 100])
TABLE = Followers(
    np.array([0, 0, 2, 3, 3, 3, 3]),
    np.array([2, 3, 3]),
    np.array([4, 2, 3], np.float32),
    np.array([1, 2, 1, 1, 1, 1], np.float32),
    np.array([0, 7, 3, 0, 0, 0], np.float32),
)


@pytest.fixture(scope="module")
def scorer():
    return FollowScorer(COUNT, TABLE)


def inputs_of(scorer, users, positions):
    """{(row, item): inputs} of requests at positions of each user's history."""
    seen = []
    linear = scorer._score._linear
    scorer._score._linear = lambda x: seen.append(x.numpy()) or x[:, :1]
    try:
        at = requests(positions)
        place, score = scorer(history(users), at, tf.zeros([len(at.user), 4]))
    finally:
        scorer._score._linear = linear
    assert score.shape == (len(place),)
    return dict(zip(map(tuple, place.numpy().tolist()), seen[0], strict=True))


def by_hand(share, count, others, items):
    return [np.log(share + FLOOR), np.log1p(count), np.log1p(others) / 3, np.log1p(items)]


def test_what_follows_the_last_items(scorer):
    found = inputs_of(scorer, [[(0, [(4, 1)]), (1, [(1, 1), (2, 1)])]], [[2]])
    expected = {
        (0, 2): by_hand(4 / 8 / 2, 4, 8, 2),
        (0, 3): by_hand((2 / 8 + 3 / 4) / 2, 5, 7, 2),
    }
    assert found.keys() == expected.keys()
    for pair, inputs in expected.items():
        np.testing.assert_allclose(found[pair], inputs, rtol=1e-5)


def test_what_the_user_did_next_is_not_counted(scorer):
    """After 1 the user went on to 2: others did so 3 times of 6."""
    found = inputs_of(scorer, [[(0, [(1, 1)]), (1, [(2, 1), (4, 1)])]], [[1]])
    assert found.keys() == {(0, 2), (0, 3)}
    np.testing.assert_allclose(found[0, 2], by_hand(3 / 7, 3, 7, 1), rtol=1e-5)
    np.testing.assert_allclose(found[0, 3], by_hand(2 / 7, 2, 7, 1), rtol=1e-5)


def test_what_would_not_be_listed_without_the_user_is_not_scored(scorer):
    """3 follows 1 twice, once of it here, and only what does so twice is listed."""
    found = inputs_of(scorer, [[(0, [(1, 1)]), (1, [(3, 1)])]], [[1]])
    assert found.keys() == {(0, 2)}


def test_only_the_latest_engaged_items_of_the_session_before(scorer):
    users = [
        [(0, [(1, 1)]), (1, [(4, 1), (2, 0)])],  # 1 is a session too far, 2 was only shown.
        [(0, [(V + 1, 1)])],
        [],
        [(0, [(2, 1)]), (1, [(4, 1)])],
    ]
    assert inputs_of(scorer, users, [[2, 0], [1, 0], [0], [2, 1]]).keys() == {(6, 3)}


def test_nothing_was_counted():
    nothing = Followers(
        np.zeros(V + 3, np.int64),
        np.zeros(0, np.int64),
        np.zeros(0, np.float32),
        np.ones(V + 2, np.float32),
        np.zeros(V + 2, np.float32),
    )
    scorer = FollowScorer(COUNT, nothing)
    place, score = scorer(history([[(0, [(1, 1)])]]), requests([[1]]), tf.zeros([1, 4]))
    assert place.shape == (0, 2)
    assert score.shape == (0,)


def test_the_state_gates_the_score(scorer):
    users, at = history([[(0, [(2, 1)])]]), requests([[1]])
    scorer(users, at, tf.zeros([1, 4]))
    scorer._score._gate.set_weights([np.eye(4, 2), np.zeros(2)])
    [plain] = scorer(users, at, tf.zeros([1, 4])).score.numpy()
    [gated] = scorer(users, at, tf.constant([[np.log(2.0), 0.5, 0, 0]])).score.numpy()
    np.testing.assert_allclose(gated, 2 * plain + 0.5, rtol=1e-5)
