"""Pairs of a row and a vocabulary index as single numbers, to sort, to count and to find."""

import tensorflow as tf


def keys_of(row: tf.Tensor, index: tf.Tensor, vocabulary_size: int) -> tf.Tensor:
    """One number each, ascending by row and then by index: int64, broadcast."""
    return row * (vocabulary_size + 2) + index


def pairs_of(keys: tf.Tensor, vocabulary_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and vocabulary indices of `keys_of`."""
    return keys // (vocabulary_size + 2), keys % (vocabulary_size + 2)


def positions(keys: tf.Tensor, among: tf.Tensor) -> tf.Tensor:
    """Where each key, 0 or more, stands in `among`, -1 if nowhere: int64 [N], [M] -> int32 [N]."""
    # -1, which no key is, comes first: something is there to compare with.
    among = tf.concat([[-1], among], 0)
    order = tf.argsort(among)
    ordered = tf.gather(among, order)
    place = tf.minimum(tf.searchsorted(ordered, keys), tf.size(ordered) - 1)
    is_found = tf.equal(tf.gather(ordered, place), keys)
    return tf.where(is_found, tf.gather(order, place) - 1, -1)
