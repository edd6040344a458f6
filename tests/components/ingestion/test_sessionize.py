import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tiny_logs import table

from components.ingestion.sessionize import sessionize


def as_lists(sessions):
    """[(user, [(item, time, engaged)])] in order."""
    items, users = sessions.item_ids.to_pylist(), sessions.user_ids.to_pylist()
    return [
        (
            users[user],
            [
                (items[sessions.item[row]], sessions.timestamp[row], bool(sessions.engaged[row]))
                for row in np.flatnonzero(sessions.session == session)
            ],
        )
        for session, user in enumerate(sessions.user)
    ]


def test_a_gap_of_exactly_the_limit_starts_a_session():
    rows = [("u", "a", 0, True), ("u", "b", 59, True), ("u", "c", 119, True), ("u", "d", 178, True)]
    # 0 -> 59: 59 s; 59 -> 119: 60 s, a new session; 119 -> 178: 59 s.
    assert as_lists(sessionize(table(rows), 60)) == [
        ("u", [("a", 0, True), ("b", 59, True)]),
        ("u", [("c", 119, True), ("d", 178, True)]),
    ]


def test_users_do_not_share_sessions_and_ties_are_ordered_by_item():
    rows = [("v", "b", 5, True), ("u", "b", 5, True), ("v", "a", 5, False), ("u", "a", 5, True)]
    assert as_lists(sessionize(table(rows), 60)) == [
        ("u", [("a", 5, True), ("b", 5, True)]),
        ("v", [("a", 5, False), ("b", 5, True)]),
    ]


def test_given_sessions_stay_whole_and_are_ordered_by_their_first_event():
    rows = [
        ("u", "a", 10, True, "z"),
        ("u", "b", 20, True, "y"),
        ("u", "c", 30, True, "z"),  # after y's event, but of the session that began first
        ("u", "d", 9_000, True, "y"),  # far beyond the gap, which does not matter
        ("u", "e", 15, True, None),
    ]
    assert as_lists(sessionize(table(rows), 60)) == [
        ("u", [("a", 10, True), ("c", 30, True)]),
        ("u", [("e", 15, True)]),
        ("u", [("b", 20, True), ("d", 9_000, True)]),
    ]


def test_a_repeat_points_to_the_first_row_of_its_item_in_its_session():
    rows = [("u", "a", 0, False), ("u", "b", 1, True), ("u", "a", 2, True), ("u", "a", 100, True)]
    assert sessionize(table(rows), 60).first.tolist() == [0, 1, 0, 3]


def test_no_rows():
    sessions = sessionize(table([]), 60)
    assert len(sessions.user) == len(sessions.session) == len(sessions.user_ids) == 0


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "é"]),
        st.sampled_from("abc"),
        st.integers(0, 30),
        st.booleans(),
        st.sampled_from([None, "s", "t"]),
    ),
    max_size=30,
)


def by_hand(rows, gap):
    """The definition, one event at a time."""
    result = []
    for user in sorted({row[0] for row in rows}, key=str.encode):
        groups = {}
        for row in sorted(
            {(r[2], r[1], not r[3], r[4] or "", k) for k, r in enumerate(rows) if r[0] == user}
        ):
            time, item, shown, session, _ = row
            key = (session, 0)
            if not session:
                number = max((k[1] for k in groups if not k[0]), default=-1)
                is_new = number < 0 or time - groups["", number][-1][1] >= gap
                key = ("", number + is_new)
            groups.setdefault(key, []).append((item, time, not shown))
        ordered = sorted(groups.items(), key=lambda group: (group[1][0][1], group[0]))
        result += [(user, events) for _, events in ordered]
    return result


@given(ROWS, st.integers(1, 12), st.randoms(use_true_random=False))
def test_agrees_with_the_definition_in_any_order_of_rows(rows, gap, random):
    shuffled = random.sample(rows, len(rows))
    assert as_lists(sessionize(table(shuffled), gap)) == by_hand(rows, gap)
