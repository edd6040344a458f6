"""The slicing features of tiny batches."""

import pyarrow as pa
import pytest

from components.evaluation.training_items import TrainingItems
from model import features
from tfx_pipeline.slices import (
    HISTORY_BUCKETS,
    NO_HISTORY,
    NO_TARGET,
    NO_VALUE,
    OTHER,
    RECENT_SECONDS,
    _values,
    column_values,
    history_buckets,
    recent_buckets,
)

ITEMS = TrainingItems(
    [b"a", b"b", b"c"], pa.array([4, 1, 1]).to_numpy(), {b"a": 0, b"b": 1, b"c": 2}
)
NOW = 10 * RECENT_SECONDS


def batch(**columns) -> pa.RecordBatch:
    arrays = {
        name: pa.array(values, pa.large_list(pa.large_binary() if "item" in name else pa.int64()))
        for name, values in columns.items()
    }
    return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))


def targets(*requests: list[bytes]) -> pa.RecordBatch:
    """The last item of each was only shown."""
    return batch(
        **{
            features.TARGET_ITEM_ID: [[*ids, b"shown"] for ids in requests],
            features.TARGET_ENGAGED: [[1] * len(ids) + [0] for ids in requests],
        }
    )


def test_history_buckets_at_their_edges():
    counts = [0, 1, 4, 5, 19, 20, 99, 100]
    lengths = pa.array([[1] * count for count in counts] + [None], pa.large_list(pa.int64()))
    zero, few, some, many, most = HISTORY_BUCKETS
    assert history_buckets(lengths)[:, 0].tolist() == [
        zero, few, few, some, some, many, many, most, zero
    ]  # fmt: skip


def test_recent_sessions_are_those_that_began_within_28_days_of_the_request():
    old, edge, recent = NOW - 2 * RECENT_SECONDS, NOW - RECENT_SECONDS, NOW - 1
    found = recent_buckets(
        batch(
            session_length=[[2, 1, 1], [1], None],
            # The first session's second event is recent; its first is not.
            timestamp=[[old, recent, recent, recent], [edge], None],
            request_timestamp=[[NOW]] * 3,
        )
    )
    assert found[:, 0].tolist() == ["1-2", "0", "0"]


@pytest.mark.parametrize(
    ("ids", "band"),
    [
        ([b"a"], "head"),
        # a holds two thirds of the training engagements, b begins the last third.
        ([b"b"], "tail"),
        ([b"new"], "unseen"),
        # The middle one of three.
        ([b"new", b"b", b"a"], "tail"),
        ([], NO_TARGET),
    ],
)
def test_popularity_band_of_the_middle_target(ids, band):
    assert _values("target_popularity", targets(ids), ITEMS, {}).tolist() == [[band]]


def test_a_request_is_in_the_slice_of_each_value_of_its_target_items(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("id,kind\na,fruit\nb,bread\n")
    table = {"path": str(path), "item_id": "id"}
    found = _values("kind", targets([b"a", b"b", b"c"], [b"a"], []), ITEMS, table)
    assert [set(row) for row in found.tolist()] == [
        {"fruit", "bread", OTHER},
        {"fruit"},
        {NO_TARGET},
    ]


def test_the_last_event_tells_the_value_of_a_column():
    events = [[b"web", b"app"], [b"app", b"web"], [], None, [b"app", b""], [b"rare"]]
    found = column_values(pa.array(events, pa.large_list(pa.large_binary())), ["app", "web"])
    assert found[:, 0].tolist() == ["app", "web", NO_HISTORY, NO_HISTORY, NO_VALUE, OTHER]
