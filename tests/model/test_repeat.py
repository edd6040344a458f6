"""The repeat term: which items it finds in a history, its sums worked by hand, and where it adds.

Alice  day 0: 1, 2 engaged, 3 shown | day 10: 1 engaged, 9 (outside the vocabulary) | day 30: 4
Bob    day 5: 2 engaged
"""

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import DAY, history, requests

from model.repeat import (
    SESSION_DECAYS,
    TIME_SCALES_DAYS,
    RepeatScorer,
    occurrences,
)

V = 8
ALICE = [(0, [(1, 1), (2, 1), (3, 0)]), (10, [(1, 1), (9, 1)]), (30, [(4, 1)])]
BOB = [(5, [(2, 1)])]


@pytest.fixture(scope="module")
def users():
    return history([ALICE, BOB])


@pytest.fixture(scope="module")
def scorer():
    return RepeatScorer(np.full(V + 2, 10))


def sums_by_hand(occurrences_of: list[tuple[int, float]]) -> list[float]:
    """Of an item that occurred (sessions ago, days ago): last session is 0 sessions ago."""
    return [
        len(occurrences_of),
        sum(age for age, _ in occurrences_of),
        *(sum(decay**age for age, _ in occurrences_of) for decay in SESSION_DECAYS),
        *(sum(np.exp(-days / scale) for _, days in occurrences_of) for scale in TIME_SCALES_DAYS),
    ]


def test_occurrences_of_engaged_items_of_the_vocabulary(users):
    found = occurrences(users, V)
    assert found.user.numpy().tolist() == [0, 0, 0, 0, 1]
    assert found.step.numpy().tolist() == [0, 0, 1, 2, 0]
    assert tf.gather(found.item, found.pair).numpy().tolist() == [1, 2, 1, 4, 2]
    assert found.item.numpy().tolist() == [1, 2, 4, 2]  # Alice's three, Bob's one.
    assert found.count.numpy().tolist() == [2, 1, 1, 1]


def test_an_item_twice_in_a_session_occurs_once():
    found = occurrences(history([[(0, [(1, 1), (1, 1)])]]), V)
    assert found.step.numpy().tolist() == [0]
    assert found.count.numpy().tolist() == [1]


def test_nobody_has_a_history(scorer):
    nobody = history([[], []])
    assert occurrences(nobody, V).item.shape == (0,)
    now = tf.constant([DAY, DAY], tf.int64)
    place, score = scorer(nobody, requests([[0], [0]]), now, tf.zeros([2, 4]))
    assert place.shape == (0, 2)
    assert score.shape == (0,)


def test_decayed_sums_by_hand(users, scorer):
    found = occurrences(users, V)
    now = tf.constant([30 * DAY, 40 * DAY, 6 * DAY, 5 * DAY], tf.int64)
    row, pair, sums = scorer._decayed_sums(users, found, requests([[2, 3], [1, 0]]), now)
    item = tf.gather(found.item, pair)
    expected = {
        # (target's row, item): sessions ago and days ago of each occurrence before the target.
        # Item 4 comes with row 0's target session only; before row 3, Bob's first, is nothing.
        (0, 1): [(1, 30), (0, 20)],
        (0, 2): [(1, 30)],
        (1, 1): [(2, 40), (1, 30)],
        (1, 2): [(2, 40)],
        (1, 4): [(0, 10)],
        (2, 2): [(0, 1)],
    }
    assert list(zip(row.numpy().tolist(), item.numpy().tolist(), strict=True)) == list(expected)
    hand = [sums_by_hand(ages) for ages in expected.values()]
    np.testing.assert_allclose(sums, hand, rtol=1e-4, atol=1e-6)


def test_scores_stand_at_the_target_and_the_item(users, scorer):
    now = tf.constant([10 * DAY, 40 * DAY, 5 * DAY, 6 * DAY], tf.int64)
    place, score = scorer(users, requests([[1, 3], [0, 1]]), now, tf.zeros([4, 4]))
    # Rows: Alice's targets are 0 and 1, Bob's 2 (no history yet: nothing) and 3.
    assert place.numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2], [1, 4], [3, 2]]
    assert score.shape == (6,)
    assert np.isfinite(score).all()


def test_the_work_does_not_grow_with_the_catalogue(users):
    wide = 1_000_000
    assert occurrences(users, wide).item.shape == (5,)  # Item 9 is in this vocabulary.
    now = tf.constant([40 * DAY, 6 * DAY], tf.int64)
    scorer = RepeatScorer(np.zeros(wide + 2))
    place, _ = scorer(users, requests([[3], [1]]), now, tf.zeros([2, 4]))
    assert place.shape == (5, 2)


def test_own_sessions_are_taken_out_of_an_items_popularity(users):
    """Item 1 of Alice: 10 sessions, 2 of them hers, score as 8 sessions of other users alone."""
    now = tf.constant([40 * DAY, 6 * DAY], tf.int64)
    popularity_input = -2
    inputs = []
    scorer = RepeatScorer(np.full(V + 2, 10))
    scorer._score = lambda x, row, state, bias: inputs.append(x.numpy()) or x[:, 0]
    scorer(users, requests([[3], [1]]), now, tf.zeros([2, 4]))
    expected = np.log1p([8, 9, 9, 9]) / 3
    np.testing.assert_allclose(inputs[0][:, popularity_input], expected, rtol=1e-6)
