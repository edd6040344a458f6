"""Run as a program, in which nothing was done with TensorFlow yet: one step of two replicas."""

import itertools

import numpy as np
import tensorflow as tf
from tiny_model import SMALL, catalogue, history, make_random, small_model, target

from model.config import ModelConfig
from model.distribution import (
    check_same,
    steps_of_an_epoch,
    to_every_replica,
    to_replicas,
)
from model.session_model import SessionModel, make_weights

FIRST = [(0, [(1, 1)]), (1, [(2, 1)])], [(0, [(3, 1)])]
SECOND = [(0, [(2, 1)]), (1, [(4, 1)])], [(0, [(1, 1)])]
# Three target sessions and one.
TARGETS = (
    ([[0, 1], [0]], [[1], [2], [3]], [[1], [1], [1]]),
    ([[1], []], [[4]], [[1]]),
)


def gradients(model, batch):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, training=True)
    found = tape.gradient(loss, model.trainable_variables)
    return [loss, *(tf.convert_to_tensor(gradient) for gradient in found)]


def main() -> None:
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    parts = [
        (history(list(users)), target(*targets))
        for users, targets in zip((FIRST, SECOND), TARGETS, strict=True)
    ]
    whole = (
        history([*FIRST, *SECOND]),
        target(*(one + other for one, other in zip(*TARGETS, strict=True))),
    )
    one_device = small_model([4, 3, 2, 1])
    make_random(one_device)
    expected = gradients(one_device, whole)

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = SessionModel(ModelConfig(**SMALL), catalogue([4, 3, 2, 1]), 100)
        make_weights(model, tf.data.Dataset.from_tensors(whole))
    for variable, same in zip(
        model.trainable_variables, one_device.trainable_variables, strict=True
    ):
        variable.assign(same)
    inputs = strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group]
    )
    step = tf.function(lambda batch: gradients(model, batch))
    found = strategy.run(step, args=(inputs,))
    for per_replica, value in zip(found, expected, strict=True):
        total = strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        np.testing.assert_allclose(total, value, rtol=1e-4, atol=1e-6)

    numbers = tf.data.Dataset.range(5)
    epochs = [lambda shard: numbers, lambda shard: numbers.map(lambda number: 10 + number)]
    assert steps_of_an_epoch(strategy, epochs[0]) == 3
    check_same(strategy, 3, "steps")
    steps = to_replicas(strategy, 3, epochs, lambda batches: batches.map(lambda n: n + 100))
    read = [
        [int(part) for part in strategy.experimental_local_results(step)]
        for step in itertools.islice(steps, 7)
    ]
    once = [[100, 101], [102, 103], [104, 100], [110, 111], [112, 113], [114, 110]]
    assert read == [*once, once[0]], read
    same = [
        [int(part[0]) for part in strategy.experimental_local_results(step)]
        for step in to_every_replica(strategy, tf.data.Dataset.range(2))
    ]
    assert same == [[0, 0], [1, 1]], same


if __name__ == "__main__":
    main()
