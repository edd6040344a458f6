"""The compiled pipeline, each container a local process, pushes what the local runner does."""

import json
import re
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from local_cluster import LocalCluster
from rich.console import Console

from components.ingestion.complete_journey import write_log
from components.publishing.latest_blessed import versions
from serving.client import RecommenderClient
from serving.server.flags import Flags
from serving.server.model_server import ModelServer
from tfx_pipeline.config import Config, load_config
from tfx_pipeline.demonstration import find_user
from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.kubeflow.compiler import compile_pipeline
from tfx_pipeline.local_runner import run_pipeline
from tfx_pipeline.runs import Artifact, Run, latest_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

USERS = 60
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
volume_path = "{folder}"
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Config:
    folder = tmp_path_factory.mktemp("groceries")
    write_log(str(folder))
    log = pq.read_table(folder / "log.parquet")
    users = pc.unique(log["user_id"]).sort()[:USERS]
    pq.write_table(log.filter(pc.is_in(log["user_id"], users)), folder / "log.parquet")
    path = folder / "groceries.toml"
    path.write_text(CONFIG.format(folder=folder))
    return load_config(path)


@pytest.fixture(scope="module")
def local_run(config) -> Run:
    run_pipeline(config, Console())
    return latest_run(config)


@pytest.fixture(scope="module")
def cluster(config, tmp_path_factory) -> LocalCluster:
    folder = tmp_path_factory.mktemp("cluster")
    package = folder / "groceries.yaml"
    # The epochs and the serving folder are set when the run is started.
    compiled = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 12})})
    package.write_text(compile_pipeline(compiled, "sessionrec:test", "minio://mlpipeline/v2"))
    cluster = LocalCluster(package, folder)
    cluster.run(epochs=1, serving_folder=str(folder / "served"))
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


def test_it_pushes_a_model_that_answers(config, cluster):
    served = cluster.folder / "served"
    assert len(versions(str(served))) == 1
    user = find_user(str(cluster.folder_of("SessionExampleGen", "examples")))
    flags = Flags(model_name=config.pipeline.name, model_base_path=str(served), port=0)
    with (
        ModelServer(flags) as server,
        RecommenderClient(server.target, model_name=config.pipeline.name) as client,
    ):
        [best] = client.recommend([user.request], k=10)
    assert len({item.item_id for item in best}) == 10


def test_its_results_are_the_local_runners(local_run, cluster):
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


def test_artifacts_keep_their_uris_and_what_was_noted_about_them(cluster):
    [examples] = cluster.outputs["SessionExampleGen"].artifacts["examples"].artifacts
    assert examples.uri.startswith("minio://mlpipeline/v2/")
    assert json.loads(examples.metadata["split_names"]) == ["train", "eval", "test", "refit"]
    [pushed] = cluster.outputs["Pusher"].artifacts["pushed_model"].artifacts
    assert Path(pushed.metadata["pushed_destination"]).parent == cluster.folder / "served"
