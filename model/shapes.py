"""Sizes that come again, so that a kernel made for one request serves the next."""

import tensorflow as tf

# oneDNN makes a matrix product's kernel anew for a size it has not had lately, which takes several
# times as long as the product itself of a request's few hundred rows.
BLOCK = 256


def in_blocks(count: tf.Tensor) -> tf.Tensor:
    """The next multiple of `BLOCK`."""
    return count + (-count) % BLOCK
