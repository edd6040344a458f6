"""The counters as a component: locally, and compiled for Kubeflow Pipelines."""

import json

import pytest
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts
from tiny_examples import serialize, write_tfrecord

from components.evaluation.counter_baselines import METRICS_FILE, CounterBaselines

# Popular: a, b. The second user's target has nothing engaged and counts nowhere.
USERS = [
    ([[("a", 1)], [("a", 1), ("b", 1)]], [("b", 1)]),
    ([[("a", 1)]], [("a", 0)]),
]


def pipeline(tmp_path, **options):
    examples = Importer(
        source_uri=str(tmp_path / "examples"),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["test"]'},
    ).with_id("examples")
    counters = CounterBaselines(examples=examples.outputs["result"], split="test", cutoffs="[1, 2]")
    return Pipeline(
        pipeline_name="counters",
        pipeline_root=str(tmp_path / "root"),
        components=[examples, counters],
        **options,
    )


@pytest.mark.slow
def test_runs_locally(tmp_path):
    write_tfrecord(tmp_path / "examples" / "Split-test" / "data.gz", serialize(USERS))
    metadata = sqlite_metadata_connection_config(str(tmp_path / "db"))
    LocalDagRunner().run(pipeline(tmp_path, metadata_connection_config=metadata))
    (path,) = tmp_path.glob(f"root/CounterBaselines/metrics/*/{METRICS_FILE}")
    figures = json.loads(path.read_text())
    assert figures["requests"] == 1
    assert figures["popularity"]["recall@1"] == 0
    assert figures["personal-frequency"]["recall@2"] == 1


@pytest.mark.slow
def test_compiles_for_kubeflow(tmp_path):
    config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        default_image="example/image", use_pipeline_spec_2_1=True
    )
    path = tmp_path / "pipeline.yaml"
    kubeflow_v2_dag_runner.KubeflowV2DagRunner(config, str(tmp_path), path.name).run(
        pipeline(tmp_path)
    )
    assert "components.evaluation.counter_baselines.CounterBaselines_Executor" in path.read_text()
