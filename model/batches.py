"""From Transform's output to what a training step reads: histories and sessions to predict."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from model import features, preprocessing
from model.distribution import WHOLE, Shard
from model.history import History, from_transformed
from model.losses import PADDING


class Targets(NamedTuple):
    """K sessions to predict for each of B users.

    Attributes:
      position: how many sessions of the history came before, int64 [B, K].
      is_time_known: whether the model may use the time of the request, bool [B, K].
      index: vocabulary indices of the session's items, int64 [B, K, T].
      label: 1 engaged, 0 only shown, -1 where there is no item, int64 [B, K, T].
    """

    position: tf.Tensor
    is_time_known: tf.Tensor
    index: tf.Tensor
    label: tf.Tensor


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
      targets_per_user: K; a user with fewer has targets without items.
      unknown_request_time: share of targets whose request time is hidden.
    """

    @tf.autograph.experimental.do_not_convert
    def to_batch(seed: tf.Tensor, batch: tuple[tf.Tensor, dict]) -> tuple[History, Targets]:
        place, inputs = batch
        inputs = arrange(inputs)
        seeds = tf.random.experimental.stateless_split([seed, place], 2)
        index = inputs[features.ITEM_INDEX][:, -max_sessions:]
        engaged = inputs[features.ENGAGED][:, -max_sessions:]
        position, is_target = _sample(index, engaged, vocabulary_size, targets_per_user, seeds[0])
        share = tf.random.stateless_uniform(tf.shape(position), seeds[1])
        targets = Targets(
            position,
            share >= unknown_request_time,
            _items_at(index, position, is_target, features.PADDING_INDEX),
            _items_at(engaged, position, is_target, PADDING),
        )
        return from_transformed(inputs, max_sessions), targets

    return dataset.map(to_batch, num_parallel_calls=2)


def _sample(index, engaged, vocabulary_size: int, count: int, seed) -> tuple[tf.Tensor, tf.Tensor]:
    """Places of up to `count` sessions with an engaged item of the vocabulary: [B, K] each."""
    counts = tf.logical_and(tf.equal(engaged, 1), index <= vocabulary_size)
    is_candidate = tf.reduce_any(counts, axis=2).to_tensor(False)  # [B, S]
    draw = tf.random.stateless_uniform(tf.shape(is_candidate), seed)
    draw = tf.where(is_candidate, draw, -1.0)
    best, position = tf.math.top_k(draw, tf.minimum(count, tf.shape(draw)[1]))
    is_target = best >= 0
    return tf.cast(tf.where(is_target, position, 0), tf.int64), is_target


def _items_at(per_item: tf.RaggedTensor, position, is_target, padding: int) -> tf.Tensor:
    """Values of each target's items, [B, K, T]; `padding` where there is no target."""
    # Where there is no target, read an empty session put after the user's last one.
    length = per_item.row_lengths()
    none = tf.RaggedTensor.from_row_lengths(per_item.flat_values[:0], tf.zeros_like(length))
    none = tf.RaggedTensor.from_uniform_row_length(none, 1)  # [B, 1, 0]
    place = tf.where(is_target, position, length[:, tf.newaxis])
    return tf.gather(tf.concat([per_item, none], 1), place, batch_dims=1).to_tensor(padding)


def evaluation_batches(dataset: tf.data.Dataset, max_sessions: int) -> tf.data.Dataset:
    """Each user's one target session, after the whole history."""

    @tf.autograph.experimental.do_not_convert
    def to_batch(inputs: dict) -> tuple[History, Targets]:
        history = from_transformed(inputs, max_sessions)
        index = inputs[preprocessing.TARGET_INDEX].to_tensor(features.PADDING_INDEX)
        label = inputs[features.TARGET_ENGAGED].to_tensor(PADDING)
        known = tf.equal(inputs[preprocessing.REQUEST_KNOWN], 1)
        return history, Targets(
            *(tensor[:, tf.newaxis] for tensor in (history.length, known, index, label))
        )

    return dataset.map(to_batch, num_parallel_calls=2)


def with_targets(batches: tf.data.Dataset) -> tf.data.Dataset | None:
    """Evaluation batches, their number known; None if no user has an engaged target."""

    def add(found: tuple, batch: tuple[History, Targets]) -> tuple:
        number, has_targets = found
        return number + 1, tf.logical_or(has_targets, tf.reduce_any(tf.equal(batch[1].label, 1)))

    number, has_targets = batches.reduce((tf.constant(0, tf.int64), False), add)
    return batches.apply(tf.data.experimental.assert_cardinality(number)) if has_targets else None
