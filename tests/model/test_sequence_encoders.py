"""Each SSE alone: what a state may depend on; HSTU's attention and time buckets by hand."""

import numpy as np
import pytest
import tensorflow as tf

from model.config import ModelConfig
from model.sequence_encoders import SEQUENCE_ENCODERS
from model.sequence_encoders.hstu import TIME_BUCKETS, HstuBlock, time_buckets

DIM, STEPS, DAY = 4, 5, 86_400
CONFIG = ModelConfig(dim=DIM, layers=2, heads=2, dropout=0.5)
TIMES = tf.constant([[0, 0, DAY, 3 * DAY, 4 * DAY]], tf.int64)


def steps(seed: int = 0, count: int = STEPS) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=[1, count, DIM]), tf.float32)


@pytest.fixture(scope="module", params=SEQUENCE_ENCODERS)
def encoder(request):
    tf.keras.utils.set_random_seed(0)
    made = SEQUENCE_ENCODERS[request.param](CONFIG, STEPS)
    made(steps(), TIMES)
    generator = np.random.default_rng(0)
    for weight in made.trainable_variables:
        weight.assign_add(generator.normal(0.0, 0.3, weight.shape).astype(np.float32))
    return made


def test_a_state_depends_on_its_steps_only(encoder):
    x, other = steps(), steps(1)
    later = tf.concat([x[:, :3], other[:, 3:]], axis=1)
    times = tf.concat([TIMES[:, :3], [[9 * DAY, 0]]], axis=1)
    before, after = encoder(x, TIMES).numpy(), encoder(later, times).numpy()
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 1e-3
    np.testing.assert_allclose(before[:, :3], encoder(x[:, :3], TIMES[:, :3]), atol=1e-6)


def test_every_state_sees_its_whole_past(encoder):
    x = tf.Variable(steps())
    for step in range(STEPS):
        with tf.GradientTape() as tape:
            state = tf.reduce_sum(encoder(x, TIMES)[:, step] * steps(2)[:, step])
        moved = np.abs(tape.gradient(state, x).numpy()[0]).max(axis=1) > 0
        assert moved.tolist() == [other <= step for other in range(STEPS)]


def test_one_step_and_no_user(encoder):
    assert encoder(steps(count=1), TIMES[:, :1]).shape == (1, 1, DIM)
    assert encoder(tf.zeros([0, 3, DIM]), tf.zeros([0, 3], tf.int64)).shape == (0, 3, DIM)


def test_dropout_is_on_in_training_only(encoder):
    np.testing.assert_array_equal(encoder(steps(), TIMES), encoder(steps(), TIMES, training=False))
    assert not np.allclose(encoder(steps(), TIMES), encoder(steps(), TIMES, training=True))


def test_only_hstu_reads_the_time_between_visits():
    for name, build in SEQUENCE_ENCODERS.items():
        made = build(CONFIG, STEPS)
        made(steps(), TIMES)
        for weight in made.trainable_variables:
            if "by_time" in weight.name:
                weight.assign(tf.random.stateless_normal(weight.shape, [0, 1]))
        is_same = np.allclose(made(steps(), TIMES), made(steps(), 7 * TIMES))
        assert is_same == (name != "hstu")


def test_time_buckets_by_hand():
    # Two a doubling: 1 s is 0, 2 s is 2, 3 s is 2 log2(3) = 3.2, 64 s is 12; no time is 0.
    times = tf.constant([[0, 1, 2, 3, 64, 1 << 40]], tf.int64)
    found = time_buckets(times).numpy()[0]
    assert found[:5, 0].tolist() == [0, 0, 2, 3, 12]
    assert found[5, 0] == TIME_BUCKETS - 1
    assert found[0].tolist() == [0] * 6  # Of the future nothing is told.


def test_an_hstu_block_by_hand():
    """Equations 1 to 3 of the paper in NumPy, one head of width 2, three steps."""
    config = ModelConfig(dim=2, layers=1, heads=1, dropout=0.0)
    block, bucket = HstuBlock(config, 3, "block"), time_buckets(TIMES[:, 1:4])
    x = steps()[:, :3, :2]
    block(x, bucket)
    generator = np.random.default_rng(3)
    for weight in block.trainable_variables:
        weight.assign(generator.normal(size=weight.shape).astype(np.float32))
    weights = {weight.name.split(":")[0]: weight.numpy() for weight in block.trainable_variables}
    by_distance = next(value for name, value in weights.items() if "by_distance" in name)[:, 0]
    by_time = next(value for name, value in weights.items() if "by_time" in name)[:, 0]

    def norm(value, layer):
        value = (value - value.mean(-1, keepdims=True)) / np.sqrt(
            value.var(-1, keepdims=True) + 1e-6
        )
        return value * layer.gamma.numpy() + layer.beta.numpy()

    def silu(value):
        return value / (1 + np.exp(-value))

    parts = silu(norm(x.numpy()[0], block._norm) @ block._parts.kernel.numpy() + block._parts.bias)
    gate, value, query, key = np.split(parts, 4, axis=1)
    attended = np.zeros([3, 2])
    for t in range(3):
        for s in range(t + 1):
            bias = by_distance[t - s] + by_time[bucket[0, t, s]]
            attended[t] += silu(query[t] @ key[s] + bias) * value[s] / (t + 1)
    gated = norm(attended, block._attended_norm) * gate
    expected = x.numpy()[0] + gated @ block._output.kernel.numpy() + block._output.bias
    np.testing.assert_allclose(block(x, bucket)[0], expected, rtol=1e-3, atol=1e-4)
