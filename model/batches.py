"""From Transform's output to what a training step reads: histories and sessions to predict."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from model import features, preprocessing
from model.distribution import WHOLE, Shard
from model.history import History, Requests, at_the_end, from_transformed
from model.losses import PADDING


class Targets(NamedTuple):
    """N sessions to predict.

    Attributes:
      requests: where they are.
      index: vocabulary indices of the session's items, int64 [N, T].
      label: 1 engaged, 0 only shown, -1 where there is no item, int64 [N, T].
      seed: of what a training step samples to score them against, int64 [2].
    """

    requests: Requests
    index: tf.Tensor
    label: tf.Tensor
    seed: tf.Tensor


class TrainingData(NamedTuple):
    """What is trained on.

    Attributes:
      read: batches of an epoch, by its number, and of a part of the users, as `numbered` has them.
      sample: from those, of any epochs, to what a step reads; it is traced once for all of them.
    """

    read: Callable[[int, Shard], tf.data.Dataset]
    sample: Callable[[tf.data.Dataset], tf.data.Dataset]

    def example(self) -> tf.data.Dataset:
        """Batches like those of any epoch."""
        return self.sample(self.read(0, WHOLE))


def numbered(dataset: tf.data.Dataset, seed: int) -> tf.data.Dataset:
    """Each element with the seed and its place, int64: (seed, (place, element))."""
    seeds = tf.data.Dataset.from_tensors(tf.constant(seed, tf.int64)).repeat()
    return tf.data.Dataset.zip((seeds, dataset.enumerate()))


def training_batches(
    dataset: tf.data.Dataset,
    *,
    arrange: Callable[[dict], dict],
    vocabulary_size: int,
    max_sessions: int,
    targets_per_user: int,
    unknown_request_time: float,
) -> tf.data.Dataset:
    """Sample sessions of each history as targets; step t sees only the sessions before it.

    Args:
      dataset: batches of Transform's output, `numbered`: seed and place decide what is sampled.
      arrange: of the paradigm.
      vocabulary_size: V; a target needs an engaged item of index 1..V.
      max_sessions: longest history.
      targets_per_user: at most; a user may have fewer, or none.
      unknown_request_time: share of targets whose request time is hidden.
    """

    @tf.autograph.experimental.do_not_convert
    def to_batch(seed: tf.Tensor, batch: tuple[tf.Tensor, dict]) -> tuple[History, Targets]:
        place, inputs = batch
        inputs = arrange(inputs)
        seeds = tf.random.experimental.stateless_split([seed, place], 3)
        index = inputs[features.ITEM_INDEX][:, -max_sessions:]
        engaged = inputs[features.ENGAGED][:, -max_sessions:]
        user, position = _sample(index, engaged, vocabulary_size, targets_per_user, seeds[0])
        share = tf.random.stateless_uniform(tf.shape(position), seeds[1])
        requests = Requests(user, position, share >= unknown_request_time)
        place = requests.place
        targets = Targets(
            requests,
            tf.gather_nd(index, place).to_tensor(features.PADDING_INDEX),
            tf.gather_nd(engaged, place).to_tensor(PADDING),
            seeds[2],
        )
        return from_transformed(inputs, max_sessions), targets

    return dataset.map(to_batch, num_parallel_calls=2)


def _sample(index, engaged, vocabulary_size: int, count: int, seed) -> tuple[tf.Tensor, tf.Tensor]:
    """Users and places of up to `count` sessions each with an engaged item of the vocabulary."""
    counts = tf.logical_and(tf.equal(engaged, 1), index <= vocabulary_size)
    is_candidate = tf.reduce_any(counts, axis=2).to_tensor(False)  # [B, S]
    draw = tf.random.stateless_uniform(tf.shape(is_candidate), seed)
    draw = tf.where(is_candidate, draw, -1.0)
    best, position = tf.math.top_k(draw, tf.minimum(count, tf.shape(draw)[1]))
    target = tf.where(best >= 0)  # [N, 2]
    return target[:, 0], tf.cast(tf.gather_nd(position, target), tf.int64)


def evaluation_batches(dataset: tf.data.Dataset, max_sessions: int) -> tf.data.Dataset:
    """Each user's one target session, after the whole history."""

    @tf.autograph.experimental.do_not_convert
    def to_batch(inputs: dict) -> tuple[History, Targets]:
        history = from_transformed(inputs, max_sessions)
        index = inputs[preprocessing.TARGET_INDEX].to_tensor(features.PADDING_INDEX)
        label = inputs[features.TARGET_ENGAGED].to_tensor(PADDING)
        unused = tf.zeros([2], tf.int64)
        return history, Targets(at_the_end(history, inputs), index, label, unused)

    return dataset.map(to_batch, num_parallel_calls=2)


def with_targets(batches: tf.data.Dataset) -> tf.data.Dataset | None:
    """Evaluation batches, their number known; None if no user has an engaged target."""

    def add(found: tuple, batch: tuple[History, Targets]) -> tuple:
        number, has_targets = found
        return number + 1, tf.logical_or(has_targets, tf.reduce_any(tf.equal(batch[1].label, 1)))

    number, has_targets = batches.reduce((tf.constant(0, tf.int64), False), add)
    return batches.apply(tf.data.experimental.assert_cardinality(number)) if has_targets else None
