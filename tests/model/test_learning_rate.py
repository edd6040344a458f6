"""The schedule of the learning rate, at steps of epochs of four."""

import numpy as np
import pytest

from model.config import TrainConfig
from model.learning_rate import learning_rate

# Warm-up takes two steps; the cosine of 12 epochs is at 3/4, 1/2 and 0 after 4, 6 and 12.
STEPS = [0, 1, 2, 2 + 4 * 4, 2 + 4 * 6, 2 + 4 * 9, 2 + 4 * 12, 400]


@pytest.mark.parametrize(
    ("epochs", "rates"),
    [
        pytest.param(60, [0, 0.5, 1, 0.75, 0.5, 0.5, 0.5, 0.5], id="may be longer"),
        pytest.param(12, [0, 0.5, 1, 0.75, 0.5, 0.146447, 0, 0], id="ends there"),
        pytest.param(6, [0, 0.5, 1, 0.25, 0, 0, 0, 0], id="ends before"),
    ],
)
def test_the_rate_falls_to_half_where_training_may_be_longer(epochs, rates):
    rate = learning_rate(TrainConfig(epochs=epochs, decay_epochs=12, learning_rate=2.0), 4)
    np.testing.assert_allclose([float(rate(step)) / 2 for step in STEPS], rates, atol=1e-6)
