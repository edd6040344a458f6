"""The learning rate by step of the optimizer."""

import tensorflow as tf

from model.config import TrainConfig


def learning_rate(
    config: TrainConfig, steps: int
) -> tf.keras.optimizers.schedules.LearningRateSchedule:
    """Rises within half an epoch, then falls along a cosine of `decay_epochs`.

    To nothing if training ends there. If it may be longer, to half the peak, half of the way, where
    it stays: how many epochs a log takes is not known beforehand, and validation says when to stop.

    Args:
      config: of the optimisation.
      steps: of an epoch.
    """
    schedules = tf.keras.optimizers.schedules
    may_be_longer = config.epochs > config.decay_epochs
    return (_HeldCosineDecay if may_be_longer else schedules.CosineDecay)(
        0.0,
        decay_steps=steps * min(config.decay_epochs, config.epochs),
        warmup_target=config.learning_rate,
        warmup_steps=max(steps // 2, 1),
    )


class _HeldCosineDecay(tf.keras.optimizers.schedules.CosineDecay):
    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        rate = super().__call__(step)
        is_warm = tf.cast(step, rate.dtype) >= self.warmup_steps
        return tf.where(is_warm, tf.maximum(rate, self.warmup_target / 2), rate)
