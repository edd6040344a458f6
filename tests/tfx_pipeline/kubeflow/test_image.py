"""The image, built and used in containers: the main job, the server, and Kubeflow's tasks."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from local_cluster import LocalCluster, hand_over
from rich.console import Console

from components.ingestion.complete_journey import write_log
from components.publishing.latest_blessed import versions
from scripts import image
from serving.client import RecommenderClient
from tfx_pipeline.config import Config, load_config
from tfx_pipeline.demonstration import find_user
from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.kubeflow.compiler import compile_pipeline
from tfx_pipeline.local_runner import run_pipeline
from tfx_pipeline.runs import Artifact, Run, latest_run

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NAME = "localhost/sessionrec:tests"
MOST_GB = 3.2
USERS = 60
# Containers have the folder of the log at /data.
CONFIG = """
[data]
log = "{folder}/log.parquet"
item_table = {{ path = "{folder}/items.parquet", features = ["department"], title = "title" }}
[data.columns]
event = "event"
session_id = "session_id"
[data.events]
exposed = ["exposure"]
[sessions]
max_sessions = 40
partitions = 1
[model]
min_sessions_per_item = 3
dim = 8
layers = 1
[train]
epochs = 1
refit = false
[pipeline]
root = "{folder}/output"
[kubeflow]
volume_claim = "shop"
volume_path = "/data"
"""

slow = pytest.mark.slow
needs_time = pytest.mark.timeout(3000)


def test_the_linter_finds_nothing():
    command = [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def built() -> Iterator[float]:
    """Builds the image; gives its GB above the base."""
    yield image.build(NAME)
    image.buildah("rmi", NAME)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Config:
    folder = tmp_path_factory.mktemp("groceries")
    write_log(str(folder))
    log = pq.read_table(folder / "log.parquet")
    users = pc.unique(log["user_id"]).sort()[:USERS]
    pq.write_table(log.filter(pc.is_in(log["user_id"], users)), folder / "log.parquet")
    path = folder / "groceries.toml"
    path.write_text(CONFIG.format(folder=folder))
    (folder / "in_container.toml").write_text(CONFIG.format(folder="/data"))
    return load_config(path)


@pytest.fixture(scope="module")
def volume(config) -> Path:
    """What containers have at /data."""
    folder = Path(config.data.log).parent
    hand_over(folder)
    return folder


@pytest.fixture(scope="module")
def pushed(built, config, volume) -> Path:
    """The main job in a container; gives the folder of the model that it pushed."""
    arguments = ("run", "--config", "/data/in_container.toml", "--set", "pipeline.root=/data/main")
    with image.container(NAME) as made:
        command = image.in_container(made, ["sessionrec", *arguments], {volume: "/data"})
        done = subprocess.run(
            command, env=image.ENVIRONMENT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return volume / "main" / "serving" / "in_container"


@pytest.fixture(scope="module")
def local_run(config) -> Run:
    run_pipeline(config, Console())
    return latest_run(config)


@pytest.fixture(scope="module")
def cluster(built, config, volume, tmp_path_factory) -> LocalCluster:
    """The compiled pipeline, run task by task; its model is pushed to /data/served."""
    folder = tmp_path_factory.mktemp("cluster")
    package = folder / "groceries.yaml"
    compiled = load_config(volume / "in_container.toml")
    # The epochs and the serving folder are set when the run is started.
    train = compiled.train.model_copy(update={"epochs": 12})
    compiled = compiled.model_copy(update={"train": train})
    package.write_text(compile_pipeline(compiled, NAME, "minio://mlpipeline/v2"))
    cluster = LocalCluster(package, folder, volume)
    cluster.run(epochs=1, serving_folder="/data/served")
    return cluster


def cluster_run(cluster: LocalCluster) -> Run:
    return Run(
        "cluster",
        {
            f"{task}.{output}": Artifact(str(cluster.folder_of(task, output)), {})
            for task, made in cluster.outputs.items()
            for output in made.artifacts
        },
    )


@slow
@needs_time
def test_it_is_not_larger_than_it_has_to_be(built):
    assert built < MOST_GB


@slow
@needs_time
def test_it_says_what_it_is_and_runs_as_nobody_special(built):
    found = json.loads(image.buildah("inspect", "--type", "image", NAME))["OCIv1"]["config"]
    assert found["User"] == "1000"
    assert found["Cmd"] == ["sessionrec", "--help"]
    labels = {name.rpartition(".")[2] for name in found["Labels"]}
    assert {"title", "description", "version", "licenses"} <= labels
    user, *programs = printed("sh", "-c", "id -u; ls /opt/sessionrec/bin; command -v g++ pip uv")
    assert user == "1000"
    assert "sessionrec" in programs
    assert not {"uv", "pip", "pytest", "ruff", "/usr/bin/g++", "/usr/bin/pip"} & set(programs)


@slow
@needs_time
def test_its_command_line_has_all_but_benchmarks(built):
    words = printed("sessionrec", "--help")
    assert {"run", "serve", "recommend", "rollback", "kubeflow"} <= set(words)
    assert "benchmark" not in words


def printed(*command: str) -> list[str]:
    """The words that a command in a container of its own prints; its exit code does not matter."""
    with image.container(NAME) as made:
        line = image.in_container(made, list(command), {})
        return subprocess.run(
            line, env=image.ENVIRONMENT, capture_output=True, text=True
        ).stdout.split()


@slow
@needs_time
def test_its_main_job_pushes_a_model_that_its_server_answers_with(built, pushed, volume):
    assert len(versions(str(pushed))) == 1
    assert pushed.stat().st_uid == 1000
    [examples] = (volume / "main").glob("runs/*/artifacts/SessionExampleGen/examples/*")
    flags = ["--model_name=shop", "--model_base_path=/data/main/serving/in_container", "--port=0"]
    with image.container(NAME) as made:
        command = ["python", "-m", "serving.server", *flags]
        process = subprocess.Popen(
            image.in_container(made, command, {volume: "/data"}),
            env=image.ENVIRONMENT,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        try:
            assert process.stdout is not None
            target = process.stdout.readline().split()[-1]
            with RecommenderClient(target, model_name="shop") as client:
                [best] = client.recommend([find_user(str(examples)).request], k=10)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    assert len({item.item_id for item in best}) == 10


@slow
@needs_time
def test_kubeflows_tasks_push_a_model(cluster, volume):
    assert len(versions(str(volume / "served"))) == 1


@slow
@needs_time
def test_kubeflows_tasks_find_what_the_local_runner_does(local_run, cluster):
    there = cluster_run(cluster)
    assert there.summary == local_run.summary
    assert there.counters == local_run.counters
    for name in ("loss", "val_loss", "val_ndcg@20"):
        [expected] = local_run.learning_curves[name]
        assert there.learning_curves[name] == [pytest.approx(expected, rel=1e-6)]
    expected = candidate_figures(local_run)
    assert expected["all ndcg@20"] > 0.01
    assert candidate_figures(there) == pytest.approx(expected, rel=1e-6)
    assert without_intervals(there.verdict) == without_intervals(local_run.verdict)


def without_intervals(reasons: list[str]) -> list[str]:
    """TFMA's jackknife puts requests into parts at random: bounds differ from run to run."""
    return [re.sub(r" \[[^]]*\]", "", reason) for reason in reasons]


def candidate_figures(run: Run) -> dict[str, float]:
    return {
        f"{of_users} {metric}": figure.value
        for of_users, figures in run.results[CANDIDATE].items()
        for metric, figure in figures.items()
    }


@slow
@needs_time
def test_artifacts_keep_their_uris_and_what_was_noted_about_them(cluster):
    [examples] = cluster.outputs["SessionExampleGen"].artifacts["examples"].artifacts
    assert examples.uri.startswith("minio://mlpipeline/v2/")
    assert json.loads(examples.metadata["split_names"]) == ["train", "eval", "test", "refit"]
    [pushed] = cluster.outputs["Pusher"].artifacts["pushed_model"].artifacts
    assert Path(pushed.metadata["pushed_destination"]).parent == Path("/data/served")
