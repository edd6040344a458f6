"""Averages of the weights over the steps of training, which is what is validated and served."""

import tensorflow as tf


class WeightAverage(tf.keras.callbacks.Callback):
    """Keeps an exponential moving average and puts it into the model where the model is judged.

    The average of the latest steps does what a decay of the learning rate to nothing does, wherever
    training is stopped (Polyak and Juditsky, 1992; Izmailov et al., UAI 2018). It is in the model
    from the validation of an epoch until the next one begins, and when training has ended.
    """

    def __init__(self, decay: float):
        """Keep `decay` of the average at each step; less of it at the first steps."""
        super().__init__()
        self._steps = tf.Variable(0, trainable=False)
        self._average = tf.train.ExponentialMovingAverage(decay, self._steps)
        self._raw: list | None = None

    @property
    def raw(self) -> list:
        """The weights that training goes on with; only where the averages are in the model."""
        if self._raw is None:
            raise ValueError("the averages are not in the model")
        return self._raw

    def restore(self, raw: list, steps: int) -> None:
        """Go on from the end of an epoch, with the averages in the model and `raw` besides."""
        self._average.apply(self.model.trainable_variables)
        self._steps.assign(steps)
        self._raw = raw

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the averages towards the weights."""
        del batch, logs
        self._move()

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Validate the averages."""
        del logs
        self._put_in()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """End with the averages, if this is the last epoch."""
        del epoch, logs
        self._put_in()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Go on training the weights themselves."""
        del epoch, logs
        if self._raw is not None:
            for weight, raw in zip(self.model.trainable_variables, self._raw, strict=True):
                weight.assign(raw)
            self._raw = None

    @tf.function
    def _move(self):
        self._average.apply(self.model.trainable_variables)
        self._steps.assign_add(1)

    def _put_in(self):
        if self._raw is None:
            self._raw = [weight.numpy() for weight in self.model.trainable_variables]
            for weight in self.model.trainable_variables:
                weight.assign(self._average.average(weight))
