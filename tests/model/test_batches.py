"""Which sessions become targets, with which labels, and what of the history is kept."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import DAY, transformed

from model.batches import evaluation_batches, numbered, training_batches, with_targets
from model.history import from_transformed
from model.losses import PADDING
from model.paradigms import PARADIGMS
from model.preprocessing import EVENT_TIME

V = 5
ONLY_SHOWN, ONLY_RARE = [(3, 0)], [(V + 1, 1), (2, 0)]
USER = [(0, [(1, 1), (2, 0)]), (1, ONLY_SHOWN), (2, ONLY_RARE), (3, [(4, 1), (V + 1, 1)])]
USABLE = {0: ([1, 2], [1, 0]), 3: ([4, V + 1], [1, 1])}


def read(users, seed=0, **options):
    options = {
        "arrange": PARADIGMS["next-session"],
        "max_sessions": 100,
        "targets_per_user": 3,
        "unknown_request_time": 0.5,
    } | options
    # A user is one element, so that users of any length can be put in batches of two.
    data = tf.data.Dataset.from_tensor_slices(transformed(users)).ragged_batch(2)
    return list(training_batches(numbered(data, seed), vocabulary_size=V, **options))


def listed(targets, row: int) -> dict[int, tuple[list[int], list[int]]]:
    """{position: (items, labels)} of the targets of a user."""
    found = {}
    user, position, _ = targets.requests
    for target in np.flatnonzero(user.numpy() == row):
        index, label = targets.index[target].numpy(), targets.label[target].numpy()
        is_item = label != PADDING
        assert (index[~is_item] == 0).all()
        found[int(position[target])] = (index[is_item].tolist(), label[is_item].tolist())
    return found


def test_targets_are_the_sessions_with_an_engaged_item_of_the_vocabulary():
    [(history, targets)] = read([USER, USER[:1]])
    assert listed(targets, 0) == USABLE
    assert listed(targets, 1) == {0: USABLE[0]}
    assert history.length.numpy().tolist() == [4, 1]
    places = targets.requests.place
    assert places.dtype == targets.index.dtype == targets.label.dtype == tf.int64


def test_a_user_without_a_usable_session_has_no_target():
    [(_, targets)] = read([USER, [(0, ONLY_SHOWN)]])
    assert targets.requests.user.numpy().tolist() == [0] * len(USABLE)


@pytest.mark.parametrize("users", [[USER, []], [[], USER], [[]]], ids=["last", "first", "alone"])
def test_a_user_without_sessions(users):
    [(history, targets)] = read(users)
    row = users.index([])
    assert history.length[row] == 0
    assert not listed(targets, row)


def test_no_more_targets_than_asked_for():
    user = [(day, [(1, 1)]) for day in range(10)]
    [(_, targets)] = read([user], targets_per_user=3)
    assert len(listed(targets, 0)) == 3


def test_sampling_repeats_with_its_seed_only():
    users = [[(day, [(1, 1)]) for day in range(30)]] * 4

    def drawn(seed):
        return [(*targets.requests[1:], targets.seed) for _, targets in read(users, seed=seed)]

    tf.nest.map_structure(np.testing.assert_array_equal, drawn(1), drawn(1))
    first, other = drawn(1), drawn(2)
    assert (first[0][0].numpy() != other[0][0].numpy()).any()
    seeds = [tuple(found[-1].numpy()) for found in first + other]
    assert len(set(seeds)) == len(seeds) == 4
    assert (first[0][0].numpy() != first[1][0].numpy()).any()  # Each batch draws anew.


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_request_time_is_hidden_from_a_share_of_targets(share):
    users = [[(day, [(1, 1)]) for day in range(50)]] * 40
    known = [
        targets.requests.is_time_known
        for _, targets in read(users, targets_per_user=50, unknown_request_time=share)
    ]
    assert 1 - np.mean(known) == pytest.approx(share, abs=0.05)


def test_the_most_recent_sessions_are_kept():
    [(history, targets)] = read([USER, USER[:1]], max_sessions=2)
    assert history.length.numpy().tolist() == [2, 1]
    assert history.index.numpy().tolist() == [V + 1, 2, 4, V + 1, 1, 2]
    assert (history.visit_time.numpy() // DAY).tolist() == [[2, 3, 4], [0, 1, 0]]
    # Positions count from the first session kept.
    assert listed(targets, 0) == {1: USABLE[3]}


def test_evaluation_predicts_the_target_after_the_whole_history():
    data = tf.data.Dataset.from_tensors(transformed([USER, []], [[(2, 1), (3, 0)], [(V + 1, 1)]]))
    [(history, targets)] = evaluation_batches(data, max_sessions=2)
    assert history.length.numpy().tolist() == [2, 0]
    assert targets.requests.place.numpy().tolist() == [[0, 2], [1, 0]]
    assert targets.requests.is_time_known.numpy().tolist() == [True, True]
    assert targets.index.numpy().tolist() == [[2, 3], [V + 1, 0]]
    assert targets.label.numpy().tolist() == [[1, 0], [1, PADDING]]


@pytest.mark.parametrize(
    ("targets", "number"),
    [
        pytest.param([[], [(2, 0), (3, 1)], []], 3, id="one engaged"),
        pytest.param([[], [(2, 0), (3, 0)], []], None, id="only shown"),
        pytest.param([[], [], []], None, id="none"),
    ],
)
def test_batches_are_for_validation_if_any_has_an_engaged_target(targets, number):
    data = tf.data.Dataset.from_tensors(transformed([USER] * 3, targets)).unbatch().ragged_batch(1)
    found = with_targets(evaluation_batches(data, max_sessions=2))
    assert (found and int(found.cardinality())) == number


def test_history_places():
    users = from_transformed(transformed([USER[:2], [], USER[3:]]), 100)
    assert users.user.numpy().tolist() == [0, 0, 2]
    assert users.step.numpy().tolist() == [0, 1, 0]
    assert users.session.numpy().tolist() == [0, 0, 1, 2, 2]
    assert users.is_engaged.numpy().tolist() == [True, False, False, True, True]
    steps = users.to_steps(tf.constant([[1.0], [2.0], [3.0]]))
    assert steps.numpy()[:, :, 0].tolist() == [[1, 2], [0, 0], [3, 0]]


def test_the_last_engaged_items_of_a_session_are_those_of_its_latest_time():
    user = [(0, [(1, 1), (2, 1), (3, 0)]), (1, [(4, 0)]), (2, [(5, 1), (6, 1)])]
    inputs = transformed([user, []])
    times = inputs[EVENT_TIME]
    inputs[EVENT_TIME] = times.with_flat_values(tf.constant([30, 50, 70, 1, 20, 20], tf.int64))
    users = from_transformed(inputs, 100)
    assert users.is_last.numpy().tolist() == [False, True, False, False, True, True]
