import pyarrow as pa
import pytest
from tiny_logs import records, table

from components.config import SessionsConfig, SplitConfig
from components.ingestion.shards import ShardWriter

LAST = SplitConfig(protocol="last-session")


def history(rows, **limits):
    """The test history of a user whose last two sessions are the given rows' continuation."""
    later = [("u", "y", 10_000, True), ("u", "z", 20_000, True), ("u", "q", 30_000, True)]
    config = SessionsConfig(gap_minutes=1, **limits)
    record = records(table(rows + later), config, LAST, 30_000)["test"]["u"]
    return record["item_id"], record["engaged"]


def test_repeats_in_a_session_become_one_event_engaged_if_any_was():
    rows = [("u", "a", 0, False), ("u", "b", 1, True), ("u", "a", 2, True), ("u", "a", 500, False)]
    assert history(rows) == ([["a", "b"], ["a"], ["y"], ["z"]], [[1, 1], [0], [1], [1]])


def test_the_last_sessions_are_kept():
    rows = [("u", "a", 0, True), ("u", "b", 500, True)]
    assert history(rows, max_sessions=3) == ([["b"], ["y"], ["z"]], [[1], [1], [1]])


def test_a_long_session_keeps_its_engagements_before_its_exposures_and_then_the_latest():
    rows = [("u", item, time, item in "abe") for time, item in enumerate("abcdef")]
    # Engaged a, b, e and exposed c, d, f: three keep all engaged, four add f, two lose a.
    assert history(rows, max_items=3)[0][0] == ["a", "b", "e"]
    assert history(rows, max_items=4)[0][0] == ["a", "b", "e", "f"]
    assert history(rows, max_items=2)[0][0] == ["b", "e"]


def test_without_dedupe_by_item_only_exact_copies_are_one():
    rows = [("u", "a", 0, True), ("u", "a", 0, True), ("u", "a", 0, False), ("u", "a", 5, True)]
    assert history(rows, dedupe="row")[0][0] == ["a", "a", "a"]
    assert history(rows, dedupe="row")[1][0] == [1, 0, 1]


def test_lengths_that_do_not_add_up_are_refused(tmp_path):
    def column(values, kind):
        return pa.array(values, pa.large_list(kind))

    # The errors of the two users even out over the batch.
    batch = pa.RecordBatch.from_arrays(
        [
            column([[b"u"], [b"v"]], pa.large_binary()),
            column([[b"a", b"b"], [b"c"]], pa.large_binary()),
            column([[1, 1], [1]], pa.int64()),
            column([[1, 2], [3]], pa.int64()),
            column([[1], [2]], pa.int64()),
        ],
        ["user_id", "item_id", "engaged", "timestamp", "session_length"],
    )
    with pytest.raises(ValueError, match="item_id of user"):
        ShardWriter(str(tmp_path), "train", 0, 1).write(batch)
