"""What a trial trains on: a share of the users, evenly spread, and how much it holds."""

import pytest
import tensorflow as tf

from benchmarks.trial import _engaged_events, _records, _thinned


@pytest.fixture
def split(tmp_path):
    """Ten users; user n engaged with n of n + 1 items."""
    folder = tmp_path / "artifact" / "Split-train"
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for part, users in enumerate([range(6), range(6, 10)]):
        with tf.io.TFRecordWriter(str(folder / f"part-{part}.gz"), options) as writer:
            for user in users:
                writer.write(record([1] * user + [0]))
    return str(folder / "*")


def record(engaged: list[int]) -> bytes:
    feature = {
        "engaged$ragged_values": tf.train.Feature(int64_list=tf.train.Int64List(value=engaged))
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def test_users_are_thinned_evenly(split, tmp_path):
    copy = _thinned(split, 0.3, tmp_path)
    assert copy == str(tmp_path / "Split-train" / "*")
    assert [_engaged_events(user) for user in _records(copy)] == [3, 6, 9]


def test_engaged_events_are_counted(split):
    assert sum(map(_engaged_events, _records(split))) == 45
