"""Tables that are looked up and not trained."""

import numpy as np
import tensorflow as tf


def fixed(values: np.ndarray, name: str) -> tf.Variable | tf.Tensor:
    """Values as a variable, which an export holds once; as a constant where there are none.

    TensorFlow 2.21 crashes when the chief sends an empty variable to the other workers.
    """
    return tf.Variable(values, trainable=False, name=name) if values.size else tf.constant(values)
