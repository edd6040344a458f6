"""Several models: config file, version policies, labels, the reload request."""

from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from peers import Peer, flags, wait_until
from serving_models import half_request, publish
from tensorflow_serving.apis import model_management_pb2

from serving.server.config import models
from serving.server.model_server import ModelServer
from serving.server.status import StatusError

LOADING, AVAILABLE, END = 20, 30, 50
INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
LATEST = "latest { num_versions: 1 }"
CHOOSE_1_2 = "specific { versions: 1 versions: 2 }"


@pytest.fixture
def config_file(tmp_path):
    return tmp_path / "models.config"


@pytest.fixture
def folders(half_plus, tmp_path):
    """Two models, a with versions 1 to 3 and b with version 1; y = x / 2 + version."""
    for version in (1, 2, 3):
        publish(half_plus(version), tmp_path / "a", version)
    publish(half_plus(1), tmp_path / "b", 1)
    return tmp_path


def entry(folders, name: str, policy: str = LATEST, labels: str = "", extra: str = "") -> str:
    return (
        f'config {{ name: "{name}" base_path: "{folders / name}" model_platform: "tensorflow" '
        f"model_version_policy {{ {policy} }} {labels} {extra} }}"
    )


def label(name: str, version: int) -> str:
    return f'version_labels {{ key: "{name}" value: {version} }}'


def listing(*entries: str) -> str:
    return f"model_config_list {{ {' '.join(entries)} }}"


def reload_request(config_file, text: str) -> model_management_pb2.ReloadConfigRequest:
    config_file.write_text(text)
    config = models(flags(model_config_file=str(config_file)))
    return model_management_pb2.ReloadConfigRequest(config=config)


@pytest.fixture
def serve(config_file):
    """Starts a server on a config file's text; returns its peer."""
    started = []

    def start(text: str, **options) -> Peer:
        config_file.write_text(text)
        server = ModelServer(flags(model_config_file=str(config_file), **options))
        started.append(server)
        server.start()
        return Peer(server)

    yield start
    for server in started:
        server.stop()


def answer(peer: Peer, name: str, *, version: int | None = None, of_label: str = "") -> float:
    """y for x = 0, which is the version that answers."""
    request = half_request(0.0, name=name, version=version)
    if of_label:
        request.model_spec.version_label = of_label
    return peer.predict(request).outputs["y"].float_val[0]


def reload_error(peer: Peer, request) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        peer.model.HandleReloadConfigRequest(request, timeout=30.0)
    return caught.value.code(), caught.value.details()


def test_several_models_answer_by_name(serve, folders):
    peer = serve(listing(entry(folders, "a"), entry(folders, "b")))
    assert (answer(peer, "a"), answer(peer, "b")) == (3.0, 1.0)


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("", [3]),
        ("latest { }", [3]),
        ("latest { num_versions: 2 }", [3, 2]),
        ("latest { num_versions: 9 }", [3, 2, 1]),
        (CHOOSE_1_2, [2, 1]),
        ("specific { versions: 1 versions: 7 }", [1]),
        ("all { }", [3, 2, 1]),
    ],
)
def test_version_policy(serve, folders, policy, versions):
    peer = serve(listing(entry(folders, "a", policy)))
    peer.wait_for([(version, AVAILABLE) for version in versions], "a")
    assert answer(peer, "a") == max(versions)
    assert answer(peer, "a", version=min(versions)) == min(versions)


def test_version_policy_latest_n_moves_on(serve, folders, half_plus):
    peer = serve(listing(entry(folders, "a", "latest { num_versions: 2 }")))
    publish(half_plus(4), folders / "a", 4)
    peer.wait_for([(4, AVAILABLE), (3, AVAILABLE), (2, END)], "a")


def test_version_policy_with_a_bad_version_serves_the_others(serve, folders):
    peer = serve(listing(entry(folders, "a", "latest { num_versions: 2 }")))
    (folders / "a" / "4").mkdir()
    peer.wait_for([(4, END), (3, AVAILABLE), (2, END)], "a")


def test_labels_to_available_versions(serve, folders, config_file):
    peer = serve(listing(entry(folders, "a", CHOOSE_1_2)))
    labels = label("stable", 1) + label("canary", 2)
    request = reload_request(config_file, listing(entry(folders, "a", CHOOSE_1_2, labels)))
    response = peer.model.HandleReloadConfigRequest(request)
    assert response.status.error_code == 0
    assert answer(peer, "a", of_label="stable") == 1.0
    assert answer(peer, "a", of_label="canary") == 2.0
    with pytest.raises(grpc.RpcError, match="Unrecognized servable version label: gold"):
        answer(peer, "a", of_label="gold")


def test_labels_to_a_version_not_available_are_a_failed_precondition(serve, folders, config_file):
    peer = serve(listing(entry(folders, "a")))
    for version in (1, 9):
        text = listing(entry(folders, "a", CHOOSE_1_2, label("x", version)))
        assert reload_error(peer, reload_request(config_file, text)) == (
            PRECONDITION,
            f"Request to assign label to version {version} of model a, "
            "which is not currently available for inference",
        )
    assert peer.states("a") == [(3, AVAILABLE)]  # the refused configuration changed nothing


def test_labels_at_start_need_the_flag(serve, folders):
    text = listing(entry(folders, "a", CHOOSE_1_2, label("stable", 1)))
    with pytest.raises(StatusError, match="not currently available for inference"):
        serve(text)
    peer = serve(text, allow_version_labels_for_unavailable_models=True)
    assert answer(peer, "a", of_label="stable") == 1.0


def test_labels_in_use_do_not_move_to_an_unavailable_version(serve, folders, config_file):
    text = listing(entry(folders, "a", CHOOSE_1_2, label("stable", 1)))
    peer = serve(text, allow_version_labels_for_unavailable_models=True)
    moved = listing(entry(folders, "a", CHOOSE_1_2, label("stable", 9)))
    assert reload_error(peer, reload_request(config_file, moved))[0] == PRECONDITION
    assert answer(peer, "a", of_label="stable") == 1.0


def test_reload_returns_once_new_models_are_available(serve, folders, config_file):
    peer = serve(listing(entry(folders, "a")))
    both = listing(entry(folders, "a"), entry(folders, "b"))
    peer.model.HandleReloadConfigRequest(reload_request(config_file, both))
    assert answer(peer, "b") == 1.0
    # A model that is taken out is unloaded and stays listed; put back, it is loaded again.
    peer.model.HandleReloadConfigRequest(reload_request(config_file, listing(entry(folders, "b"))))
    peer.wait_for([(3, END)], "a")
    with pytest.raises(grpc.RpcError, match=r"Servable not found for request: Latest\(a\)"):
        answer(peer, "a")
    peer.model.HandleReloadConfigRequest(reload_request(config_file, both))
    assert answer(peer, "a") == 3.0


def test_reload_follows_a_changed_policy_and_path(serve, folders, config_file):
    peer = serve(listing(entry(folders, "a")), file_system_poll_wait_seconds=0)
    changed = listing(entry(folders, "a", CHOOSE_1_2))
    peer.model.HandleReloadConfigRequest(reload_request(config_file, changed))
    peer.wait_for([(3, END), (2, AVAILABLE), (1, AVAILABLE)], "a")


def test_reload_of_a_bad_model_fails_and_the_others_go_on(serve, folders, config_file):
    peer = serve(listing(entry(folders, "a")))
    (folders / "bad" / "1").mkdir(parents=True)
    text = listing(entry(folders, "a"), entry(folders, "bad"))
    code, message = reload_error(peer, reload_request(config_file, text))
    assert code == grpc.StatusCode.UNKNOWN
    assert message.startswith("1 model(s) did not become available: {{{name: bad version: 1} due")
    assert answer(peer, "a") == 3.0


def test_reload_waits_no_longer_than_its_deadline(serve, folders, config_file):
    peer = serve(listing(entry(folders, "a")))
    (folders / "empty").mkdir()
    text = listing(entry(folders, "a"), entry(folders, "empty"))
    with pytest.raises(grpc.RpcError) as caught:
        peer.model.HandleReloadConfigRequest(reload_request(config_file, text), timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    peer.model.HandleReloadConfigRequest(
        reload_request(config_file, listing(entry(folders, "b"))), timeout=30.0
    )
    assert answer(peer, "b") == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/a" model_platform: "tensorflow" }'
            ' config { name: "a" base_path: "/b" model_platform: "tensorflow" } }',
            "Illegal to list model a multiple times in config list",
        ),
        (
            'model_config_list { config { name: "a" base_path: "x/y" '
            'model_platform: "tensorflow" } }',
            "Expected model a to have an absolute path or URI; got base_path()=x/y",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/x\\000y" '
            'model_platform: "tensorflow" } }',
            "Expected model a to have a path without NUL characters; got base_path()='/x\\x00y'",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/a" } }',
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            "nor ModelServerConfig::model_platform.",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/a" model_platform: "x" } }',
            "Model a requests unsupported platform x",
        ),
    ],
    ids=["empty", "duplicate", "relative path", "NUL", "no platform", "other platform"],
)
def test_reload_errors(peer, config_file, text, message):
    assert reload_error(peer, reload_request(config_file, text)) == (INVALID, message)
    assert answer(peer, "half") == 1.0


def test_config_file_bad_at_start_ends_it(serve):
    expected = "Error parsing text-format tensorflow.serving.ModelServerConfig"
    with pytest.raises(StatusError, match=expected):
        serve("model_config_lust { }")
    with pytest.raises(StatusError, match="No such file"):
        ModelServer(flags(model_config_file="/nowhere")).start()


def test_config_file_wins_over_the_flags_of_one_model(serve, folders):
    peer = serve(listing(entry(folders, "b")), name="half", base_path=folders / "a")
    assert answer(peer, "b") == 1.0
    with pytest.raises(grpc.RpcError, match=r"Servable not found for request: Latest\(half\)"):
        answer(peer, "half")


def test_slow_loads_of_one_model_are_listed_as_loading(serve, folders, config_file):
    peer = serve(listing(entry(folders, "a")), max_num_load_retries=3)
    (folders / "a" / "4").mkdir()
    wait_until(lambda: peer.states("a")[0] == (4, LOADING), lambda: str(peer.states("a")))
    assert answer(peer, "a") == 3.0


def logging_to(prefix, rate: float = 1.0, kind: str = "tfrecord") -> str:
    return (
        f'logging_config {{ log_collector_config {{ type: "{kind}" filename_prefix: "{prefix}" }} '
        f"sampling_config {{ sampling_rate: {rate} }} }}"
    )


def test_requests_are_logged_where_the_configuration_says(folders, config_file, serve):
    one, two = (
        listing(entry(folders, "a", extra=logging_to(folders / "logs" / name)))
        for name in ("one", "two")
    )
    peer = serve(listing(entry(folders, "a", extra=logging_to(folders / "logs" / "none", 0.0))))
    answer(peer, "a")
    for text in (one, one, two):  # the file stays the same while its configuration does
        peer.model.HandleReloadConfigRequest(reload_request(config_file, text), timeout=30.0)
        answer(peer, "a")
    assert logged(folders / "logs") == {"none": 0, "one": 2, "two": 1}


def logged(folder: Path) -> dict[str, int]:
    """How many requests the one file of each prefix has."""
    return {
        path.name.rsplit("-", 3)[0]: len(list(tf.data.TFRecordDataset(str(path))))
        for path in folder.iterdir()
    }


def test_a_refused_configuration_leaves_the_request_logs_as_they_are(folders, config_file, serve):
    a = entry(folders, "a", extra=logging_to(folders / "logs" / "a"))
    peer = serve(listing(a))
    other = entry(folders, "a", extra=logging_to(folders / "logs" / "other"))
    unlogged = entry(folders, "a", labels=label("x", 9))
    wrong = entry(folders, "b", extra=logging_to(folders / "logs" / "b", kind="file"))
    for text, refusal in [
        (listing(unlogged), PRECONDITION),
        (listing(other, entry(folders, "b", labels=label("x", 9))), PRECONDITION),
        (listing(other, wrong), INVALID),
        (listing(a, wrong), INVALID),
    ]:
        assert reload_error(peer, reload_request(config_file, text))[0] == refusal
        answer(peer, "a")
    assert logged(folders / "logs") == {"a": 4}


def test_models_with_one_prefix_log_to_files_of_their_own(folders, serve):
    names = ("a", "b")
    logging = logging_to(folders / "logs" / "requests")
    peer = serve(listing(*(entry(folders, name, extra=logging) for name in names)))
    for name in names:
        answer(peer, name)
    files = [str(path) for path in (folders / "logs").iterdir()]
    assert [len(list(tf.data.TFRecordDataset(file))) for file in files] == [1, 1]


def test_a_request_log_that_cannot_be_is_refused(folders, serve):
    with pytest.raises(StatusError, match=r"Model a has no request log: .*must be 'tfrecord'"):
        serve(listing(entry(folders, "a", extra=logging_to(folders / "log", kind="file"))))


def test_a_request_log_that_cannot_be_opened_is_refused(folders, config_file, serve):
    message = "Model a has no request log: .*/proc/requests"
    text = listing(entry(folders, "a", extra=logging_to("/proc/requests")))
    with pytest.raises(StatusError, match=message):
        serve(text)
    peer = serve(listing(entry(folders, "a")))
    config_file.write_text(text)
    with pytest.raises(StatusError, match=message) as caught:
        peer.server.reload()
    assert caught.value.code == INVALID
    assert answer(peer, "a") == 3.0
