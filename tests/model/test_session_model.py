"""What the model may look at: the past only, one user at a time; and new users."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import history, logits, make_random, requests, small_model, target

from model.losses import PADDING
from model.sequence_encoders import SEQUENCE_ENCODERS
from model.session_encoders import SESSION_ENCODERS

V = 6
ENCODERS = list(itertools.product(SESSION_ENCODERS, SEQUENCE_ENCODERS))
# Every encoder and every loss.
STEPS: list[dict] = [
    {"session_encoder": "mean", "sequence_encoder": "transformer", "rank_loss": "listmle"},
    {"session_encoder": "max", "sequence_encoder": "hstu", "rank_loss": "approx_ndcg"},
    {"session_encoder": "attention", "sequence_encoder": "gru", "retrieval_loss": "sampled"},
    {"session_encoder": "transformer", "sequence_encoder": "hstu", "shared_embedding": False},
    {"session_encoder": "attention", "sequence_encoder": "hybrid"},
]
USER = [(0, [(1, 1), (2, 0)]), (2, [(3, 1)]), (5, [(1, 1), (7, 1)]), (9, [(4, 1), (5, 0)])]
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}


def random_model(**options):
    # Counts of 0: the popularity that the repeat term reads is a user's own sessions less than the
    # item's count, which is the same number whatever the future only if the count changes too.
    model = small_model([0] * V, **options)
    make_random(model)
    # As with popularity: of so many, a user's own that are left out make no difference.
    for scorer in model.users._neighbours:
        for counts in (scorer._table.frequency, scorer._table.total):
            counts.assign(tf.fill(counts.shape, 1e8))
    return model


def states(model, users):
    events = model.items.lookup(None, users.index, users.row)
    return model.users.states(users, events).numpy()


def encoder_weights(model):
    layers = model.users._session_encoder, model.users._sequence_encoder
    return [weight for layer in layers for weight in layer.trainable_variables]


@pytest.fixture(scope="module", params=ENCODERS, ids=lambda pair: "-".join(pair))
def model(request):
    session, sequence = request.param
    return random_model(session_encoder=session, sequence_encoder=sequence)


@pytest.mark.parametrize(
    "future",
    [
        [(5, [(6, 1), (2, 1)]), (9, [(3, 0)])],
        [(5, [(1, 1), (7, 1)]), (80, [(4, 1), (5, 0)])],
        [(5, [(1, 1)])],
        [(5, [(1, 1)])] + [(6 + day, [(2, 1)]) for day in range(6)],
    ],
    ids=["items", "times", "fewer", "more"],
)
def test_the_future_changes_nothing(model, future):
    positions = [[0, 1, 2]]
    before = logits(model, history([USER]), positions)
    after = logits(model, history([USER[:2] + future]), positions)
    np.testing.assert_allclose(before, after, **TOLERANCE)


def test_states_of_the_past_are_the_same_to_the_last_digits(model):
    before = states(model, history([USER]))
    future = [(30, [(6, 1), (2, 1)]), (31, [(5, 0)]), (90, [(3, 1)])]
    after = states(model, history([USER[:2] + future]))
    np.testing.assert_allclose(before[:, :3], after[:, :3], rtol=0, atol=2e-6)
    assert np.abs(before[:, 3:] - after[:, 3:5]).max() > 1e-3


@pytest.mark.parametrize(
    "past",
    [[(0, [(5, 1), (2, 0)]), USER[1]], [(1, USER[0][1]), USER[1]], [(0, [(1, 1)]), USER[1]]],
    ids=["engaged item", "time", "shown item"],
)
def test_the_past_changes_the_scores(model, past):
    gap = 0.5 if past[0][0] else 0.0
    before = logits(model, history([USER]), [[2]])
    after = logits(model, history([[(gap, past[0][1]), *past[1:], *USER[2:]]]), [[2]])
    assert np.abs(before - after).max() > 1e-3


def test_the_time_of_the_request_counts_only_if_it_is_known(model):
    soon, late = (history([[*USER[:2], (day, [(1, 1)])]]) for day in (3, 9.3))
    at = [[2]]
    assert np.abs(logits(model, soon, at) - logits(model, late, at)).max() > 1e-3
    unknown = [logits(model, users, at, is_known=False) for users in (soon, late)]
    np.testing.assert_allclose(*unknown, **TOLERANCE)


def test_without_request_time_no_request_time_is_read():
    model = random_model(request_time=False)
    soon, late = (history([[*USER[:2], (day, [(1, 1)])]]) for day in (3, 9.3))
    np.testing.assert_allclose(logits(model, soon, [[2]]), logits(model, late, [[2]]), **TOLERANCE)


def test_a_user_alone_scores_as_beside_longer_ones(model):
    users = [USER[:1], USER * 2, [], USER[:3]]
    together = logits(model, history(users))
    for row, user in enumerate(users):
        np.testing.assert_allclose(logits(model, history([user]))[0], together[row], **TOLERANCE)


sessions = st.lists(
    st.tuples(st.integers(1, V + 1), st.integers(0, 1)),
    min_size=1,
    max_size=3,
    unique_by=lambda e: e[0],
)
histories = st.lists(st.tuples(st.integers(0, 3), sessions), max_size=5).map(
    lambda steps: [(sum(day for day, _ in steps[: n + 1]), s) for n, (_, s) in enumerate(steps)]
)
one_model = pytest.fixture(scope="module")(random_model)


@settings(max_examples=25, derandomize=True)
@given(user=histories, others=st.lists(histories, max_size=3), row=st.integers(0, 3))
def test_scores_do_not_depend_on_who_shares_the_batch(one_model, user, others, row):
    row = min(row, len(others))
    batch = [*others[:row], user, *others[row:]]
    alone, together = logits(one_model, history([user])), logits(one_model, history(batch))
    np.testing.assert_allclose(alone[0], together[row], **TOLERANCE)


def test_a_new_user_gets_popular_items_first():
    count = [5, 50, 1, 20, 7, 300]
    scores = logits(small_model(count), history([[]]))[0]
    assert np.argsort(-scores).tolist() == np.argsort(-np.array(count)).tolist()


def test_a_rare_item_starts_below_every_item_of_the_vocabulary():
    model = small_model([10, 300, 5000])
    bias = model.item_bias.numpy()
    assert bias[-1] < bias[1:-1].min()


def test_items_are_scored_by_vectors_of_their_own_unless_shared():
    shared, own = random_model(), random_model(shared_embedding=False, rank_weight=0.0)
    assert len(shared.item_vectors()) == 1
    read, scored = own.item_vectors()
    assert np.abs(read - scored).max() > 1e-3
    users = history([USER])
    reading = own.read(users, [read, scored], requests([[4]]))
    other = own.read(users, [read, tf.zeros_like(scored)], requests([[4]]))
    np.testing.assert_array_equal(reading.vector, other.vector)
    index, items = tf.range(1, V + 1, dtype=tf.int64), scored[1:-1]
    scores = own.scores(reading, index, items)
    difference = scores - own.scores(reading, index, tf.zeros_like(items))
    expected = tf.matmul(reading.vector, items, transpose_b=True)
    np.testing.assert_allclose(difference, expected, **TOLERANCE)
    loss = own.compute_loss((users, target([[4]], [[1]], [[1]])))
    np.testing.assert_allclose(loss, -tf.nn.log_softmax(scores)[0, 0], **TOLERANCE)


@pytest.mark.parametrize("options", STEPS, ids=lambda options: "-".join(map(str, options.values())))
def test_a_step_of_training_is_finite_and_moves_the_encoders(options):
    model = small_model([3] * V, **options)
    model.compile(tf.keras.optimizers.AdamW(0.01, global_clipnorm=5.0))
    before = [weight.numpy() for weight in encoder_weights(model)]
    users = history([USER, [], [(0, [(2, 0)]), (1, [(1, 1), (3, 0)])]])
    index = [[1, 2, 3], [4, 0, 0], [5, 0, 0], [1, 3, 0], [V + 1, 2, 0]]
    label = [[1, 0, 1], [1, -1, -1], [1, -1, -1], [1, 0, -1], [1, 1, -1]]
    batch = users, target([[1, 3], [0], [1, 0]], index, label)
    found = tf.function(model.train_step)(batch)
    assert np.isfinite(found["loss"])
    after = [weight.numpy() for weight in encoder_weights(model)]
    assert all(np.isfinite(weight).all() for weight in after)
    moved = [np.abs(old - new).max() > 0 for old, new in zip(before, after, strict=True)]
    assert np.mean(moved) > 0.9


@pytest.mark.parametrize("rank_weight", [0.5, 0.0])
def test_loss_is_the_mean_over_target_sessions(rank_weight):
    """Of three targets and one without an item: as the three, however they are put in batches."""
    model = small_model([3] * V, rank_weight=rank_weight)
    users = history([USER, USER[:1]])
    index = [[1, 2], [3, V + 1], [4, 0], [0, 0]]
    label = [[1, 0], [1, 1], [1, PADDING], [PADDING, PADDING]]
    whole = model.compute_loss((users, target([[1, 2], [0, 1]], index, label)))
    alone = [[[1], []], [[2], []], [[], [0]]]
    parts = [
        model.compute_loss((users, target(positions, [index[row]], [label[row]])))
        for row, positions in enumerate(alone)
    ]
    np.testing.assert_allclose(whole, np.mean(parts), rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_without_targets_has_loss_zero(training):
    model = small_model([3] * V)
    for none in target([[]], np.zeros([0, 0]), np.zeros([0, 0])), target([[0]], [[]], [[]]):
        assert float(model.compute_loss((history([USER]), none), training=training)) == 0.0
