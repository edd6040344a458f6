"""Sorting by several keys."""

import tensorflow as tf


def order_by(*keys: tf.Tensor) -> tf.Tensor:
    """Places in ascending order of keys [N], the first one most significant: int32 [N]."""
    order = tf.argsort(keys[-1])
    for key in reversed(keys[:-1]):
        order = tf.gather(order, tf.argsort(tf.gather(key, order), stable=True))
    return order
