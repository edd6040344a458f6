"""Sampled retrieval: its weights by hand, that it estimates the full loss, and what it may cost."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_gradients import value_and_gradient
from tiny_model import history, make_random, small_model, target

from model import candidates
from model.candidates import (
    Candidates,
    CandidateSampler,
    draw,
    is_sampled,
    whole_catalogue,
)
from model.config import ModelConfig
from model.losses import PADDING, retrieval_loss
from model.pair_scores import PairScores

V, OUT = 6, 7
COUNT = np.array([0, 8, 4, 2, 1, 1, 0, 1000])
USER = [(0, [(1, 1), (2, 0)]), (2, [(3, 1)]), (5, [(1, 1), (7, 1)]), (9, [(4, 1), (5, 0)])]
# Two target sessions: 1 and 3 engaged, 5 shown, one out of the vocabulary; 3 engaged.
INDEX = tf.constant([[1, 3, 5, OUT], [3, 0, 0, 0]], tf.int64)
POSITIVE = tf.constant([[True, True, False, False], [True, False, False, False]])


SEED = tf.constant([3, 5], tf.int64)
# Four draws of six items find one with this chance, and with it three of them: 3.1.
FOUND = 1 - (5 / 6) ** 4


def sampler(monkeypatch, ids: list[int], wanted: int = 3) -> CandidateSampler:
    """Always finds these vocabulary indices."""
    monkeypatch.setattr(candidates, "draw", lambda *_: tf.constant(ids, tf.int64) - 1)
    return CandidateSampler(ModelConfig(sampling="uniform", sampled_negatives=wanted), COUNT)


def loss(scores, found: Candidates, is_positive):
    listed = tf.gather(scores, found.column, batch_dims=1)
    return retrieval_loss(scores + found.log_weight, found.column, listed, is_positive)


def test_candidates_and_their_weights_by_hand(monkeypatch):
    # Sampled: 2, 3 and 6, each expected FOUND times. Positives of the batch: 1, 3 and 3.
    #   item               1          2     3    5     6     share of engagements: 8 4 2 1 0 of 16
    #   times drawn        1          1     3    0     1
    #   row 0 expects      -          FOUND -    -     FOUND + 1 other positive * share: 4/16
    #   row 1 expects      FOUND      FOUND -    -     FOUND + 2 others * share: 16/16, 8/16
    found = sampler(monkeypatch, [2, 3, 6])(INDEX, POSITIVE, None, SEED)
    assert found.index.numpy().tolist() == [1, 2, 3, 5, 6]
    assert found.column.numpy().tolist() == [[0, 2, 3, 0], [2, 0, 0, 0]]
    weight = np.exp(found.log_weight.numpy())
    expected = [
        [1, 1 / (FOUND + 4 / 16), 1, 0, 1 / FOUND],
        [1 / (FOUND + 16 / 16), 1 / (FOUND + 8 / 16), 1, 0, 1 / FOUND],
    ]
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


def test_items_of_a_rows_pairs_are_candidates_of_weight_1_for_it_alone(monkeypatch):
    # As above, with pairs of row 0 and items 4, 2 and, twice, 1; and of row 1 and items 5 and 3.
    # Item 4 was not drawn, so it is no candidate of row 1; 5, which was only shown, none of row 0.
    place = tf.constant([[0, 4], [0, 2], [0, 1], [0, 1], [1, 5], [1, 3]], tf.int64)
    pairs = PairScores(place, tf.zeros([6]))
    found = sampler(monkeypatch, [2, 3, 6])(INDEX, POSITIVE, pairs, SEED)
    assert found.index.numpy().tolist() == [1, 2, 3, 4, 5, 6]
    assert found.column.numpy().tolist() == [[0, 2, 4, 0], [2, 0, 0, 0]]
    expected = [
        [1, 1, 1, 1, 0, 1 / FOUND],
        [1 / (FOUND + 16 / 16), 1 / (FOUND + 8 / 16), 1, 0, 1, 1 / FOUND],
    ]
    np.testing.assert_allclose(np.exp(found.log_weight.numpy()), expected, rtol=1e-6)


def test_with_every_item_drawn_once_the_sampled_loss_is_the_full_loss(monkeypatch):
    # One target session, so no other target is in the batch; its positives are 1 and 3.
    # softmax of log 1, log 2, log 3, log 4, log 5, log 6: 1/21 .. 6/21.
    # So many draws that every item is found.
    monkeypatch.setattr(candidates, "MOST_DRAWS", 1000)
    sample = sampler(monkeypatch, [3, 1, 2, 6, 5, 4], wanted=6)
    found = sample(INDEX[:1], POSITIVE[:1], None, SEED)
    logits = [[np.log(item) for item in range(1, V + 1)]]

    def sampled(scores):
        return loss(scores, found, POSITIVE[:1])

    def full(scores):
        return loss(scores, whole_catalogue(INDEX[:1], V), POSITIVE[:1])

    value, gradient = value_and_gradient(sampled, logits)
    np.testing.assert_allclose(value, [-(np.log(1 / 21) + np.log(3 / 21)) / 2], rtol=1e-6)
    full_value, full_gradient = value_and_gradient(full, logits)
    np.testing.assert_allclose(value, full_value, rtol=1e-6)
    np.testing.assert_allclose(gradient, full_gradient, atol=1e-6)


def test_a_sessions_own_positives_are_not_its_negatives(monkeypatch):
    """Items 1 and 3 are sampled as well and weigh as positives do; shown items have no gradient."""
    found = sampler(monkeypatch, [1, 3, 2])(INDEX, POSITIVE, None, SEED)
    scores = np.zeros([2, 4])
    _, gradient = value_and_gradient(lambda s: loss(s, found, POSITIVE), scores)
    weight = np.array(
        [[1, 1 / (FOUND + 4 / 16), 1, 0], [2 / (FOUND + 16 / 16), 1 / (FOUND + 8 / 16), 1, 0]]
    )
    share = weight / weight.sum(axis=1, keepdims=True)
    is_positive = np.array([[0.5, 0, 0.5, 0], [0, 0, 1, 0]])
    np.testing.assert_allclose(gradient, share - is_positive, atol=1e-6)
    assert (gradient[:, 3] == 0.0).all()


@pytest.mark.parametrize("paired", [[], [2, 17, 40]])
@pytest.mark.parametrize("sampling", candidates.SAMPLING)
def test_the_weighted_sample_estimates_the_softmaxs_denominator(sampling, paired):
    size, rows, rounds = 40, 3, 3000
    place = tf.constant([[0, item] for item in paired], tf.int64, [len(paired), 2])
    pairs = PairScores(place, tf.zeros([len(paired)]))
    generator = np.random.default_rng(0)
    count = np.array([0, *sorted(generator.integers(1, 100, size), reverse=True), 0])
    share = count[1:-1] / count.sum()
    config = ModelConfig(sampling=sampling, sampled_negatives=8)
    score = tf.constant(generator.normal(size=size), tf.float32)
    sample = CandidateSampler(config, count)

    @tf.function
    def estimate(index, seed):
        found = sample(index, tf.ones_like(index, tf.bool), pairs, seed)
        weighted = tf.gather(score, found.index - 1) + found.log_weight
        return tf.reduce_sum(tf.exp(weighted), axis=1)

    found = []
    for seed in range(rounds):
        positives = np.r_[1, 1 + generator.choice(size, rows - 1, p=share)][:, np.newaxis]
        found.append(estimate(tf.constant(positives), tf.constant([0, seed], tf.int64))[0])
    np.testing.assert_allclose(np.mean(found), np.exp(score).sum(), rtol=0.03)


@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12),
    st.integers(1, 12),
    st.integers(0, 2**31),
)
@settings(max_examples=50, deadline=None)
def test_what_is_drawn_is_where_uniform_numbers_fall(weights, draws, seed):
    bounds = np.cumsum(np.array(weights) / np.sum(weights))[:-1]
    found = draw(tf.constant(bounds), draws, tf.constant([seed, 1], tf.int64)).numpy().tolist()
    uniform = tf.random.stateless_uniform([draws], [seed, 1], dtype=tf.float64).numpy()
    expected = [sum(value >= bound for bound in bounds) for value in uniform]
    assert found == list(dict.fromkeys(expected))


@pytest.mark.parametrize(
    ("sampling", "wanted", "draws", "chance"),
    [
        # 3 * (1 - (2/3)^d) is 1, 1.67 and 2.11 after one, two and three draws.
        ("uniform", 2, 3, [1 / 3] * 3),
        # log(2/1), log(3/2) and log(4/3) of log 4 are .5, .292 and .208: 1, 1.62 and 2.02.
        ("log-uniform", 2, 3, np.log([2, 3 / 2, 4 / 3]) / np.log(4)),
        # All are never sure to be found.
        ("uniform", 9, 12, [1 / 3] * 3),
    ],
)
def test_so_many_draws_find_as_many_items_as_are_wanted(sampling, wanted, draws, chance):
    config = ModelConfig(sampling=sampling, sampled_negatives=wanted)
    made = CandidateSampler(config, np.array([0, 3, 2, 1, 0]))
    assert made._draws == draws
    np.testing.assert_allclose(made._expected, 1 - (1 - np.array(chance)) ** draws, rtol=1e-6)


@pytest.fixture
def batch():
    index = [[1, 2, OUT], [3, 0, 0], [4, 5, 0], [0, 0, 0]]
    label = [[1, 0, 1], [1, PADDING, PADDING], [1, 0, PADDING], [PADDING] * 3]
    return history([USER, USER[:1]]), target([[2, 1], [1, 0]], index, label)


def random_model(**options):
    model = small_model([8, 4, 2, 1, 1, 1], rank_weight=0.5, **options)
    make_random(model)
    return model


@pytest.mark.parametrize(
    ("name", "items", "expected"),
    [
        ("auto", 50_000, False),
        ("auto", 50_001, True),
        ("full", 90_000, False),
        ("sampled", 3, True),
    ],
)
def test_a_large_catalogue_is_sampled_unless_the_configuration_says(name, items, expected):
    assert is_sampled(name, items) is expected


@pytest.mark.parametrize("options", [{}, {"repeat": False}, {"shared_embedding": False}])
def test_a_model_scores_candidates_as_it_scores_the_catalogue(batch, options):
    """With all items sampled, and each expected as often as it is drawn."""
    model = random_model(retrieval_loss="sampled", **options)

    def everything(index, is_positive, pairs, seed):
        del is_positive, pairs, seed
        return whole_catalogue(index, V)

    full = model.compute_loss(batch)
    model._sampler = everything
    np.testing.assert_allclose(model.compute_loss(batch, training=True), full, rtol=1e-5)


def test_gradients_are_finite(batch):
    model = random_model(retrieval_loss="sampled", sampled_negatives=2)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, training=True)
    assert np.isfinite(loss)
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert gradient is None or np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_training_computes_nothing_for_the_whole_catalogue(batch):
    """Nothing is as wide as the catalogue but the weights, which are gathered from."""
    size = 97
    wide = {}
    for name in ("sampled", "full"):
        model = small_model([1] * size, retrieval_loss=name, sampled_negatives=2)
        graph = tf.function(lambda m=model: m.compute_loss(batch, training=True))
        operations = graph.get_concrete_function().graph.get_operations()
        wide[name] = {
            operation.type
            for operation in operations
            for output in operation.outputs
            if output.shape.rank and {size, size + 2} & set(output.shape.as_list())
        }
    assert "MatMul" in wide["full"]
    assert wide["sampled"] <= {"Const", "Placeholder", "ReadVariableOp"}


def test_a_batch_without_targets_has_loss_zero():
    model = random_model(retrieval_loss="sampled")
    for none in target([[]], np.zeros([0, 0]), np.zeros([0, 0])), target([[0]], [[]], [[]]):
        assert float(model.compute_loss((history([USER]), none), training=True)) == 0.0


def test_validation_reads_the_whole_catalogue(batch):
    sampled = random_model(retrieval_loss="sampled", sampled_negatives=1)
    full = random_model()
    np.testing.assert_allclose(sampled.compute_loss(batch), full.compute_loss(batch), rtol=1e-6)
