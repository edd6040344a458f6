"""Training on several devices or by several processes, with tf.distribute.

All replicas hold the same weights, and a step of the optimizer is that of the whole batch: each
replica reads its part of the users, and gradients are summed. Workers are processes that run the
same `run_fn`, each with its own TF_CONFIG; the first, the chief, writes what there is to write.
"""

import functools
import math
import os
from collections.abc import Callable, Sequence

import tensorflow as tf

Shard = tuple[int, int]  # number of parts, which of them
WHOLE: Shard = (1, 0)


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of a name that `[train] strategy` takes.

    `multi-worker` reads TF_CONFIG, and has to come before anything else that TensorFlow does in
    the process.
    """
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multi-worker":
        if "TF_CONFIG" not in os.environ:
            raise ValueError(
                "train.strategy = 'multi-worker' needs the variable TF_CONFIG, which lists the "
                "workers and says which of them this is. Received: none"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes; it is the only one unless there are several workers."""
    return strategy.extended.should_checkpoint


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """In a step, the sum of every replica's value; elsewhere the value itself."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return value
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, value)


def users_per_replica(strategy: tf.distribute.Strategy, batch_size: int) -> int:
    """Of a step's users, those of each replica.

    Raises:
      ValueError: they cannot be shared out evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"train.batch_size must be a multiple of the {replicas} replicas. Received: "
            f"{batch_size}"
        )
    return batch_size // replicas


def steps_of_an_epoch(
    strategy: tf.distribute.Strategy, epoch: Callable[[Shard], tf.data.Dataset]
) -> int:
    """How many steps it takes until the worker with the most batches has read its part.

    Args:
      strategy: of the workers and their replicas.
      epoch: the batches of a part of the users, each for one replica.
    """
    replicas = strategy.num_replicas_in_sync
    # Without a strategy there is no list of devices to ask for.
    per_worker = len(strategy.extended.worker_devices) if replicas > 1 else 1
    workers = replicas // per_worker
    batches = (epoch((workers, worker)).reduce(0, lambda n, _: n + 1) for worker in range(workers))
    return math.ceil(max(int(count) for count in batches) / per_worker)


def check_same(strategy: tf.distribute.Strategy, value: int, what: str) -> None:
    """Compare a number of this worker with that of the others.

    Raises:
      ValueError: they differ; every worker raises it.
    """
    if strategy.num_replicas_in_sync == 1:
        return
    of_replicas = strategy.gather(strategy.run(lambda: tf.constant([value])), axis=0)
    values = of_replicas.numpy().tolist()
    if len(set(values)) > 1:
        raise ValueError(f"The workers differ in {what}. Received: {values}, by replica")


def to_replicas(
    strategy: tf.distribute.Strategy,
    steps: int,
    epochs: Sequence[Callable[[Shard], tf.data.Dataset]],
    sample: Callable[[tf.data.Dataset], tf.data.Dataset],
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Epoch after epoch, and then again, each replica's batches of so many steps.

    A worker whose part of an epoch ends early reads it again from its start.

    Args:
      strategy: shares out the batches of a worker among its replicas.
      steps: of an epoch.
      epochs: of each, the batches of a part of the users, each for one replica.
      sample: from the batches of all epochs to what is read.
    """

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        workers = context.num_input_pipelines
        batches = steps * strategy.num_replicas_in_sync // workers
        shard = workers, context.input_pipeline_id
        parts = (epoch(shard).repeat().take(batches) for epoch in epochs)
        every_epoch = functools.reduce(tf.data.Dataset.concatenate, parts)
        # Of a dataset that ends with the first epoch, Keras makes two iterators, and a second
        # iterator shuffles otherwise.
        return sample(every_epoch.repeat())

    return strategy.distribute_datasets_from_function(of_worker)


def to_every_replica(
    strategy: tf.distribute.Strategy, dataset: tf.data.Dataset
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """A dataset that each replica reads as a whole: means over it are those of one replica."""

    def read(context: tf.distribute.InputContext) -> tf.data.Dataset:
        copies = strategy.num_replicas_in_sync // context.num_input_pipelines
        if copies == 1:
            return dataset
        return dataset.flat_map(lambda *batch: tf.data.Dataset.from_tensors(batch).repeat(copies))

    return strategy.distribute_datasets_from_function(read)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Return when every worker has come here."""
    strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(lambda: tf.constant(1.0)), axis=None)
