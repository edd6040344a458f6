"""TFX Trainer's entry point: transformed sessions in, SavedModel with four signatures out."""

import functools
import json
import logging
import os
import time
from typing import NamedTuple

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from model import catalogue, features
from model.averaging import WeightAverage
from model.batches import Targets, evaluation_batches, training_batches
from model.catalogue import Catalogue
from model.config import ModelConfig, TrainConfig
from model.export import export, requests
from model.history import History
from model.paradigms import PARADIGMS
from model.preprocessing import load_item_table
from model.session_model import CUTOFF, SessionModel
from model.signatures import Servable

PROGRESS = logging.getLogger("sessionrec.progress")
HISTORY_FILE = "history.json"
COUNTING_BATCH = 256
WARM_UP_USERS = 4


class Start(NamedTuple):
    """An untrained model and what it is trained on."""

    items: Catalogue
    model: SessionModel
    training: tf.data.Dataset


def run_fn(fn_args: FnArgs) -> None:
    """Train, stop at the best validation NDCG, and export to `fn_args.serving_model_dir`.

    With `train.refit` the model that is exported is another one, trained on the histories of the
    `refit` split for as many epochs; no target of the test split is in either.

    `fn_args.custom_config` holds `model` and `train` (JSON of their configuration), `item_table`,
    `max_sessions`, `max_k` and `model_name`. `fn_args.train_files` are of the `train` split and,
    for `train.refit`, of the `refit` split.
    """
    given = fn_args.custom_config
    config = TrainConfig.model_validate_json(given["train"])
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    read = functools.partial(_read, fn_args, transform.transformed_metadata.schema, config.seed)
    arrange = PARADIGMS[ModelConfig.model_validate_json(given["model"]).paradigm]
    validation = evaluation_batches(
        read(fn_args.eval_files, config.batch_size).map(arrange), given["max_sessions"]
    )
    start = _start(fn_args, transform, config, features.TRAIN_SPLIT)
    epochs = fit(start.model, config, start.training, validation, fn_args.model_run_dir)
    if config.refit:
        PROGRESS.info("training anew, with the validation sessions, for %d epochs", epochs)
        start = _start(fn_args, transform, config, features.REFIT_SPLIT)
        refit_dir = os.path.join(fn_args.model_run_dir, features.REFIT_SPLIT)
        fit(start.model, config, start.training, None, refit_dir, epochs)
    servable = Servable(start.model, transform, start.items, given["max_k"])
    users = next(iter(read(_of_split(fn_args, features.TRAIN_SPLIT), WARM_UP_USERS)))
    export(servable, requests(users, start.items), fn_args.serving_model_dir, given["model_name"])


def _start(
    fn_args: FnArgs, transform: tft.TFTransformOutput, config: TrainConfig, split: str
) -> Start:
    given = fn_args.custom_config
    tf.keras.utils.set_random_seed(config.seed)
    files = _of_split(fn_args, split)
    model_config = ModelConfig.model_validate_json(given["model"])
    read = functools.partial(_read, fn_args, transform.transformed_metadata.schema, config.seed)
    items = catalogue.build(
        str(transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)),
        load_item_table(given),
        read(files, COUNTING_BATCH),
        model_config.periods,
    )
    training = training_batches(
        read(files, config.batch_size, shuffle=True).map(PARADIGMS[model_config.paradigm]),
        vocabulary_size=len(items.item_ids),
        max_sessions=given["max_sessions"],
        targets_per_user=config.targets_per_user,
        unknown_request_time=config.unknown_request_time,
        seed=config.seed,
    )
    return Start(items, SessionModel(model_config, items, given["max_sessions"]), training)


def _of_split(fn_args: FnArgs, split: str) -> list[str]:
    """The training files of one split; the folder's name is TFX's for it."""
    return [path for path in fn_args.train_files if f"Split-{split}{os.sep}" in path]


def fit(
    model: SessionModel,
    config: TrainConfig,
    training: tf.data.Dataset,
    validation: tf.data.Dataset | None,
    run_dir: str,
    epochs: int | None = None,
) -> int:
    """Train to the best validation NDCG and write the learning curves to `run_dir`.

    Args:
      model: not trained yet.
      config: of the optimisation.
      training: batches of sessions to predict.
      validation: batches of one session per user.
      run_dir: for TensorBoard's files and `history.json`.
      epochs: stop after as many, on the same schedule of the learning rate.

    Returns:
      The number of epochs with the best validation NDCG; of all, if there is no validation.
    """
    steps = int(training.reduce(0, lambda count, _: count + 1))
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=steps * config.epochs,
        warmup_target=config.learning_rate,
        warmup_steps=max(steps // 2, 1),
    )
    model.compile(
        tf.keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, global_clipnorm=5.0)
    )
    monitor = f"val_ndcg@{CUTOFF}"
    stop = tf.keras.callbacks.EarlyStopping(
        monitor, mode="max", patience=config.patience, restore_best_weights=True
    )
    if validation is not None and not _has_targets(validation):
        PROGRESS.warning("no user has a validation target: training all %d epochs", config.epochs)
        validation = None
    epochs = epochs or config.epochs
    history = model.fit(
        training,
        validation_data=validation,
        epochs=epochs,
        verbose=0,
        callbacks=[
            _Stopwatch(),
            WeightAverage(config.weight_average),
            *([stop] if validation else []),
            tf.keras.callbacks.TensorBoard(run_dir),
            tf.keras.callbacks.LambdaCallback(on_epoch_end=_report_epoch(epochs, monitor)),
        ],
    )
    with tf.io.gfile.GFile(os.path.join(run_dir, HISTORY_FILE), "w") as file:
        json.dump({name: list(map(float, curve)) for name, curve in history.history.items()}, file)
    return stop.best_epoch + 1 if validation else epochs


def read_curves(run_dir: str) -> dict[str, list[float]]:
    """What `fit` wrote: a value an epoch for each metric, and the `seconds` of training so far."""
    with tf.io.gfile.GFile(os.path.join(run_dir, HISTORY_FILE)) as file:
        return json.load(file)


class _Stopwatch(tf.keras.callbacks.Callback):
    """Adds `seconds` of training so far, without those of validation, to each epoch's logs."""

    def __init__(self):
        super().__init__()
        self._seconds, self._start = 0.0, None

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


def _has_targets(validation: tf.data.Dataset) -> bool:
    def add(found: tf.Tensor, batch: tuple[History, Targets]) -> tf.Tensor:
        return tf.logical_or(found, tf.reduce_any(tf.equal(batch[1].label, 1)))

    return bool(validation.reduce(False, add))


def _report_epoch(epochs: int, monitor: str):
    def report(epoch: int, logs: dict) -> None:
        score = f", validation NDCG@{CUTOFF} {logs[monitor]:.4f}" if monitor in logs else ""
        PROGRESS.info("epoch %d of at most %d: loss %.4f%s", epoch + 1, epochs, logs["loss"], score)

    return report


def _read(
    fn_args: FnArgs,
    schema: schema_pb2.Schema,
    seed: int,
    files: list[str],
    batch_size: int,
    shuffle: bool = False,
) -> tf.data.Dataset:
    options = tfxio.TensorFlowDatasetOptions(
        batch_size=batch_size, num_epochs=1, shuffle=shuffle, shuffle_seed=seed
    )
    return fn_args.data_accessor.tf_dataset_factory(files, options, schema)
