from hypothesis import given
from hypothesis import strategies as st
from tiny_logs import DAY, records, table

from components.config import SessionsConfig, SplitConfig

LIMITS = SessionsConfig(gap_minutes=1)
LAST = SplitConfig(protocol="last-session")
CALENDAR = SplitConfig(eval_days=1, test_days=1)


def test_last_session_holds_out_the_last_two_engaged_sessions():
    rows = [
        ("u", "a", 0, True),
        ("u", "b", 100, True),
        ("u", "x", 150, False),  # 50 s after b: shown in the same session
        ("u", "y", 300, False),  # shown only: history, never a target
        ("u", "c", 500, True),
        ("u", "d", 700, True),
        ("u", "z", 701, False),
        ("u", "w", 900, False),  # after the last engaged session
        ("few", "a", 0, True),
        ("few", "b", 100, True),
        ("few", "y", 300, False),
    ]
    split = records(table(rows), LIMITS, LAST, 900)
    history = {
        "item_id": [["a"], ["b", "x"], ["y"]],
        "engaged": [[1], [1, 0], [0]],
        "timestamp": [[0], [100, 150], [300]],
    }
    assert split["train"] == {"u": history}
    assert split["eval"] == {
        "u": {
            **history,
            "request_timestamp": [500],
            "target_item_id": ["c"],
            "target_engaged": [1],
        }
    }
    later = {
        "item_id": [["a"], ["b", "x"], ["y"], ["c"]],
        "engaged": [[1], [1, 0], [0], [1]],
        "timestamp": [[0], [100, 150], [300], [500]],
    }
    assert split["refit"] == {"u": later}
    assert split["test"] == {
        "u": {
            **later,
            "request_timestamp": [700],
            "target_item_id": ["d", "z"],
            "target_engaged": [1, 0],
        }
    }


def test_last_session_leaves_out_what_an_interleaving_session_does_after_the_request():
    rows = [("u", item, time, True, item[0]) for item, time in (("a", 0), ("b", 10), ("c", 20))]
    rows += [("u", "d", 30, True, "d"), ("u", "a2", 25, True, "a"), ("u", "c2", 35, True, "c")]
    split = records(table(rows), LIMITS, LAST, 35)
    assert split["test"]["u"]["item_id"] == [["a", "a2"], ["b"], ["c"]]
    assert split["eval"]["u"]["item_id"] == [["a"], ["b"]]
    assert split["eval"]["u"]["target_item_id"] == ["c", "c2"]


def test_global_time_cuts_sessions_and_takes_the_first_engaged_one_after_the_cut():
    # Last row at 4 * DAY - 1: test from 3 * DAY on, eval from 2 * DAY on.
    rows = [
        ("old", "a", 5, True),
        ("old", "a", 2 * DAY - 10, False),
        ("old", "a", 2 * DAY + 10, True),  # the same session and item, engaged only after the cut
        ("old", "b", 2 * DAY + 20, True),  # starts before the cut: no target
        ("old", "x", 2 * DAY + 500, False),  # shown only: no target
        ("old", "c", 2 * DAY + 900, True),
        ("old", "d", 2 * DAY + 5_000, True),  # the second session after the cut
        ("new", "e", 3 * DAY - 30, True),  # its session goes on after the test cut
        ("new", "f", 3 * DAY + 20, True),
        ("new", "g", 4 * DAY - 1, True),
        ("shown", "x", 3 * DAY + 7, False),
    ]
    split = records(table(rows), LIMITS, CALENDAR, 4 * DAY - 1)
    history = {
        "item_id": [["a"], ["a"]],
        "engaged": [[1], [0]],
        "timestamp": [[5], [2 * DAY - 10]],
    }
    assert split["train"] == {"old": history}
    assert split["eval"] == {
        "new": {
            "item_id": [],
            "engaged": [],
            "timestamp": [],
            "request_timestamp": [3 * DAY - 30],
            "target_item_id": ["e"],
            "target_engaged": [1],
        },
        "old": {
            **history,
            "request_timestamp": [2 * DAY + 900],
            "target_item_id": ["c"],
            "target_engaged": [1],
        },
    }
    assert split["test"] == {
        "new": {
            "item_id": [["e"]],
            "engaged": [[1]],
            "timestamp": [[3 * DAY - 30]],
            "request_timestamp": [4 * DAY - 1],
            "target_item_id": ["g"],
            "target_engaged": [1],
        }
    }


LOGS = st.lists(
    st.tuples(
        st.sampled_from("uv"),
        st.sampled_from("abcd"),
        st.integers(0, 60),
        st.booleans(),
        st.sampled_from([None, None, "s", "t"]),
    ),
    min_size=1,
    max_size=40,
)
SECOND = 1 / DAY


def times_of(record):
    return [time for session in record["timestamp"] for time in session]


@given(LOGS, st.integers(1, 20), st.integers(1, 20))
def test_global_time_lets_nothing_of_the_future_into_a_split(rows, eval_seconds, test_seconds):
    """Cut off the log at a split's end: the split must not change."""
    latest = max(row[2] for row in rows)
    config = SplitConfig(eval_days=eval_seconds * SECOND, test_days=test_seconds * SECOND)
    limits = SessionsConfig(gap_minutes=5 / 60)
    test_cut = int(latest + 1 - config.test_days * DAY)
    eval_cut = int(test_cut - config.eval_days * DAY)
    split = records(table(rows), limits, config, latest)
    for name, history_end, end in (
        ("train", eval_cut, eval_cut),
        ("eval", eval_cut, test_cut),
        ("test", test_cut, latest + 1),
        ("refit", test_cut, test_cut),
    ):
        past = records(table([row for row in rows if row[2] < end]), limits, config, latest)
        assert split[name] == past[name]
        for record in split[name].values():
            assert all(time < history_end for time in times_of(record))
            if name in ("eval", "test"):
                assert history_end <= record["request_timestamp"][0] < end
                assert 1 in record["target_engaged"]
    assert set(split["train"]) == {row[0] for row in rows if row[2] < eval_cut}
    assert set(split["refit"]) == {row[0] for row in rows if row[2] < test_cut}


@given(LOGS)
def test_last_session_lets_nothing_of_the_future_into_a_history(rows):
    limits = SessionsConfig(gap_minutes=5 / 60)
    split = records(table(rows), limits, LAST, max(row[2] for row in rows))
    assert set(split["train"]) == set(split["eval"]) == set(split["test"])
    for user, test in split["test"].items():
        evaluation, train = split["eval"][user], split["train"][user]
        assert train == {key: evaluation[key] for key in train}
        refit = split["refit"][user]
        assert refit == {key: test[key] for key in refit}
        assert not {"target_item_id", "target_engaged"} & set(refit)
        assert evaluation["request_timestamp"] <= test["request_timestamp"]
        for record in (evaluation, test):
            request = record["request_timestamp"][0]
            assert all(time <= request for time in times_of(record))
            assert 1 in record["target_engaged"]
            known = {(row[1], row[2]) for row in rows if row[0] == user and row[2] <= request}
            sessions = zip(record["item_id"], record["timestamp"], strict=True)
            assert all(event in known for pair in sessions for event in zip(*pair, strict=True))
