"""TFX Trainer's entry point: transformed sessions in, SavedModel with four signatures out."""

import json
import logging
import math
import os

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from model import catalogue, features
from model.batches import Targets, evaluation_batches, training_batches
from model.config import ModelConfig, TrainConfig
from model.export import export, requests
from model.history import History
from model.preprocessing import load_item_table
from model.session_model import CUTOFF, SessionModel
from model.signatures import Servable

PROGRESS = logging.getLogger("sessionrec.progress")
HISTORY_FILE = "history.json"
COUNTING_BATCH = 256
WARM_UP_USERS = 4


def run_fn(fn_args: FnArgs) -> None:
    """Train, stop at the best validation NDCG, and export to `fn_args.serving_model_dir`.

    `fn_args.custom_config` holds `model` and `train` (JSON of their configuration), `item_table`,
    `max_sessions`, `max_k` and `model_name`.
    """
    given = fn_args.custom_config
    model_config = ModelConfig.model_validate_json(given["model"])
    train_config = TrainConfig.model_validate_json(given["train"])
    tf.keras.utils.set_random_seed(train_config.seed)
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    schema = transform.transformed_metadata.schema

    def read(files: list[str], batch_size: int, shuffle: bool = False) -> tf.data.Dataset:
        return _read(fn_args, files, schema, batch_size, shuffle, train_config.seed)

    items = catalogue.build(
        str(transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)),
        load_item_table(given),
        read(fn_args.train_files, COUNTING_BATCH),
    )
    model = SessionModel(model_config, items, given["max_sessions"])
    training = training_batches(
        read(fn_args.train_files, train_config.batch_size, shuffle=True),
        vocabulary_size=len(items.item_ids),
        max_sessions=given["max_sessions"],
        targets_per_user=train_config.targets_per_user,
        unknown_request_time=train_config.unknown_request_time,
        seed=train_config.seed,
    )
    validation = evaluation_batches(
        read(fn_args.eval_files, train_config.batch_size), given["max_sessions"]
    )
    fit(model, train_config, training, validation, fn_args.model_run_dir)
    servable = Servable(model, transform, items, given["max_k"])
    users = next(iter(read(fn_args.train_files, WARM_UP_USERS)))
    export(servable, requests(users, items), fn_args.serving_model_dir, given["model_name"])


def fit(
    model: SessionModel,
    config: TrainConfig,
    training: tf.data.Dataset,
    validation: tf.data.Dataset,
    run_dir: str,
) -> None:
    """Train to the best validation NDCG and write the learning curves to `run_dir`."""
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
    has_targets = _has_targets(validation)
    if not has_targets:
        PROGRESS.warning("no user has a validation target: training all %d epochs", config.epochs)
    history = model.fit(
        training,
        validation_data=validation if has_targets else None,
        epochs=config.epochs,
        verbose=0,
        callbacks=[
            *([stop] if has_targets else []),
            tf.keras.callbacks.TensorBoard(run_dir),
            tf.keras.callbacks.LambdaCallback(on_epoch_end=_report_epoch(config.epochs, monitor)),
        ],
    )
    with tf.io.gfile.GFile(os.path.join(run_dir, HISTORY_FILE), "w") as file:
        json.dump(history.history, file)


def _has_targets(validation: tf.data.Dataset) -> bool:
    def add(found: tf.Tensor, batch: tuple[History, Targets]) -> tf.Tensor:
        return tf.logical_or(found, tf.reduce_any(tf.equal(batch[1].label, 1)))

    return bool(validation.reduce(False, add))


def _report_epoch(epochs: int, monitor: str):
    def report(epoch: int, logs: dict) -> None:
        PROGRESS.info(
            "epoch %d of at most %d: loss %.4f, validation NDCG@%d %.4f",
            epoch + 1,
            epochs,
            logs["loss"],
            CUTOFF,
            logs.get(monitor, math.nan),
        )

    return report


def _read(
    fn_args: FnArgs,
    files: list[str],
    schema: schema_pb2.Schema,
    batch_size: int,
    shuffle: bool,
    seed: int,
) -> tf.data.Dataset:
    options = tfxio.TensorFlowDatasetOptions(
        batch_size=batch_size, num_epochs=1, shuffle=shuffle, shuffle_seed=seed
    )
    return fn_args.data_accessor.tf_dataset_factory(files, options, schema)
