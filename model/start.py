"""A model before its training, and what it is trained on."""

import functools
import itertools
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
from model.batches import TrainingData, numbered, training_batches
from model.catalogue import Catalogue
from model.checkpoints import PROGRESS
from model.config import ModelConfig, TrainConfig
from model.distribution import Shard, users_per_replica
from model.paradigms import PARADIGMS
from model.preprocessing import load_item_table
from model.session_model import SessionModel, make_weights
from model.warm_start import warm_start

COUNTING_BATCH = 256
# Seeds of a training's epochs are this far apart, so that no two seeds share an epoch.
_SEED_STEP = 1_000_003


class Start(NamedTuple):
    """A model before its training, and what it is trained on."""

    items: Catalogue
    make: Callable[[], SessionModel]
    model: SessionModel
    training: TrainingData

    def on_one_device(self) -> SessionModel:
        """The model with plain variables, which one worker can save without the others."""
        if self.model.distribute_strategy.num_replicas_in_sync == 1:
            return self.model
        plain = self.make()
        make_weights(plain, self.training.example())
        _copy_weights(self.model, plain)
        return plain


def begin(
    fn_args: FnArgs,
    transform: tft.TFTransformOutput,
    config: TrainConfig,
    split: str,
    trained: SessionModel | None = None,
) -> Start:
    """Count a split's histories and make a model, in the scope of the strategy that trains it.

    Args:
      fn_args: of the training.
      transform: Transform's output.
      config: of the optimisation.
      split: whose histories are counted and trained on.
      trained: the model whose weights training starts from, of the same vocabulary; those of
        `fn_args.base_model`, if there is one, where it is not given.
    """
    given = fn_args.custom_config
    tf.keras.backend.experimental.enable_tf_random_generator()
    tf.keras.utils.set_random_seed(config.seed)
    files = of_split(fn_args, split)
    model_config = ModelConfig.model_validate_json(given["model"])
    read = functools.partial(read_batches, fn_args, transform.transformed_metadata.schema)
    items = catalogue.build(
        str(transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)),
        load_item_table(given),
        read(files, COUNTING_BATCH),
        model_config,
    )

    users = users_per_replica(tf.distribute.get_strategy(), config.batch_size)

    def read_epoch(epoch: int, shard: Shard) -> tf.data.Dataset:
        seed = config.seed + _SEED_STEP * epoch
        workers, worker = shard
        if len(files) < workers:  # as tf.data's AutoShardPolicy: by file or, if few, by batch
            batches = read(files, users, shuffle_seed=seed).shard(workers, worker)
        else:
            batches = read(files[worker::workers], users, shuffle_seed=seed)
        return numbered(batches, seed)

    sample = functools.partial(
        training_batches,
        arrange=PARADIGMS[model_config.paradigm],
        vocabulary_size=len(items.item_ids),
        max_sessions=given["max_sessions"],
        targets_per_user=config.targets_per_user,
        unknown_request_time=config.unknown_request_time,
    )
    training = TrainingData(read_epoch, sample)

    make = functools.partial(SessionModel, model_config, items, given["max_sessions"])
    model = make()
    make_weights(model, training.example())
    if trained is not None:
        _copy_weights(trained, model)
    elif is_warm(fn_args):
        PROGRESS.info("starting from the weights of %s", fn_args.base_model)
        vocabulary = transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)
        name = Path(tf.compat.as_str_any(vocabulary)).name
        warm_start(model, items, fn_args.base_model, name)
    return Start(items, make, model, training)


def _copy_weights(of: SessionModel, to: SessionModel) -> None:
    for variable, trained in zip(to.trainable_variables, of.trainable_variables, strict=True):
        variable.assign(trained.numpy())


def is_warm(fn_args: FnArgs) -> bool:
    """Whether there are weights to start from: the artifact is empty until a model was blessed."""
    return bool(fn_args.base_model) and tf.saved_model.contains_saved_model(fn_args.base_model)


def of_split(fn_args: FnArgs, split: str) -> list[str]:
    """The training files of one split, sorted; the folder's name is TFX's for it."""
    of_it = [pattern for pattern in fn_args.train_files if f"Split-{split}{os.sep}" in pattern]
    return sorted(itertools.chain.from_iterable(map(tf.io.gfile.glob, of_it)))


def read_batches(
    fn_args: FnArgs,
    schema: schema_pb2.Schema,
    files: list[str],
    batch_size: int,
    shuffle_seed: int | None = None,
) -> tf.data.Dataset:
    """Batches of Transform's output; in another order for each seed."""
    options = tfxio.TensorFlowDatasetOptions(
        batch_size=batch_size,
        num_epochs=1,
        shuffle=shuffle_seed is not None,
        shuffle_seed=shuffle_seed,
    )
    dataset = fn_args.data_accessor.tf_dataset_factory(files, options, schema)
    # An iterator ends only after the sleep of its tuning thread, which grows to a minute.
    fixed = tf.data.Options()
    fixed.autotune.enabled = False
    return dataset.with_options(fixed)
