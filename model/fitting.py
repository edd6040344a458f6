"""Training epoch by epoch: early stopping, averages, learning curves, and going on after a kill."""

import functools
import json
import math
import os
import time

import tensorflow as tf

from model.averaging import WeightAverage
from model.batches import TrainingData
from model.checkpoints import PROGRESS, EpochCheckpoint
from model.config import TrainConfig
from model.distribution import (
    check_same,
    is_chief,
    steps_of_an_epoch,
    to_every_replica,
    to_replicas,
)
from model.learning_rate import learning_rate
from model.session_model import SessionModel
from model.validation import CUTOFF

HISTORY_FILE = "history.json"


def fit(
    model: SessionModel,
    config: TrainConfig,
    training: TrainingData,
    validation: tf.data.Dataset | None,
    run_dir: str,
    epochs: int | None = None,
    checkpoint: str | None = None,
) -> int:
    """Train to the best validation NDCG and write the learning curves to `run_dir`.

    Args:
      model: with its weights, made in the scope of the strategy that it is trained with.
      config: of the optimisation.
      training: batches of sessions to predict, each for one replica; as many in each epoch.
      validation: batches of one session per user, of known number.
      run_dir: for TensorBoard's files and `history.json`.
      epochs: stop after as many, on the same schedule of the learning rate.
      checkpoint: a file to go on from, if it exists, and to keep each epoch's state in.

    Returns:
      The number of epochs with the best validation NDCG; of all, if there is no validation.
    """
    strategy = model.distribute_strategy
    steps = max(steps_of_an_epoch(strategy, functools.partial(training.read, 0)), config.min_steps)
    optimizer = tf.keras.optimizers.AdamW(
        learning_rate(config, steps), weight_decay=config.weight_decay, global_clipnorm=5.0
    )
    optimizer.build(model.trainable_variables)
    model.compile(optimizer)
    monitor = f"val_ndcg@{CUTOFF}"
    # Where an epoch has few steps, validation NDCG dips for several on the way up.
    patience = max(config.patience, math.ceil(config.patience_steps / steps))
    stop = tf.keras.callbacks.EarlyStopping(
        monitor, mode="max", patience=patience, restore_best_weights=True
    )
    epochs = epochs or config.epochs
    average = WeightAverage(config.weight_average)
    state = EpochCheckpoint(checkpoint, average, stop if validation else None)
    done = state.epochs
    check_same(strategy, done, f"how many epochs they find in {checkpoint}, which all have to read")
    if done:
        PROGRESS.info("going on after epoch %d", done)
    if state.is_stopped:
        epochs = done
    to_come = [
        functools.partial(training.read, epoch) for epoch in range(done, max(epochs, done + 1))
    ]
    model.fit(
        to_replicas(strategy, steps, to_come, training.sample),
        validation_data=validation and to_every_replica(strategy, validation),
        validation_steps=validation and int(validation.cardinality()),
        epochs=epochs,
        initial_epoch=done,
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[
            _Seed(config.seed),
            _Stopwatch(state.curves.get("seconds", [0.0])[-1]),
            average,
            *([stop] if validation else []),
            tf.keras.callbacks.TensorBoard(run_dir),
            tf.keras.callbacks.LambdaCallback(on_epoch_end=_report_epoch(epochs, monitor)),
            state,
        ],
    )
    if is_chief(strategy):
        with tf.io.gfile.GFile(os.path.join(run_dir, HISTORY_FILE), "w") as file:
            json.dump(state.curves, file)
    return int(stop.best_epoch) + 1 if validation else epochs


def read_curves(run_dir: str) -> dict[str, list[float]]:
    """What `fit` wrote: a value an epoch for each metric, and the `seconds` of training so far."""
    with tf.io.gfile.GFile(os.path.join(run_dir, HISTORY_FILE)) as file:
        return json.load(file)


class _Seed(tf.keras.callbacks.Callback):
    """Lets what dropout draws in an epoch depend on the seed and the epoch alone."""

    def __init__(self, seed: int):
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        del logs
        layers = [
            part for part in self.model.submodules if isinstance(part, tf.keras.layers.Dropout)
        ]
        for place, layer in enumerate(layers):
            # Keras gives no other way to it.
            layer._random_generator._generator.reset_from_seed([self._seed, epoch, place])


class _Stopwatch(tf.keras.callbacks.Callback):
    """Adds `seconds` of training so far, without those of validation, to each epoch's logs."""

    def __init__(self, seconds: float):
        super().__init__()
        self._seconds = seconds
        self._start: float | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        del epoch, logs
        self._start = time.perf_counter()

    def on_test_begin(self, logs: dict | None = None) -> None:
        del logs
        self._stop()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        del epoch
        self._stop()
        if logs is not None:
            logs["seconds"] = self._seconds

    def _stop(self):
        if self._start is not None:
            self._seconds += time.perf_counter() - self._start
            self._start = None


def _report_epoch(epochs: int, monitor: str):
    def report(epoch: int, logs: dict) -> None:
        score = f", validation NDCG@{CUTOFF} {logs[monitor]:.4f}" if monitor in logs else ""
        PROGRESS.info("epoch %d of at most %d: loss %.4f%s", epoch + 1, epochs, logs["loss"], score)

    return report
