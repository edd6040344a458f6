"""A loss and its gradient, as NumPy arrays."""

import numpy as np
import tensorflow as tf


def value_and_gradient(loss, scores) -> tuple[np.ndarray, np.ndarray]:
    scores = tf.Variable(np.array(scores, np.float32))
    with tf.GradientTape() as tape:
        value = loss(scores)
    return value.numpy(), tf.convert_to_tensor(tape.gradient(value, scores)).numpy()
