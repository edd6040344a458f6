"""The average of the weights: its values, and when it is in the model."""

import numpy as np
import tensorflow as tf

from model.averaging import WeightAverage

X = np.ones([3, 1], np.float32)


class Line(tf.keras.Model):
    """One weight that every step raises by 1; validation reports it."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(0.0)

    def train_step(self, data):
        del data
        self.weight.assign_add(1.0)
        return {"loss": self.weight}

    def test_step(self, data):
        del data
        return {"weight": tf.identity(self.weight)}


def fit(validation=None, decay=0.5, epochs=2):
    model = Line()
    model.compile()
    history = model.fit(
        X,
        batch_size=1,
        epochs=epochs,
        validation_data=validation,
        verbose=0,
        callbacks=[WeightAverage(decay)],
    )
    return model, history.history


def average(weights, decay):
    """The decay at step n is at most (1 + n) / (10 + n): the first average is the first weight."""
    value = weights[0]
    for step, weight in enumerate(weights):
        kept = min(decay, (1 + step) / (10 + step))
        value = kept * value + (1 - kept) * weight
    return value


def test_validation_and_the_end_see_the_average_and_training_the_weights():
    model, history = fit(validation=(X,))
    np.testing.assert_allclose(history["loss"], [3, 6])
    expected = [average(range(1, 4), 0.5), average(range(1, 7), 0.5)]
    np.testing.assert_allclose(history["val_weight"], expected, rtol=1e-6)
    np.testing.assert_allclose(model.weight.numpy(), expected[1], rtol=1e-6)


def test_without_validation_the_average_is_left_at_the_end():
    model, history = fit()
    np.testing.assert_allclose(history["loss"], [3, 6])
    np.testing.assert_allclose(model.weight.numpy(), average(range(1, 7), 0.5), rtol=1e-6)


def test_without_decay_the_weights_are_left():
    model, _ = fit(decay=0.0)
    np.testing.assert_allclose(model.weight.numpy(), 6.0)
