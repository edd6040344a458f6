"""Recent popularity, worked by hand; a session sees neither itself nor what comes after it."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import PERIODS, catalogue, history, logits
from tiny_transform import MIN_SESSIONS

from model.config import ModelConfig
from model.session_model import SessionModel
from model.trend import DECAYS, FLOOR, Trend, decayed_counts

# Sessions of three items in three periods; then the period after the log, always empty.
COUNT = np.array([[4, 0, 0], [0, 2, 0], [1, 1, 4], [0, 0, 0]])


def test_decayed_counts_by_hand():
    # Before period 3: 4 / 4 + 0 + 1 = 2, 0 + 2 / 2 + 1 = 2, 4.
    expected = [[0, 0, 0], [4, 0, 0], [2, 2, 0], [2, 2, 4]]
    np.testing.assert_allclose(decayed_counts(COUNT[:3], 0.5), expected)


def trend(count=COUNT, decay: float = 0.5) -> Trend:
    """The scores are the log shares of one decay."""
    layer = Trend(count)
    layer._mix.assign([float(decay == other) for other in DECAYS])
    return layer


def scores(layer: Trend, periods: list[int]) -> np.ndarray:
    period = tf.constant(periods, tf.int64)
    index = tf.range(1, 4, dtype=tf.int64)
    of_requests, of_items = layer(period, tf.zeros([len(periods), 2]), index)
    return tf.matmul(of_requests, of_items, transpose_b=True).numpy()


def test_the_score_is_the_log_of_an_items_share_before_the_request():
    share = np.array([[2, 2, 0], [2, 2, 4]]) / [[4 / 3], [8 / 3]]
    np.testing.assert_allclose(scores(trend(), [2, 3]), np.log(share + FLOOR), rtol=1e-5)


@pytest.mark.parametrize("decay", DECAYS)
def test_a_period_does_not_see_itself(decay):
    changed = COUNT.copy()
    changed[2] = [7, 7, 7]
    periods = [0, 1, 2, 3]
    before, after = (scores(trend(count, decay), periods) for count in (COUNT, changed))
    np.testing.assert_array_equal(before[:3], after[:3])
    assert np.abs(before[3] - after[3]).max() > 0.1


def test_a_request_after_the_training_data_is_answered_as_of_their_end():
    """The periods are cut on more data than validation trains on: the last ones are empty."""
    layer = trend(np.concatenate([COUNT, np.zeros([3, 3], int)]))
    np.testing.assert_array_equal(scores(layer, [3]), scores(layer, [6]))


def test_the_end_of_the_training_data_does_not_decide_the_shapes_of_weights():
    """A warm start goes from a model of the whole log to one of all but its end."""
    to_the_end, before = (Trend(count) for count in (COUNT, COUNT * [[1], [1], [0], [0]]))
    for layer in (to_the_end, before):
        scores(layer, [1])
    assert [v.shape for v in to_the_end.variables] == [v.shape for v in before.variables]


def test_what_was_popular_before_the_request_comes_first():
    """Two items with as many sessions, one early and one late."""
    rising = catalogue([0, 0])
    rising.period_count[:, 1:-1] = 0
    rising.period_count[1, 1] = rising.period_count[5, 2] = 50
    config = ModelConfig(periods=PERIODS, dim=8, heads=2, min_sessions_per_item=MIN_SESSIONS)
    model = SessionModel(config, rising, 10)
    model.trend._mix.assign([0.0, 0.0, 1.0, 0.0])
    early, late = ([(day, [(3, 1)])] for day in (2, 7))
    found = logits(model, history([early, late]))
    assert found[0].argmax() == 0 and found[1].argmax() == 1
