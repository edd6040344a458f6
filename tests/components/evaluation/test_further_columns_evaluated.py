"""The commonest values of further columns, over the last events of a split's users."""

import pyarrow as pa
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tiny_examples import write_tfrecord

from components.evaluation import further_columns
from components.evaluation.further_columns import common_values


def test_the_commonest_at_last_events_ties_by_value(tmp_path, monkeypatch):
    users = [["x", "b"], ["b"], ["c", "a"], ["a"], [], ["d", ""], ["c"]]
    shops = pa.array([[v.encode() for v in user] for user in users], pa.large_list(pa.binary()))
    batch = pa.RecordBatch.from_arrays([shops, shops], ["shop", "other"])
    write_tfrecord(tmp_path / "data.gz", RecordBatchToExamplesEncoder().encode(batch))
    monkeypatch.setattr(further_columns, "_USERS_AT_A_TIME", 3)
    assert common_values(str(tmp_path), ["shop"]) == {"shop": ["a", "b", "c"]}
    monkeypatch.setattr(further_columns, "MOST_VALUES", 2)
    assert common_values(str(tmp_path), ["shop"]) == {"shop": ["a", "b"]}
    assert common_values("not read", []) == {}
