"""Versions come and go while requests go on."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from peers import Peer, flags, wait_until
from serving_models import (
    MODEL,
    half_request,
    predict_request,
    publish,
    write_warm_up,
)
from tensorflow_serving.apis import get_model_status_pb2

from serving.server.config import models
from serving.server.manager import ModelManager
from serving.server.model_server import ModelServer
from serving.server.servable import MAX_WARM_UP_RECORDS, Servable
from serving.server.status import StatusError

AVAILABLE, END = 30, 50


def answer(peer: Peer, **options) -> float:
    """y for x = 0, which is the offset of the model that answers."""
    return peer.predict(half_request(0.0, **options)).outputs["y"].float_val[0]


def move_away(base_path, version: int) -> None:
    (base_path / str(version)).rename(base_path.with_name(f"removed-{version}"))


def error_of(peer: Peer, version: int):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = MODEL
    request.model_spec.version.value = version
    [entry] = peer.model.GetModelStatus(request).model_version_status
    return entry.status


def test_a_new_version_takes_over_and_the_old_one_stays_listed(peer, half_plus, base_path):
    assert answer(peer) == 1.0
    publish(half_plus(2), base_path, 2)
    peer.wait_for([(2, AVAILABLE), (1, END)])
    assert answer(peer) == answer(peer, version=2) == 2.0
    with pytest.raises(grpc.RpcError, match=r"Specific\(half, 1\)"):
        answer(peer, version=1)


def test_numbers_are_compared_as_numbers_and_other_folders_ignored(peer, half_plus, base_path):
    for name in ("temp-5", "5.tmp", "-6", "\u0667"):
        (base_path / name).mkdir()
    (base_path / "11").write_text("a file")
    publish(half_plus(2), base_path, 10)
    peer.wait_for([(10, AVAILABLE), (1, END)])


def test_removing_the_newest_rolls_back(peer, half_plus, base_path):
    publish(half_plus(2), base_path, 2)
    peer.wait_for([(2, AVAILABLE), (1, END)])
    move_away(base_path, 2)
    peer.wait_for([(2, END), (1, AVAILABLE)])
    assert answer(peer) == 1.0


def test_a_bad_version_leaves_the_old_one_serving(peer, half_plus, base_path):
    (base_path / "2").mkdir()
    peer.wait_for([(2, END), (1, AVAILABLE)])
    assert error_of(peer, 2).error_code != 0
    assert "saved_model.pb" in error_of(peer, 2).error_message
    assert answer(peer) == 1.0
    move_away(base_path, 2)
    publish(half_plus(2), base_path, 3)
    peer.wait_for([(3, AVAILABLE), (2, END), (1, END)])


def test_a_truncated_model_fails_its_load(peer, copy_of, base_path):
    damaged = copy_of(2)
    [data] = (damaged / "variables").glob("*.data-*")
    data.write_bytes(b"")
    publish(damaged, base_path, 2)
    peer.wait_for([(2, END), (1, AVAILABLE)])


def test_removing_every_version_unloads_and_an_empty_folder_waits(peer, half_plus, base_path):
    move_away(base_path, 1)
    peer.wait_for([(1, END)])
    with pytest.raises(grpc.RpcError, match=r"Servable not found for request: Latest\(half\)"):
        answer(peer)
    publish(half_plus(2), base_path, 2)
    peer.wait_for([(2, AVAILABLE), (1, END)])


def test_a_folder_that_goes_missing_changes_nothing(peer, base_path):
    base_path.rename(base_path.with_name("elsewhere"))
    time.sleep(0.1)
    assert answer(peer) == 1.0


def test_starting_on_an_empty_folder_waits_for_a_version(half_plus, base_path):
    server = ModelServer(flags(base_path))
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(server.start)
        time.sleep(0.1)
        assert not started.done()
        publish(half_plus(1), base_path, 1)
        started.result(timeout=30)
    assert answer(Peer(server)) == 1.0
    server.stop()


def test_a_start_that_is_out_of_time_or_cancelled_says_so(base_path):
    base_path.mkdir()
    server = ModelServer(flags(base_path))
    with pytest.raises(StatusError, match="did not become available in time: half"):
        server.start(timeout_seconds=0.05)
    server.stop()

    server = ModelServer(flags(base_path))
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(server.start)
        server.cancel()
        with pytest.raises(StatusError, match="The server is stopping"):
            started.result(timeout=30)
    server.stop()


def test_a_bad_first_version_ends_the_start(base_path):
    (base_path / "1").mkdir(parents=True)
    expected = r"1 model\(s\) did not become available: {{{name: half version: 1} due to error: "
    with pytest.raises(StatusError, match=expected), ModelServer(flags(base_path)):
        pass


def test_a_version_that_is_still_being_written_is_tried_again(half_plus, base_path):
    (base_path / "1").mkdir(parents=True)
    patient = flags(base_path, max_num_load_retries=1000, load_retry_interval_micros=50_000)
    server = ModelServer(patient)
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(server.start)
        time.sleep(0.2)
        (base_path / "1").rmdir()
        publish(half_plus(1), base_path, 1)
        started.result(timeout=30)
    server.stop()


def test_a_newer_version_ends_the_tries_of_a_bad_one(half_plus, base_path):
    (base_path / "1").mkdir(parents=True)
    server = ModelServer(flags(base_path, max_num_load_retries=5))
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(server.start)
        publish(half_plus(2), base_path, 2)
        started.result(timeout=30)
    assert answer(Peer(server)) == 2.0
    server.stop()


def test_a_poll_wait_of_zero_looks_once(half_plus, base_path):
    publish(half_plus(1), base_path, 1)
    with ModelServer(flags(base_path, file_system_poll_wait_seconds=0)) as server:
        publish(half_plus(2), base_path, 2)
        time.sleep(0.2)
        assert answer(Peer(server)) == 1.0


def test_a_request_in_flight_keeps_its_version(half_plus, base_path):
    publish(half_plus(1), base_path, 1)
    manager = ModelManager(flags(base_path))
    manager.start()
    manager.reload(models(flags(base_path)))
    spec = half_request(0.0).model_spec

    def states() -> list[int]:
        return [entry.state for entry in manager.statuses(spec)]

    with manager.use(spec) as servable:
        publish(half_plus(2), base_path, 2)
        wait_until(lambda: states() == [AVAILABLE, 40], lambda: str(states()))
        time.sleep(0.1)
        assert states() == [AVAILABLE, 40]
        assert servable.predict(half_request(0.0)).outputs["y"].float_val[0] == 1.0
    wait_until(lambda: states() == [AVAILABLE, END], lambda: str(states()))
    manager.stop(10.0)
    assert states() == [END, END]


def test_no_request_fails_while_versions_change(peer, half_plus, base_path):
    models = [half_plus(offset) for offset in (2, 3, 4)]
    all_had_an_answer, finished = threading.Barrier(5), threading.Event()

    def send() -> list[float]:
        seen = [answer(peer)]
        all_had_an_answer.wait(timeout=60)
        while not finished.is_set():
            seen.append(answer(peer))
        return [*seen, answer(peer)]

    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send) for _ in range(4)]
        all_had_an_answer.wait(timeout=60)
        for version, model in enumerate(models, start=2):
            publish(model, base_path, version)
            ended = [(old, END) for old in range(version - 1, 0, -1)]
            peer.wait_for([(version, AVAILABLE), *ended])
        finished.set()
        answers = [sender.result() for sender in senders]
    for seen in answers:
        assert (seen[0], seen[-1]) == (1.0, 4.0)
        # Versions only move forward, and each answer is one version's.
        assert seen == sorted(seen)
        assert set(seen) <= {1.0, 2.0, 3.0, 4.0}


def test_warm_up_requests_are_replayed(copy_of, monkeypatch):
    model = copy_of(1)
    # The model's name and version in a record do not matter: they may be another cluster's.
    records = [half_request(float(x), name="other", version=9) for x in range(3)]
    write_warm_up(model, records)
    replayed = []
    monkeypatch.setattr(Servable, "predict", lambda self, request: replayed.append(request))
    assert Servable(MODEL, 1, model).warm_up() == 3
    assert replayed == records


def test_without_a_warm_up_file_there_is_nothing_to_replay(half_plus):
    assert Servable(MODEL, 1, half_plus(1)).warm_up() == 0


def test_a_failing_warm_up_record_fails_the_load(peer, copy_of, base_path):
    model = copy_of(2)
    write_warm_up(model, [half_request(1.0), predict_request({"q": np.zeros(1, np.float32)})])
    publish(model, base_path, 2)
    peer.wait_for([(2, END), (1, AVAILABLE)])
    assert error_of(peer, 2).error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert error_of(peer, 2).error_message.startswith("Signature input alias: x")


def test_a_warm_up_file_that_is_no_tfrecord_fails_the_load(peer, copy_of, base_path):
    model = copy_of(2)
    write_warm_up(model, [])
    (model / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records here")
    publish(model, base_path, 2)
    peer.wait_for([(2, END), (1, AVAILABLE)])
    assert error_of(peer, 2).error_code == grpc.StatusCode.DATA_LOSS.value[0]


def test_too_many_warm_up_records_fail_the_load(copy_of):
    model = copy_of(1)
    write_warm_up(model, [half_request(1.0)] * (MAX_WARM_UP_RECORDS + 1))
    with pytest.raises(StatusError, match=r"exceeds the maximum \(1000\)"):
        Servable(MODEL, 1, model).warm_up()
