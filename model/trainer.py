"""TFX Trainer's entry point: transformed sessions in, SavedModel with four signatures out."""

import functools
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from model import catalogue, features
from model.batches import evaluation_batches, training_batches
from model.catalogue import Catalogue
from model.cluster_index import ClusterIndex
from model.clustering import cluster_index
from model.config import ModelConfig, TrainConfig
from model.export import export, requests
from model.fitting import PROGRESS, fit
from model.index import ExactIndex
from model.item_scores import ItemScores
from model.paradigms import PARADIGMS
from model.preprocessing import load_item_table
from model.session_model import SessionModel
from model.signatures import Servable
from model.warm_start import warm_start

COUNTING_BATCH = 256
WARM_UP_USERS = 4
# Of validation requests, to choose and to measure an approximate index.
INDEX_BATCHES = 16
# Seeds of a training's epochs are this far apart, so that no two seeds share an epoch.
_SEED_STEP = 1_000_003


class Start(NamedTuple):
    """A model before its training and, by the epoch's number, what it is trained on."""

    items: Catalogue
    model: SessionModel
    training: Callable[[int], tf.data.Dataset]


def run_fn(fn_args: FnArgs) -> None:
    """Train, stop at the best validation NDCG, and export to `fn_args.serving_model_dir`.

    With `train.refit` the model that is exported is another one, trained on the histories of the
    `refit` split for as many epochs; no target of the test split is in either.

    `fn_args.custom_config` holds `model` and `train` (JSON of their configuration), `item_table`,
    `max_sessions`, `max_k`, `index` and `min_index_recall` as the `[serve]` section has them,
    `model_name` and `checkpoints`, a folder: a training that was killed goes on after its last
    whole epoch when it is run again with the same arguments.
    Both start from the weights of `fn_args.base_model`, if there is a SavedModel, and are trained
    for `train.warm_epochs` at most then.
    `fn_args.train_files` are of the `train` split and, for `train.refit`, of the `refit` split.
    """
    given = fn_args.custom_config
    config = TrainConfig.model_validate_json(given["train"])
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    read = functools.partial(_read, fn_args, transform.transformed_metadata.schema)
    if _is_warm(fn_args):
        config = config.model_copy(update={"epochs": config.warm_epochs})
    arrange = PARADIGMS[ModelConfig.model_validate_json(given["model"]).paradigm]
    validation = evaluation_batches(
        read(fn_args.eval_files, config.batch_size).map(arrange), given["max_sessions"]
    )
    start = _start(fn_args, transform, config, features.TRAIN_SPLIT)
    kept = _checkpoints(fn_args)
    epochs = fit(
        start.model,
        config,
        start.training,
        validation,
        fn_args.model_run_dir,
        checkpoint=os.path.join(kept, features.TRAIN_SPLIT),
    )
    if config.refit:
        PROGRESS.info("training anew, with the validation sessions, for %d epochs", epochs)
        start = _start(fn_args, transform, config, features.REFIT_SPLIT)
        refit_dir = os.path.join(fn_args.model_run_dir, features.REFIT_SPLIT)
        checkpoint = os.path.join(kept, features.REFIT_SPLIT)
        fit(start.model, config, start.training, None, refit_dir, epochs, checkpoint)
    index, report = _index(given, start.model, validation)
    servable = Servable(start.model, transform, start.items, given["max_k"], index)
    users = next(iter(read(_of_split(fn_args, features.TRAIN_SPLIT), WARM_UP_USERS)))
    warm_up = requests(users, start.items)
    export(servable, warm_up, fn_args.serving_model_dir, given["model_name"], report)
    tf.io.gfile.rmtree(kept)


def _index(
    given: dict, model: SessionModel, validation: tf.data.Dataset
) -> tuple[ExactIndex | ClusterIndex, dict | None]:
    """The index that is configured and, if it is approximate, what it finds of the best items."""
    scores = ItemScores(model)
    if given["index"] == "exact":
        return ExactIndex(scores), None
    readings = [
        model.read(history, scores.read_vectors, targets.position, targets.is_time_known)
        for history, targets in validation.take(INDEX_BATCHES)
    ]
    k = min(given["max_k"], model.vocabulary_size)
    index, report = cluster_index(scores, readings, k, given["min_index_recall"])
    PROGRESS.info("index of clusters: %s", report)
    return index, report


def _checkpoints(fn_args: FnArgs) -> str:
    """A folder for the state of a training that was killed, found by what it was given."""
    files = [*fn_args.train_files, *fn_args.eval_files, fn_args.transform_graph_path]
    given = json.dumps([files, fn_args.custom_config, fn_args.base_model], sort_keys=True)
    name = hashlib.sha256(given.encode()).hexdigest()[:16]
    folder = os.path.join(fn_args.custom_config["checkpoints"], name)
    tf.io.gfile.makedirs(folder)
    return folder


def _start(
    fn_args: FnArgs, transform: tft.TFTransformOutput, config: TrainConfig, split: str
) -> Start:
    given = fn_args.custom_config
    tf.keras.backend.experimental.enable_tf_random_generator()
    tf.keras.utils.set_random_seed(config.seed)
    files = _of_split(fn_args, split)
    model_config = ModelConfig.model_validate_json(given["model"])
    read = functools.partial(_read, fn_args, transform.transformed_metadata.schema)
    items = catalogue.build(
        str(transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)),
        load_item_table(given),
        read(files, COUNTING_BATCH),
        model_config.periods,
    )

    def training(epoch: int) -> tf.data.Dataset:
        seed = config.seed + _SEED_STEP * epoch
        return training_batches(
            read(files, config.batch_size, shuffle_seed=seed).map(PARADIGMS[model_config.paradigm]),
            vocabulary_size=len(items.item_ids),
            max_sessions=given["max_sessions"],
            targets_per_user=config.targets_per_user,
            unknown_request_time=config.unknown_request_time,
            seed=seed,
        )

    model = SessionModel(model_config, items, given["max_sessions"])
    if _is_warm(fn_args):
        PROGRESS.info("starting from the weights of %s", fn_args.base_model)
        model.compute_loss(next(iter(training(0))))  # makes the weights
        vocabulary = transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)
        name = Path(tf.compat.as_str_any(vocabulary)).name
        warm_start(model, items.item_ids, fn_args.base_model, name)
    return Start(items, model, training)


def _is_warm(fn_args: FnArgs) -> bool:
    """Whether there are weights to start from: the artifact is empty until a model was blessed."""
    return bool(fn_args.base_model) and tf.saved_model.contains_saved_model(fn_args.base_model)


def _of_split(fn_args: FnArgs, split: str) -> list[str]:
    """The training files of one split; the folder's name is TFX's for it."""
    return [path for path in fn_args.train_files if f"Split-{split}{os.sep}" in path]


def _read(
    fn_args: FnArgs,
    schema: schema_pb2.Schema,
    files: list[str],
    batch_size: int,
    shuffle_seed: int | None = None,
) -> tf.data.Dataset:
    options = tfxio.TensorFlowDatasetOptions(
        batch_size=batch_size,
        num_epochs=1,
        shuffle=shuffle_seed is not None,
        shuffle_seed=shuffle_seed,
    )
    return fn_args.data_accessor.tf_dataset_factory(files, options, schema)
