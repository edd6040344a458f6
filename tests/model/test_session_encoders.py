"""Each ISE alone: order, roles, empty sessions, gradients; the poolings by hand.

Session 0 engaged items 0 and, last, 1 and showed item 2, session 1 is empty, session 2 only showed
items, session 3 engaged one.
"""

import numpy as np
import pytest
import tensorflow as tf

from model.config import ModelConfig
from model.session_encoders import SESSION_ENCODERS
from model.session_encoders.pooling import AttentionPool, MaxPool, MeanPool

DIM, COUNT = 4, 4
CONFIG = ModelConfig(dim=DIM, heads=2, dropout=0.5)
SESSION = np.array([0, 0, 0, 2, 2, 3])
ENGAGED = np.array([1, 1, 0, 0, 0, 1], bool)
LAST = np.array([0, 1, 0, 0, 0, 1], bool)
VECTORS = np.random.default_rng(0).normal(size=[6, DIM]).astype(np.float32)


def made(name: str, config: ModelConfig = CONFIG):
    tf.keras.utils.set_random_seed(0)
    encoder = SESSION_ENCODERS[name](config)
    encode(encoder)
    generator = np.random.default_rng(0)
    for weight in encoder.trainable_variables:
        weight.assign_add(generator.normal(0.0, 0.3, weight.shape).astype(np.float32))
    return encoder


def encode(
    encoder, vectors=VECTORS, engaged=ENGAGED, last=LAST, session=SESSION, count=COUNT, **options
):
    return encoder(
        tf.constant(vectors),
        tf.constant(engaged),
        tf.constant(last),
        tf.constant(session, tf.int64),
        count,
        **options,
    ).numpy()


@pytest.fixture(scope="module", params=SESSION_ENCODERS)
def encoder(request):
    return made(request.param)


def test_the_order_of_a_sessions_items_changes_nothing(encoder):
    for order in ([2, 0, 1, 4, 3, 5], [1, 2, 0, 3, 4, 5]):
        again = encode(encoder, VECTORS[order], ENGAGED[order], LAST[order])
        np.testing.assert_allclose(encode(encoder), again, atol=1e-6)


def test_the_order_changes_nothing_where_a_session_is_longer_than_what_attends():
    encoder = made("transformer", CONFIG.model_copy(update={"session_items": 2}))
    order = [2, 1, 0, 4, 3, 5]
    again = encode(encoder, VECTORS[order], ENGAGED[order], LAST[order])
    np.testing.assert_allclose(encode(encoder), again, atol=1e-6)
    for event in range(3):
        changed = VECTORS.copy()
        changed[event] += 1.0
        assert np.abs(encode(encoder, changed)[0] - encode(encoder)[0]).max() > 1e-3


def test_engaged_and_shown_items_are_told_apart(encoder):
    other = encode(encoder, engaged=np.array([1, 0, 1, 0, 1, 0], bool))
    moved = np.abs(encode(encoder) - other).max(axis=1) > 1e-3
    assert moved.tolist() == [True, False, True, True]


def test_what_came_last_counts_unless_it_is_configured_away(encoder):
    first = LAST.copy()
    first[:2] = [True, False]
    moved = np.abs(encode(encoder, last=first) - encode(encoder)).max(axis=1) > 1e-3
    assert moved.tolist() == [True, False, False, False]
    without = made("mean", CONFIG.model_copy(update={"last_items": False}))
    np.testing.assert_array_equal(encode(without, last=first), encode(without))


def test_a_session_is_encoded_as_it_would_be_alone(encoder):
    together = encode(encoder)
    for session in range(COUNT):
        own = session == SESSION
        flags = ENGAGED[own], LAST[own]
        alone = encode(encoder, VECTORS[own], *flags, np.zeros(own.sum(), int), 1)
        np.testing.assert_allclose(alone[0], together[session], atol=1e-6)
    assert np.isfinite(together).all()


@pytest.mark.parametrize("count", [0, 2])
def test_without_any_event(encoder, count):
    nothing = encode(encoder, VECTORS[:0], ENGAGED[:0], LAST[:0], SESSION[:0], count)
    assert nothing.shape == (count, DIM)
    assert np.isfinite(nothing).all()


@pytest.mark.parametrize("scale", [1.0, 0.0, 1e4], ids=["usual", "all the same", "large"])
def test_gradients_are_finite_and_reach_the_items(encoder, scale):
    vectors = tf.Variable(VECTORS * scale)
    encoder_input = (tf.constant(ENGAGED), tf.constant(LAST), tf.constant(SESSION), COUNT)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(vectors, *encoder_input) ** 2)
    found = tape.gradient(loss, [vectors, *encoder.trainable_variables])
    found = [tf.convert_to_tensor(gradient).numpy() for gradient in found]
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert np.abs(found[0]).max(axis=1)[SESSION == 3] > 0


def test_dropout_is_off_unless_training():
    encoder = made("transformer")
    np.testing.assert_array_equal(encode(encoder), encode(encoder, training=False))
    assert not np.allclose(encode(encoder), encode(encoder, training=True))


def pooled(pool) -> list:
    vectors, session = tf.constant([[1.0, 4.0], [3.0, -2.0], [-5.0, 0.0]]), tf.constant([0, 0, 2])
    return pool(vectors, session, 3).numpy().tolist()


def test_poolings_by_hand():
    assert pooled(MeanPool()) == [[2, 1], [0, 0], [-5, 0]]
    assert pooled(MaxPool()) == [[3, 4], [0, 0], [-5, 0]]


def test_attention_by_hand():
    # Hidden layer: tanh of the first number; query log(3) / (tanh 3 - tanh 1): weights 1/4, 3/4.
    pool = AttentionPool()
    pooled(pool)
    pool._hidden.set_weights([np.array([[1, 0], [0, 0]], np.float32), np.zeros(2, np.float32)])
    query = np.log(3) / (np.tanh(3) - np.tanh(1))
    pool._query.set_weights([np.array([[query], [0]], np.float32)])
    expected = [[0.25 * 1 + 0.75 * 3, 0.25 * 4 - 0.75 * 2], [0, 0], [-5, 0]]
    np.testing.assert_allclose(pooled(pool), expected, rtol=1e-5)
