"""Two replicas in a process, and two workers: the same training as that of one device."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tiny_transform import arguments
from worker import train

from model import features
from model.config import TrainConfig
from model.distribution import make_strategy, users_per_replica
from model.fitting import read_curves
from model.start import begin

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


def start_workers(*of_each: Sequence[str]) -> list[subprocess.Popen[str]]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(len(of_each))]}
    return [
        start(
            "worker.py",
            *arguments,
            tf_config={"cluster": cluster, "task": {"type": "worker", "index": index}},
        )
        for index, arguments in enumerate(of_each)
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
    return with_users(transformed, tmp_path_factory.mktemp("four") / "transformed", [4])


def with_users(transformed: Path, folder: Path, users: list[int]) -> Path:
    """A copy with the log's first users only, so many in each of the training split's files."""
    shutil.copytree(transformed, folder)
    [path] = (folder / "Split-train").iterdir()
    records = iter(list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator()))
    path.unlink()
    for part, count in enumerate(users):
        with tf.io.TFRecordWriter(str(path.with_name(f"part-{part}.gz")), "GZIP") as writer:
            for record in itertools.islice(records, count):
                writer.write(record)
    return folder


@pytest.fixture(scope="module")
def whole(four_users, item_table, exported, tmp_path_factory) -> Path:
    """Trained by one process."""
    folder = tmp_path_factory.mktemp("whole")
    train(four_users, folder, item_table, exported)
    return folder


@pytest.fixture(scope="module")
def options(item_table, exported) -> tuple[str, ...]:
    """Of all workers."""
    settings = json.dumps({"strategy": "multi-worker"})
    return "--items", json.dumps(item_table), "--base", str(exported), "--train", settings


def assert_same_training(folder: Path, whole: Path) -> None:
    found, expected = (read_curves(str(path)) for path in (folder, whole))
    assert found.keys() == expected.keys()
    for name in expected.keys() - {"seconds"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4, err_msg=name)
    for one, other in zip(trained(folder), trained(whole), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_a_part_of_the_users_is_some_files_or_where_there_are_few_some_batches(
    transformed, tmp_path
):
    def users_of_parts(files: list[int], parts: int) -> list[int]:
        folder = with_users(transformed, tmp_path / f"{len(files)}-{parts}", files)
        fn_args = arguments(folder, tmp_path / "made", 2, batch_size=1)
        config = TrainConfig.model_validate_json(fn_args.custom_config["train"])
        transform = tft.TFTransformOutput(fn_args.transform_graph_path)
        start = begin(fn_args, transform, config, features.TRAIN_SPLIT)
        read = [start.training.read(0, (parts, part)) for part in range(parts)]
        return [sum(1 for _ in batches) for batches in read]

    assert users_of_parts([3, 1], 2) == [3, 1]
    assert users_of_parts([1, 1, 3], 2) == [4, 1]
    assert users_of_parts([5], 2) == [3, 2]
    assert users_of_parts([2, 1], 1) == [3]


@pytest.mark.slow
def test_two_workers_killed_and_started_again_train_the_same_model_as_one_process(
    transformed, options, whole, tmp_path
):
    files, made = with_users(transformed, tmp_path / "transformed", [2, 2]), tmp_path / "made"
    given = (str(files), str(made), *options)
    dying = (*given, "--die-after", "2")
    chief, worker = start_workers(dying, dying)
    chief.wait(300)
    worker.kill()
    worker.wait(30)

    elsewhere = (str(files), str(tmp_path / "elsewhere"), *options)
    for process in start_workers(given, elsewhere):
        printed, _ = process.communicate(timeout=300)
        assert process.returncode != 0
        assert "The workers differ in how many epochs they find in" in printed
        assert "which all have to read. Received: [1, 0], by replica" in printed

    for process in start_workers(given, given):
        printed = end(process)
        assert "going on after epoch 1" in printed
        assert "epoch 2 of at most 2" in printed
    assert_same_training(made, whole)
    assert not list((made / "checkpoints").iterdir())
