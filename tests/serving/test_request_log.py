"""The sample of requests: what is written, how much of it, and by how many threads."""

import os
import threading
import time

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tensorflow_serving.config import logging_config_pb2

from serving.server.request_log import RequestLog

CALLS = 2000


def config(prefix, rate=1.0, kind="tfrecord"):
    text = (
        f'log_collector_config {{ type: "{kind}" filename_prefix: "{prefix}" }} '
        f"sampling_config {{ sampling_rate: {rate} }}"
    )
    return text_format.Parse(text, logging_config_pb2.LoggingConfig())


def call(number: int):
    request, response = predict_pb2.PredictRequest(), predict_pb2.PredictResponse()
    request.model_spec.name = response.model_spec.name = "shop"
    response.model_spec.version.value = 7
    request.inputs["k"].CopyFrom(tf.make_tensor_proto([number]))
    response.outputs["item_id"].CopyFrom(tf.make_tensor_proto([[f"i{number}"]]))
    return request, response


def read(log: RequestLog) -> list[prediction_log_pb2.PredictionLog]:
    records = tf.data.TFRecordDataset(log.path)
    return [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in records]


def test_requests_and_answers_are_written_whole(tmp_path):
    log = RequestLog(config(tmp_path / "logs" / "requests"))
    calls = [call(number) for number in range(3)]
    for request, response in calls:
        log.collect(request, response)
    log.close()
    entries = read(log)
    assert [(e.predict_log.request, e.predict_log.response) for e in entries] == calls
    assert entries[0].log_metadata.model_spec.version.value == 7
    assert entries[0].log_metadata.sampling_config.sampling_rate == 1
    assert entries[0].log_metadata.timestamp_secs > 0


def test_a_share_of_them_is_written_and_at_once(tmp_path):
    log = RequestLog(config(tmp_path / "requests", rate=0.1), seed=0)
    for _ in range(CALLS):
        log.collect(*call(0))
    # Five standard deviations are 67 records.
    assert abs(len(read(log)) - CALLS * 0.1) < 67
    log.close()


def test_threads_do_not_mix_their_records(tmp_path):
    log = RequestLog(config(tmp_path / "requests"))

    def work(start: int) -> None:
        for number in range(start, start + 50):
            log.collect(*call(number))

    threads = [threading.Thread(target=work, args=(50 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    numbers = {tf.make_ndarray(e.predict_log.request.inputs["k"])[0] for e in read(log)}
    assert numbers == set(range(400))


def test_each_log_has_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1000.5)
    logs = [RequestLog(config(tmp_path / "requests")) for _ in range(3)]
    for number, log in enumerate(logs):
        log.collect(*call(number))
    logs[1].discard()
    logs[0].close()
    logs[2].close()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"requests-1000-{os.getpid()}-{number}.tfrecord" for number in (0, 2)}
    assert [len(read(logs[0])), len(read(logs[2]))] == [1, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "http"}, "type must be 'tfrecord': 'http'"),
        ({"rate": 1.5}, "sampling_rate must be from 0 to 1: 1.5"),
        ({"prefix": ""}, "filename_prefix is missing"),
        ({"prefix": "gs://logs/r"}, "must be a path of this machine: 'gs://logs/r'"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        RequestLog(config(**{"prefix": tmp_path / "requests", **settings}))
