"""Blocks of users of similar length change nothing but what stands in the padding."""

import numpy as np
import pytest
import tensorflow as tf

from model.config import ModelConfig
from model.length_blocks import in_blocks
from model.sequence_encoders import SEQUENCE_ENCODERS

DIM, STEPS = 4, 9
CONFIG = ModelConfig(dim=DIM, layers=2, heads=2)


@pytest.fixture(scope="module", params=SEQUENCE_ENCODERS)
def encoder(request):
    tf.keras.utils.set_random_seed(0)
    made = SEQUENCE_ENCODERS[request.param](CONFIG, STEPS)
    made(tf.zeros([1, STEPS, DIM]), tf.zeros([1, STEPS], tf.int64))
    return made


@pytest.mark.parametrize("lengths", [[], [3], [9, 1, 4, 4, 2, 7, 1, 1, 5]], ids=str)
def test_states_and_gradients_are_those_of_the_padded_form(encoder, lengths):
    generator = np.random.default_rng(len(lengths))
    x = tf.constant(generator.normal(size=[len(lengths), STEPS, DIM]), tf.float32)
    times = tf.constant(np.sort(generator.integers(10**6, size=x.shape[:2]), axis=1))
    length = tf.constant(lengths, tf.int64)
    is_real = tf.sequence_mask(length, STEPS, tf.float32)[:, :, tf.newaxis]
    weight = tf.constant(generator.normal(size=x.shape), tf.float32)
    found = []
    for encode in (encoder, lambda x, times: in_blocks(encoder, x, times, length)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = encode(x, times) * is_real
            loss = tf.reduce_sum(states * weight)
        of = [x, *encoder.trainable_variables]
        found.append([states, *map(tf.convert_to_tensor, tape.gradient(loss, of))])
    for expected, value in zip(*found, strict=True):
        scale = max(1.0, np.abs(expected).max(initial=0.0))
        np.testing.assert_allclose(value / scale, expected / scale, atol=1e-5)
