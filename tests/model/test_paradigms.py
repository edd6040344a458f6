"""The flat history of the next-item paradigm, worked by hand."""

import tensorflow as tf
from tiny_model import DAY, transformed

from model import features, preprocessing
from model.paradigms import PARADIGMS

# Engaged: 1 and 2 on day 0, nothing on day 1, 3 on day 4; and a user who engaged with nothing.
USERS = [[(0, [(1, 1), (9, 0), (2, 1)]), (1, [(8, 0)]), (4, [(3, 1)])], [(2, [(5, 0)])]]


def test_each_engaged_item_is_a_session_at_the_time_of_its_own():
    flat = PARADIGMS["next-item"](transformed(USERS, [[(4, 1), (5, 0)], []]))
    [first, second, third], nothing = flat[features.ITEM_INDEX].to_list()
    assert (sorted([first, second]), third, nothing) == ([[1], [2]], [3], [])
    assert flat[features.ENGAGED].to_list() == [[[1], [1], [1]], []]
    times = [[0, 0, 4 * DAY, 5 * DAY], [3 * DAY]]
    assert flat[preprocessing.VISIT_TIME].to_list() == times
    assert flat[preprocessing.VISIT_GAP].to_list() == [[0, 0, 3, 1], [1]]
    assert flat[preprocessing.TARGET_INDEX].to_list() == [[4, 5], []]


def test_items_of_a_session_come_in_the_order_of_their_times():
    inputs = transformed([[(0, [(1, 1), (2, 1), (3, 1)]), (1, [(4, 1)])]])
    times = inputs[preprocessing.EVENT_TIME]
    inputs[preprocessing.EVENT_TIME] = times.with_flat_values(tf.constant([7, 5, 6, 1], tf.int64))
    flat = PARADIGMS["next-item"](inputs)
    assert flat[features.ITEM_INDEX].to_list() == [[[2], [3], [1], [4]]]
    assert flat[preprocessing.EVENT_TIME].to_list() == [[[5], [6], [7], [1]]]


def test_a_session_of_many_items_of_one_time_is_shuffled_the_same_way_every_time():
    items = [*range(1, 9)]
    inputs = transformed([[(day, [(item, 1) for item in items]) for day in range(2)]])
    flat, again = (PARADIGMS["next-item"](inputs)[features.ITEM_INDEX].to_list() for _ in range(2))
    order = [item for [item] in flat[0]]
    assert flat == again
    assert sorted(order[:8]) == sorted(order[8:]) == items
    assert items not in (order[:8], order[8:])


def test_the_next_session_paradigm_changes_nothing():
    inputs = transformed(USERS)
    assert PARADIGMS["next-session"](inputs) is inputs
