"""Two replicas in a process, and two workers: the same training as that of one device."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.distribution import make_strategy, users_per_replica
from model.fitting import read_curves

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def start(*arguments: str, tf_config: dict | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{HERE}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"TF_CONFIG": json.dumps(tf_config)} if tf_config else {}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=HERE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def start_workers(*arguments: str) -> list[subprocess.Popen[str]]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    return [
        start("worker.py", *arguments, tf_config={"cluster": cluster, "task": task})
        for task in ({"type": "worker", "index": 0}, {"type": "worker", "index": 1})
    ]


def end(process: subprocess.Popen[str]) -> str:
    """What it printed; it must have ended well."""
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    return printed


def trained(folder: Path) -> list[np.ndarray]:
    weights = tf.saved_model.load(str(folder / "Format-Serving")).weights
    return [weight.numpy() for weight in weights if weight.trainable]


def test_a_batch_that_cannot_be_shared_out_is_refused():
    class Three:
        num_replicas_in_sync = 3

    assert users_per_replica(make_strategy("one-device"), 47) == 47
    assert users_per_replica(Three(), 48) == 16
    with pytest.raises(ValueError, match=r"a multiple of the 3 replicas\. Received: 47"):
        users_per_replica(Three(), 47)


@pytest.mark.slow
def test_gradients_of_two_replicas_are_those_of_one_device():
    end(start("two_replicas.py"))


@pytest.fixture(scope="module")
def four_users(transformed, tmp_path_factory) -> Path:
    """Two workers of two users a step, who are those of one process in the same step."""
    folder = shutil.copytree(transformed, tmp_path_factory.mktemp("four") / "transformed")
    [path] = (folder / "Split-train").iterdir()
    records = list(tf.data.TFRecordDataset(str(path), "GZIP").take(4).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)
    return folder


@pytest.fixture(scope="module")
def base(four_users, tmp_path_factory) -> str:
    """What all start from: initial weights are drawn in another way under each strategy."""
    folder = tmp_path_factory.mktemp("base")
    end(start("worker.py", str(four_users), str(folder)))
    return str(folder / "Format-Serving")


@pytest.fixture(scope="module")
def whole(four_users, base, tmp_path_factory) -> Path:
    """Trained by one process."""
    folder = tmp_path_factory.mktemp("whole")
    end(start("worker.py", str(four_users), str(folder), "--base", base))
    return folder


def assert_same_training(folder: Path, whole: Path) -> None:
    found, expected = (read_curves(str(path)) for path in (folder, whole))
    assert found.keys() == expected.keys()
    for name in expected.keys() - {"seconds"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4, err_msg=name)
    for one, other in zip(trained(folder), trained(whole), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


MULTI = ("--train", json.dumps({"strategy": "multi-worker"}))


@pytest.mark.slow
def test_two_workers_train_the_same_model_as_one_process(four_users, base, whole, tmp_path):
    chief, worker = start_workers(str(four_users), str(tmp_path), "--base", base, *MULTI)
    assert "epoch 2 of at most 2" in end(chief)
    end(worker)
    assert_same_training(tmp_path, whole)
    assert not list((tmp_path / "checkpoints").iterdir())


@pytest.mark.slow
def test_killed_workers_go_on_after_the_last_whole_epoch(four_users, base, whole, tmp_path):
    given = (str(four_users), str(tmp_path), "--base", base, *MULTI)
    chief, worker = start_workers(*given, "--die-after", "2")
    chief.wait(300)
    worker.kill()
    worker.wait(30)
    chief, worker = start_workers(*given)
    assert "going on after epoch 1" in end(chief)
    assert "going on after epoch 1" in end(worker)
    assert_same_training(tmp_path, whole)
