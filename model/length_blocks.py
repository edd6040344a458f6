"""A sequence encoder over users of similar length together, so that it runs over less padding."""

from collections.abc import Callable

import tensorflow as tf

# Shares of the users, from the shortest histories to the longest ones. A recurrent network pays for
# each step of a block, few users or many: more blocks cost more.
SHARES = (0.5, 0.375, 0.125)


def in_blocks(
    encode: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    visit_time: tf.Tensor,
    length: tf.Tensor,
) -> tf.Tensor:
    """States [batch, steps, dim], as `encode(x, visit_time)` has them, and zeros in the padding.

    Args:
      encode: reads each user alone and no step before an earlier one.
      x: steps, [batch, steps, dim].
      visit_time: unix seconds, int64 [batch, steps].
      length: steps of each user without padding, int64 [batch].
    """
    batch, steps = tf.shape(x)[0], tf.shape(x)[1]
    order = tf.argsort(length, stable=True)
    ends = [tf.cast(tf.round(share * tf.cast(batch, tf.float32)), tf.int32) for share in _ends()]
    encoded = []
    for begin, end in zip([0, *ends], [*ends, batch], strict=True):
        # The shortest once more: Keras does not build a GRU for a block without users.
        users = tf.concat([order[:1], order[begin:end]], 0)
        longest = tf.cast(tf.reduce_max(tf.gather(length, users)), tf.int32)
        longest = tf.clip_by_value(longest, 1, steps)  # a batch without users has no greatest
        states = encode(tf.gather(x[:, :longest], users), tf.gather(visit_time[:, :longest], users))
        encoded.append(tf.pad(states[1:], [[0, 0], [0, steps - longest], [0, 0]]))
    return tf.gather(tf.concat(encoded, 0), tf.math.invert_permutation(order))


def _ends() -> list[float]:
    return [sum(SHARES[:place]) for place in range(1, len(SHARES))]
