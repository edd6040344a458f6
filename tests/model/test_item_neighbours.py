"""The terms of neighbours: inputs worked by hand, and that training does not see its target.

In the table 1 goes with 2 (4 times of 7) and with 3 (2 times), 2 with 3 (3 times of 3).
"""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import history, requests, transformed

from model import item_neighbours as module
from model.item_neighbours import FLOOR, FollowScorer, TogetherScorer
from model.item_pairs import CompanionCounter, FollowerCounter, ItemPairs, engagements

V = 4
COUNT = np.array([0, 9, 8, 7, 6, 100])
TABLE = ItemPairs(
    np.array([0, 0, 2, 3, 3, 3, 3]),
    np.array([2, 3, 3]),
    np.array([4, 2, 3], np.float32),
    np.array([1, 2, 1, 1, 1, 1], np.float32),
    np.array([0, 7, 3, 0, 0, 0], np.float32),
)


# What each of them takes the counts of.
SCORERS = {FollowScorer: FollowerCounter, TogetherScorer: CompanionCounter}


@pytest.fixture(scope="module")
def scorer():
    return FollowScorer(COUNT, TABLE)


@pytest.fixture(scope="module")
def together():
    return TogetherScorer(COUNT, TABLE)


def inputs_of(scorer, users, positions):
    """{(row, item): inputs} of requests at positions of each user's history."""
    seen = []
    of_inputs = scorer._score
    scorer._score = lambda x, row, state: seen.append(x.numpy()) or x[:, 0]
    try:
        at = requests(positions)
        place, score = scorer(history(users), at, tf.zeros([len(at.user), 4]))
    finally:
        scorer._score = of_inputs
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


def test_what_is_beside_the_items_of_all_sessions(together):
    """4 goes with nothing, 1 was engaged twice, 2 was shown only."""
    users = [[(0, [(1, 1), (2, 0)]), (1, [(4, 1), (1, 1), (V + 1, 1)])]]
    found = inputs_of(together, users, [[2]])
    expected = {
        (0, 2): by_hand(2 * 4 / 8 / 3, 8, 8, 3),
        (0, 3): by_hand(2 * 2 / 8 / 3, 4, 7, 3),
    }
    assert found.keys() == expected.keys()
    for pair, inputs in expected.items():
        np.testing.assert_allclose(found[pair], inputs, rtol=1e-5)


def test_only_recent_items(together, monkeypatch):
    monkeypatch.setattr(module, "MOST_RECENT", 2)
    users = [[(0, [(2, 1)]), (1, [(1, 1), (4, 1)])], [], [(0, [(2, 1)])]]
    found = inputs_of(together, users, [[1, 2, 0], [0], [1]])
    assert found.keys() == {(0, 3), (1, 3), (4, 3)}
    np.testing.assert_allclose(found[1, 3], by_hand(2 / 8 / 2, 2, 7, 2), rtol=1e-5)


def test_only_what_is_new_to_the_user(together):
    """To others 2 is new, and to this one before the second session."""
    users = [[(0, [(1, 1)]), (1, [(2, 1)]), (2, [(4, 1)])], [(0, [(1, 1), (2, 0)])]]
    assert inputs_of(together, users, [[1, 2, 3], [1]]).keys() == {
        *((0, item) for item in (2, 3)),
        (1, 3),
        (2, 3),
        *((3, item) for item in (2, 3)),
    }


def test_what_was_together_in_the_session_to_predict_is_not_counted(together):
    """1 comes back, with 2: of seven sessions with 1, four of them with 2, one is this.

    Where 2 comes without 1 it is another four.
    """
    users = [[(0, [(1, 1)]), (1, [(1, 1), (2, 1)])], [(0, [(1, 1)]), (1, [(2, 1)])]]
    found = inputs_of(together, users, [[1], [1]])
    assert found.keys() == {(0, 2), (0, 3), (1, 2), (1, 3)}
    np.testing.assert_allclose(found[0, 2], by_hand(3 / 7, 3, 7, 1), rtol=1e-5)
    np.testing.assert_allclose(found[0, 3], by_hand(2 / 7, 2, 7, 1), rtol=1e-5)
    np.testing.assert_allclose(found[1, 2], by_hand(4 / 8, 4, 7, 1), rtol=1e-5)


items = st.lists(st.integers(1, V), min_size=1, max_size=3, unique=True)
sessions = st.lists(items, min_size=1, max_size=4)


@settings(deadline=None)
@given(sessions, st.lists(sessions, max_size=3), st.sampled_from(list(SCORERS)))
def test_a_target_that_was_counted_changes_nothing(user, others, scorer):
    """A training's request sees what it would if its target was not there yet."""

    def scored(of_user, positions):
        log = [
            [(day, [(item, 1) for item in session]) for day, session in enumerate(sessions)]
            for sessions in (of_user, *others)
        ]
        counter = SCORERS[scorer](V)
        counter.add(engagements(transformed(log), V))
        count = np.zeros(V + 2)
        for session in (session for sessions in (of_user, *others) for session in sessions):
            count[session] += 1
        return inputs_of(scorer(count, counter.pairs()), log[:1], [positions])

    before, after = scored(user, [len(user) - 1]), scored(user[:-1], [len(user) - 1])
    assert before.keys() == after.keys()
    for pair, inputs in after.items():
        np.testing.assert_allclose(before[pair], inputs, rtol=1e-5, atol=1e-6)


def test_nothing_was_counted():
    nothing = ItemPairs(
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
