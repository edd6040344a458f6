"""What is no log of requests is refused with its name."""

import pytest
import tensorflow as tf

from components.errors import DataError
from tfx_pipeline.served import read_served


def test_a_folder_is_no_log_of_requests(tmp_path):
    with pytest.raises(DataError, match=rf"{tmp_path} is no TFRecord .* Is a directory"):
        read_served(str(tmp_path))


def test_records_of_other_bytes_are_no_log_of_requests(tmp_path):
    path = str(tmp_path / "requests.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"\xff\xff\xff others")
    with pytest.raises(DataError, match=f"{path} is no TFRecord of PredictionLogs"):
        read_served(path)
