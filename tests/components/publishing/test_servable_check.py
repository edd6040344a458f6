"""The servable check on right and wrong SavedModels, in this process and in one of its own."""

import json
import shutil
from types import SimpleNamespace

import pytest
import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts
from tiny_recommenders import SIGNATURE, record, save, save_users, write_warm_up

from components.publishing import replay_requests, servable_check
from components.publishing.replay_requests import latency, replay
from components.publishing.servable_check import LATENCY, REPORT_FILE, ServableCheck, check, refusal

ITEMS = [b"a", b"b"]
SCORES = [[0.5, 0.5], [0.5, 0.5]]
RIGHT = {"item_id": [ITEMS, ITEMS], "score": SCORES}


@pytest.fixture(scope="session")
def right_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("right") / "model"
    save(path, ITEMS)
    record(path, RIGHT)
    return path


@pytest.fixture
def copy(right_model, tmp_path):
    return shutil.copytree(right_model, tmp_path / "copy")


def replayed(path, users):
    return replay(tf.saved_model.load(str(path)), str(path), users)


def test_a_right_model_differs_nowhere(right_model):
    assert replayed(right_model, [b"real user"]) == {SIGNATURE: 0.0}


def test_latency_is_of_each_user_once_and_not_of_the_first_call(monkeypatch, right_model):
    model = tf.saved_model.load(str(right_model))
    # Start and end of each call, in seconds: the first takes 90 s, the others 1 and 3 ms.
    clock = iter([0, 90, 100, 100.001, 200, 200.003])
    time = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr(replay_requests, "time", time)
    found = latency(model, [b"one", b"other"])
    assert found == pytest.approx({"p50": 2, "p99": 2.98, "requests": 2})
    assert latency(model, []) == {}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"item_id": [[b"x", b"y"]] * 2}, "item_id agrees with the trainer's in 0% of its places"),
        ({"score": [[0.5, 0.6]] * 2}, r"score differs from the trainer's by up to 0\.1"),
        ({"score": [[0.5, float("-inf")]] * 2}, "score is not finite where the trainer's is"),
        ({"score": [[0.5]] * 2}, r"score has shape \(2, 2\), the trainer's \(2, 1\)"),
    ],
)
def test_other_answers_than_recorded_are_refused(copy, answers, reason):
    record(copy, RIGHT | answers)
    with pytest.raises(ValueError, match=reason):
        replayed(copy, [])


def test_a_model_that_leaves_real_users_empty_is_refused(tmp_path):
    save(tmp_path / "model", ITEMS, real_users_answered=False)
    record(tmp_path / "model", RIGHT)
    others = [f"other {number}".encode() for number in range(4)]
    assert replayed(tmp_path / "model", others) == {SIGNATURE: 0.0}
    for users in ([b"real user"], [*others, b"real user"]):
        with pytest.raises(ValueError, match=r"serving_default\.item_id is empty for a real user"):
            replayed(tmp_path / "model", users)


def test_a_signature_without_a_recorded_request_is_refused(copy):
    write_warm_up(copy, [])
    with pytest.raises(ValueError, match=r"no request for .*serving_default"):
        replayed(copy, [])


def test_a_model_without_recorded_requests_is_refused(copy):
    shutil.rmtree(copy / "assets.extra")
    with pytest.raises(tf.errors.NotFoundError):
        replayed(copy, [])


def bless(model, tmp_path):
    """Runs the component's function; returns (the blessing, what its report says)."""
    users = save_users(tmp_path / "Split-test")
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path)
    examples.split_names = artifact_utils.encode_split_names(["test"])
    assert artifact_utils.get_split_uri([examples], "test") == users
    exported = standard_artifacts.Model()
    exported.uri = str(tmp_path / "exported")
    shutil.copytree(model, tmp_path / "exported" / "Format-Serving")
    blessing = standard_artifacts.InfraBlessing()
    blessing.uri = str(tmp_path / "blessing")
    function = ServableCheck.EXECUTOR_SPEC.executor_class._FUNCTION
    function(model=exported, examples=examples, blessing=blessing, split="test")
    report = (tmp_path / "blessing" / REPORT_FILE).read_text()
    return blessing, report


@pytest.mark.slow
def test_a_right_model_is_blessed_in_a_process_of_its_own(right_model, tmp_path):
    blessing, report = bless(right_model, tmp_path)
    assert blessing.get_int_custom_property("blessed") == 1
    assert json.loads(report)["differences"] == {SIGNATURE: 0.0}
    p50, p99 = (blessing.get_float_custom_property(f"{LATENCY}{name}") for name in ("p50", "p99"))
    assert 0 < p50 <= p99
    assert blessing.get_float_custom_property(f"{LATENCY}requests") == 1


@pytest.mark.slow
def test_a_model_that_does_not_load_is_not_blessed(copy, tmp_path):
    (copy / "saved_model.pb").write_bytes(b"not a graph")
    blessing, _ = bless(copy, tmp_path)
    assert blessing.get_int_custom_property("blessed") == 0
    assert "Cannot parse file" in refusal(blessing.uri)


def test_a_check_that_takes_too_long_is_an_error(right_model, tmp_path, monkeypatch):
    monkeypatch.setattr(servable_check, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(RuntimeError, match=r"did not answer within 0\.1 s"):
        check(str(right_model), save_users(tmp_path / "Split-test"))


def test_a_check_that_is_killed_is_an_error(right_model, tmp_path, monkeypatch):
    killed = tmp_path / "killed.py"
    killed.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(servable_check.replay_requests, "__file__", str(killed))
    with pytest.raises(RuntimeError, match="ended by SIGKILL"):
        check(str(right_model), save_users(tmp_path / "Split-test"))
