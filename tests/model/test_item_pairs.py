"""What goes with what: counts by hand, which are listed, and any log against plain loops."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import DAY, transformed

from model import item_pairs as module
from model import preprocessing
from model.item_pairs import CompanionCounter, FollowerCounter, engagements

V = 4
OUT = V + 1


def counted(users, times=None, batches=1, of=FollowerCounter):
    """Counts {(item, other): count}, and the table."""
    counter = of(V)
    per_batch = -(-len(users) // batches)
    for at in range(0, len(users), per_batch):
        batch = transformed(users[at : at + per_batch])
        if times is not None:
            batch[preprocessing.EVENT_TIME] = tf.ragged.constant(
                times[at : at + per_batch], tf.int64, ragged_rank=2, row_splits_dtype=tf.int64
            )
        counter.add(engagements(batch, V))
    table = counter.pairs()
    return as_dict(table), table


def as_dict(table):
    ends = zip(table.start[:-1], table.start[1:], strict=True)
    return {
        (item, int(table.other[at])): int(table.frequency[at])
        for item, (start, end) in enumerate(ends)
        for at in range(start, end)
    }


def test_a_basket_is_followed_by_the_users_next_basket():
    alice = [(0, [(1, 1), (2, 1)]), (3, [(2, 1), (3, 1), (OUT, 1)]), (9, [(1, 1)])]
    bob = [(1, [(4, 1)]), (2, [(OUT, 1), (4, 0)])]
    found, table = counted([alice, bob])
    # Bob's only shown 4 does not follow, nor does what is out of the vocabulary.
    assert found == {(1, 2): 1, (1, 3): 1, (2, 2): 1, (2, 3): 1, (2, 1): 1, (3, 1): 1}
    assert table.total.tolist() == [0, 1, 2, 1, 1, 0]


def test_in_a_session_with_times_what_comes_later_follows():
    day = [(1, 1), (2, 1), (3, 1)]
    found, _ = counted([[(0, day), (1, [(4, 1), (1, 1)])]], [[[5, 7, 7], [DAY, DAY + 1]]])
    # 1, then 2 and 3 together; the next session is 4, then 1.
    assert found == {(1, 2): 1, (1, 3): 1, (2, 4): 1, (2, 1): 1, (3, 4): 1, (3, 1): 1, (4, 1): 1}


def test_in_a_session_all_are_beside_each_other_and_none_beside_itself():
    alice = [(0, [(1, 1), (2, 1), (1, 1), (OUT, 1), (4, 0)]), (3, [(2, 1), (3, 1)]), (9, [(1, 1)])]
    found, table = counted([alice, [(1, [(3, 1), (2, 1)])]], of=CompanionCounter)
    # 1 is in the first session twice.
    assert found == {(1, 2): 2, (2, 1): 2, (2, 3): 2, (3, 2): 2}
    assert table.total.tolist() == [0, 3, 3, 2, 0, 0]


def test_users_do_not_follow_each_other_and_some_have_no_session():
    found, table = counted([[(0, [(1, 1)])], [], [(1, [(2, 1)])]])
    assert found == {}
    assert table.total.sum() == 0
    assert table.start.tolist() == [0] * (V + 3)


def test_counts_of_batches_add_up():
    user = [(0, [(1, 1)]), (1, [(2, 1)])]
    other = [(0, [(1, 1)]), (1, [(3, 1)])]
    found, table = counted([user, other, user, user], batches=4)
    assert found == {(1, 2): 3, (1, 3): 1}
    assert table.total.tolist() == [0, 4, 0, 0, 0, 0]


def test_what_is_listed_is_all_that_was_counted_as_often(monkeypatch):
    """2, 3 and 4 follow 1 three times, once and once: with room for two, 3 and 4 are both cut."""
    monkeypatch.setattr(module, "MOST_LISTED", 2)
    users = [[(0, [(1, 1)]), (1, [(item, 1)])] for item in (2, 2, 2, 3, 4)]
    found, table = counted(users)
    assert found == {(1, 2): 3}
    assert table.least.tolist() == [1, 2, 1, 1, 1, 1]


def test_a_session_of_any_length_counts_few_followers(monkeypatch):
    monkeypatch.setattr(module, "MOST_COUNTED", 2)
    found, _ = counted([[(0, [(1, 1), (2, 1), (3, 1), (4, 1)])]], [[[1, 2, 3, 4]]])
    assert found == {(1, 2): 1, (1, 3): 1, (2, 3): 1, (2, 4): 1, (3, 4): 1}


def test_of_a_session_of_any_length_the_latest_are_beside_each_other(monkeypatch):
    monkeypatch.setattr(module, "MOST_COUNTED", 3)
    users, times = [[(0, [(1, 1), (2, 1), (3, 1), (4, 1)])]], [[[4, 3, 2, 1]]]
    found, _ = counted(users, times, of=CompanionCounter)
    assert found == dict.fromkeys([(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)], 1)


events = st.lists(
    st.tuples(st.integers(1, OUT), st.booleans(), st.integers(0, 3)), min_size=1, max_size=5
)
logs = st.lists(st.lists(events, max_size=4), min_size=1, max_size=4)


def followers_by_loops(log):
    found: dict = {}
    times = np.zeros(V + 2)
    for user in log:
        sessions = [[(item, at) for item, is_engaged, at in s if is_engaged] for s in user]
        for place, session in enumerate(sessions):
            for item, at in session:
                after = [other for other, later in session if later > at]
                if not after and place + 1 < len(sessions):
                    after = [other for other, _ in sessions[place + 1]]
                if item == OUT or not after:
                    continue
                times[item] += 1
                for other in after:
                    if other != OUT:
                        found[item, other] = found.get((item, other), 0) + 1
    return found, times


def companions_by_loops(log):
    found: dict = {}
    times = np.zeros(V + 2)
    for session in (session for user in log for session in user):
        items = [item for item, is_engaged, _ in session if is_engaged and item != OUT]
        for item in items:
            times[item] += 1
            for other in items:
                if other != item:
                    found[item, other] = found.get((item, other), 0) + 1
    return found, times


BY_LOOPS = {FollowerCounter: followers_by_loops, CompanionCounter: companions_by_loops}


@settings(deadline=None)
@given(logs, st.integers(1, 3), st.sampled_from(list(BY_LOOPS)))
def test_any_log_is_counted_as_plain_loops_do(log, batches, of):
    users = [[(day, [(i, int(e)) for i, e, _ in s]) for day, s in enumerate(u)] for u in log]
    times = [[[day * DAY + at for _, _, at in s] for day, s in enumerate(u)] for u in log]
    found, table = counted(users, times, batches, of)
    expected, expected_times = BY_LOOPS[of](log)
    assert found == expected
    assert table.total.tolist() == expected_times.tolist()
