"""TFX Trainer's entry point: transformed sessions in, SavedModel with four signatures out."""

import functools
import hashlib
import json
import os

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from model import features
from model.batches import evaluation_batches, with_targets
from model.cluster_index import ClusterIndex
from model.clustering import cluster_index
from model.config import ModelConfig, TrainConfig
from model.distribution import is_chief, make_strategy, wait_for_all
from model.export import export, requests
from model.fitting import PROGRESS, fit
from model.index import ExactIndex
from model.item_scores import ItemScores
from model.paradigms import PARADIGMS
from model.session_model import SessionModel
from model.signatures import Servable
from model.start import Start, begin, is_warm, of_split, read_batches

WARM_UP_USERS = 4
# Of validation requests, to choose and to measure an approximate index.
INDEX_BATCHES = 16


def run_fn(fn_args: FnArgs) -> None:
    """Train, stop at the best validation NDCG, and export to `fn_args.serving_model_dir`.

    With `train.refit` training then goes on from the best weights, on the histories of the `refit`
    split and with its counts; no target of the test split is in either.

    `fn_args.custom_config` holds `model` and `train` (JSON of their configuration), `item_table`,
    `max_sessions`, `max_k`, `index` and `min_index_recall` as the `[serve]` section has them,
    `model_name` and `checkpoints`, a folder: a training that was killed goes on after its last
    whole epoch when it is run again with the same arguments.
    Training starts from the weights of `fn_args.base_model`, if there is a SavedModel, and takes
    `train.warm_epochs` at most then.
    `fn_args.train_files` are of the `train` split and, for `train.refit`, of the `refit` split.
    """
    config = TrainConfig.model_validate_json(fn_args.custom_config["train"])
    strategy = make_strategy(config.strategy)
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    read = functools.partial(read_batches, fn_args, transform.transformed_metadata.schema)
    arrange = PARADIGMS[ModelConfig.model_validate_json(fn_args.custom_config["model"]).paradigm]
    validation = evaluation_batches(
        read(fn_args.eval_files, config.batch_size).map(arrange),
        fn_args.custom_config["max_sessions"],
    )
    kept = _checkpoints(fn_args)
    judged = with_targets(validation)
    config = config.model_copy(update={"epochs": _most_epochs(fn_args, config, judged)})
    with strategy.scope():
        start = _train(fn_args, transform, config, judged, kept)
    if is_chief(strategy):
        users = next(iter(read(of_split(fn_args, features.TRAIN_SPLIT), WARM_UP_USERS)))
        _export(fn_args, transform, start, validation, users)
        tf.io.gfile.rmtree(kept)
    wait_for_all(strategy)


def _train(
    fn_args: FnArgs,
    transform: tft.TFTransformOutput,
    config: TrainConfig,
    judged: tf.data.Dataset | None,
    kept: str,
) -> Start:
    """Train to the best epoch and, if it is configured, go on with the validation sessions."""
    start = begin(fn_args, transform, config, features.TRAIN_SPLIT)
    fit(
        start.model,
        config,
        start.training,
        judged,
        fn_args.model_run_dir,
        checkpoint=os.path.join(kept, features.TRAIN_SPLIT),
    )
    if config.refit:
        PROGRESS.info("going on, with the validation sessions, for %d epochs", config.refit_epochs)
        start = begin(fn_args, transform, config, features.REFIT_SPLIT, start.model)
        refit_dir = os.path.join(fn_args.model_run_dir, features.REFIT_SPLIT)
        checkpoint = os.path.join(kept, features.REFIT_SPLIT)
        fit(start.model, config, start.training, None, refit_dir, config.refit_epochs, checkpoint)
    return start


def _most_epochs(fn_args: FnArgs, config: TrainConfig, judged: tf.data.Dataset | None) -> int:
    """Fewer from old weights; without a validation target until the learning rate has fallen."""
    epochs = config.warm_epochs if is_warm(fn_args) else config.epochs
    if judged is None:
        epochs = min(epochs, config.decay_epochs)
        PROGRESS.warning("no user has a validation target: training for %d epochs", epochs)
    return epochs


def _export(
    fn_args: FnArgs,
    transform: tft.TFTransformOutput,
    start: Start,
    validation: tf.data.Dataset,
    users: dict,
) -> None:
    given = fn_args.custom_config
    model = start.on_one_device()
    index, report = _index(given, model, validation)
    servable = Servable(model, transform, start.items, given["max_k"], index)
    warm_up = requests(users, start.items)
    export(servable, warm_up, fn_args.serving_model_dir, given["model_name"], report)


def _index(
    given: dict, model: SessionModel, validation: tf.data.Dataset
) -> tuple[ExactIndex | ClusterIndex, dict | None]:
    """The index that is configured and, if it is approximate, what it finds of the best items."""
    scores = ItemScores(model)
    if given["index"] == "exact":
        return ExactIndex(scores), None
    readings = [
        model.read(history, scores.read_vectors, targets.requests)
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
