"""Configurations follow each other, and versions new ones, whatever becomes of one model."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from peers import Peer, flags, wait_until
from serving_models import MODEL, half_request, publish
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.model_server import ModelServer
from serving.server.versions import version_folders


@pytest.fixture
def empty(tmp_path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def narrow(half_plus, base_path):
    """A server that runs one request at a time."""
    publish(half_plus(1), base_path, 1)
    with ModelServer(flags(base_path, grpc_max_threads=1)) as server:
        yield Peer(server)


def config(**folders: Path) -> ModelServerConfig:
    """Lists each folder under its model's name."""
    listed = ModelServerConfig()
    for name, folder in folders.items():
        listed.model_config_list.config.add(
            name=name, base_path=str(folder), model_platform="tensorflow"
        )
    return listed


def begin_reload(peer: Peer, timeout: float | None = None, **folders: Path) -> grpc.Future:
    """Asks for the model `half` and others, and waits until they are configured."""
    request = model_management_pb2.ReloadConfigRequest(config=config(**folders))
    call = peer.model.HandleReloadConfigRequest.future(request, timeout=timeout)
    wait_until(
        lambda: call.done() or set(peer.server.models) == folders.keys(),
        lambda: f"{peer.server.models} are configured",
    )
    return call


def answer(peer: Peer, name: str = MODEL) -> float:
    """y for x = 0, which is the offset of the model."""
    response = peer.predict(half_request(0.0, name=name), timeout=10.0)
    return response.outputs["y"].float_val[0]


def is_served(peer: Peer, name: str) -> bool:
    try:
        return bool(answer(peer, name))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
        return False


def test_a_reload_does_not_wait_for_the_models_of_the_one_before(peer, half_plus, base_path, empty):
    publish(half_plus(2), empty.with_name("good"), 1)
    mistaken = begin_reload(peer, half=base_path, new=empty)
    mended = begin_reload(peer, timeout=10.0, half=base_path, new=empty.with_name("good"))
    assert mended.code() == grpc.StatusCode.OK
    assert (answer(peer), answer(peer, "new")) == (1.0, 2.0)
    assert mistaken.code() == grpc.StatusCode.ABORTED
    assert mistaken.details() == "Another configuration has changed model new meanwhile"


def test_a_refused_configuration_does_not_end_the_wait_of_the_one_before(
    peer, half_plus, base_path, empty
):
    waits = begin_reload(peer, half=base_path, new=empty)
    refused = begin_reload(peer, timeout=10.0, half=Path("half"), new=Path("new"))
    assert refused.code() == grpc.StatusCode.INVALID_ARGUMENT
    publish(half_plus(2), empty, 1)
    assert waits.code() == grpc.StatusCode.OK


def test_reloads_of_one_new_model_all_wait_for_it(peer, half_plus, base_path, empty):
    calls = [begin_reload(peer, half=base_path, new=empty) for _ in range(2)]
    time.sleep(0.2)
    assert not any(call.done() for call in calls)
    publish(half_plus(2), empty, 1)
    assert [call.code() for call in calls] == [grpc.StatusCode.OK] * 2
    assert answer(peer, "new") == 2.0


def test_a_reload_does_not_wait_for_a_model_that_has_lost_its_versions(
    peer, half_plus, base_path, empty
):
    publish(half_plus(2), empty, 1)
    assert begin_reload(peer, timeout=10.0, half=base_path, new=empty).code() == grpc.StatusCode.OK
    (empty / "1").rename(empty.with_name("removed"))
    peer.wait_for([(1, 50)], "new")
    assert begin_reload(peer, timeout=10.0, half=base_path, new=empty).code() == grpc.StatusCode.OK


def test_a_cancelled_reload_gives_its_thread_back(narrow, base_path, empty):
    begin_reload(narrow, half=base_path, new=empty).cancel()
    assert answer(narrow) == 1.0


def test_a_reload_whose_deadline_has_passed_gives_its_thread_back(narrow, base_path, empty):
    call = begin_reload(narrow, timeout=0.5, half=base_path, new=empty)
    assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert answer(narrow) == 1.0


def test_a_config_file_that_lists_an_empty_folder_can_be_mended(half_plus, tmp_path, empty):
    publish(half_plus(1), tmp_path / "one", 1)
    publish(half_plus(2), tmp_path / "other", 1)
    file = tmp_path / "models.config"
    file.write_text(str(config(one=tmp_path / "one")))
    with ThreadPoolExecutor(1) as pool, ModelServer(flags(model_config_file=str(file))) as server:
        file.write_text(str(config(one=tmp_path / "one", other=empty)))
        pool.submit(server.reload).result(timeout=10.0)
        file.write_text(str(config(one=tmp_path / "one", other=tmp_path / "other")))
        pool.submit(server.reload).result(timeout=10.0)
        peer = Peer(server)
        wait_until(lambda: is_served(peer, "other"), lambda: "the mended model is not served")
        assert (answer(peer, "one"), answer(peer, "other")) == (1.0, 2.0)


def test_a_model_whose_step_fails_is_logged_and_the_others_go_on(
    peer, half_plus, base_path, tmp_path, monkeypatch, caplog
):
    publish(half_plus(2), tmp_path / "new", 1)
    folders = {"half": base_path, "new": tmp_path / "new"}
    assert begin_reload(peer, timeout=10.0, **folders).code() == grpc.StatusCode.OK

    def list_folders(path: Path) -> dict[int, Path]:
        if path == base_path:
            raise ValueError("no such path can be")
        return version_folders(path)

    monkeypatch.setattr("serving.server.model.version_folders", list_folders)
    publish(half_plus(3), folders["new"], 2)
    peer.wait_for([(2, 30), (1, 50)], "new")
    assert (answer(peer), answer(peer, "new")) == (1.0, 3.0)
    assert "Model half cannot follow its configuration and folder" in caplog.text
    assert "no such path can be" in caplog.text


def test_a_pause_between_looks_may_be_longer_than_a_thread_can_wait(half_plus, base_path, tmp_path):
    publish(half_plus(1), base_path, 1)
    publish(half_plus(2), tmp_path / "new", 1)
    with ModelServer(flags(base_path, file_system_poll_wait_seconds=1e11)) as server:
        peer = Peer(server)
        call = begin_reload(peer, timeout=10.0, half=base_path, new=tmp_path / "new")
        assert call.code() == grpc.StatusCode.OK
        assert answer(peer, "new") == 2.0
