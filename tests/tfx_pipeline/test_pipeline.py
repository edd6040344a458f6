"""`create_pipeline` is a pure function: what it returns depends on its arguments only."""

import builtins
import json
import os
import time
from pathlib import Path

import pytest
from google.protobuf import json_format
from tfx.orchestration.portable import tfx_runner

from tfx_pipeline.config import Config, load_config
from tfx_pipeline.console import TITLES
from tfx_pipeline.pipeline import create_pipeline

SCHEMA = 'feature { name: "user_id" type: BYTES }'
# No file of this test exists.
SHOP = """
[data]
log = "nowhere/clicks.csv"
item_table = { path = "nowhere/items.csv", features = ["brand"], title = "name" }
"""
# Whose outputs each component reads.
UPSTREAM = {
    "SessionExampleGen": set(),
    "CuratedSchema": set(),
    "StatisticsGen": {"SessionExampleGen", "CuratedSchema"},
    "ExampleValidator": {"StatisticsGen", "CuratedSchema"},
    "Transform": {"SessionExampleGen", "CuratedSchema"},
    "Trainer": {"Transform"},
    "LatestBlessedModel": set(),
    "Evaluator": {"SessionExampleGen", "CuratedSchema", "Trainer", "LatestBlessedModel"},
    "CounterBaselines": {"SessionExampleGen"},
    "ServableCheck": {"SessionExampleGen", "Trainer"},
    "Pusher": {"Trainer", "Evaluator", "ServableCheck"},
}


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text(SHOP)
    return lambda *overrides: load_config(path, overrides)


class Compiler(tfx_runner.IrBasedRunner):
    """Compiles as LocalDagRunner does, and hands over what that would run."""

    def run_with_ir(self, pipeline, run_options=None, **kwargs):
        return pipeline


def compiled(config: Config, *arguments: str) -> dict:
    return json_format.MessageToDict(Compiler().run(create_pipeline(config, SCHEMA, *arguments)))


def nodes(pipeline: dict) -> dict[str, dict]:
    found = [node["pipelineNode"] for node in pipeline["nodes"]]
    return {node["nodeInfo"]["id"]: node for node in found}


def changed(before: dict, after: dict) -> set[str]:
    """The components whose part of the compiled pipeline is another."""
    old, new = nodes(before), nodes(after)
    return {name for name in old if old[name] != new[name]}


def test_all_components_are_in_place(shop):
    found = nodes(compiled(shop()))
    assert {name: set(node.get("upstreamNodes", ())) for name, node in found.items()} == UPSTREAM
    assert set(TITLES) == set(found), "every stage has a line for the console"


def test_a_warm_start_reads_the_last_blessed_model(shop):
    trainer = nodes(compiled(shop("train.warm_start=true")))["Trainer"]
    assert set(trainer["upstreamNodes"]) == UPSTREAM["Trainer"] | {"LatestBlessedModel"}


def test_the_order_can_be_run(shop):
    done: set[str] = set()
    for name in nodes(compiled(shop())):
        assert UPSTREAM[name] <= done, name
        done.add(name)


def test_the_same_configuration_gives_the_same_pipeline(shop):
    assert compiled(shop()) == compiled(shop())


def test_environment_clock_and_folder_change_nothing(shop, tmp_path, monkeypatch):
    config = shop()
    before = compiled(config)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "USER", "TMPDIR"):
        monkeypatch.setenv(name, "elsewhere")
    assert compiled(config) == before


def test_no_file_is_read_or_written(shop, tmp_path, monkeypatch):
    config = shop()

    def refuse(path, *arguments, **keywords):
        raise AssertionError(f"{path} was opened")

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as refusing:
        refusing.setattr(builtins, "open", refuse)
        refusing.setattr(os, "listdir", refuse)
        refusing.setattr(Path, "open", refuse)
        create_pipeline(config, SCHEMA)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.toml"]


def test_the_configuration_names_the_pipeline_and_its_folders(shop):
    pipeline = create_pipeline(shop("pipeline.name=store", "pipeline.root=gs://bucket"), SCHEMA)
    assert pipeline.pipeline_info.pipeline_name == "store"
    assert pipeline.pipeline_info.pipeline_root == "gs://bucket/runs/store/artifacts"
    assert pipeline.enable_cache
    runners = [flag for flag in pipeline.beam_pipeline_args if flag.startswith("--runner=")]
    assert len(runners) == 1, "without a name, Beam chooses a runner that it must download"


@pytest.mark.parametrize(
    ("override", "components"),
    [
        ("data.timestamp_unit=ms", {"SessionExampleGen"}),
        ("split.test_days=3", {"SessionExampleGen"}),
        ("model.min_sessions_per_item=2", {"Transform", "Trainer"}),
        ("train.epochs=1", {"Trainer"}),
        ("evaluate.min_recall=0.5", {"Evaluator"}),
        ("evaluate.slices=['brand']", {"Evaluator"}),
        ("evaluate.max_item_drift=0.9", {"ExampleValidator"}),
        ("evaluate.cutoffs=[5]", {"Evaluator", "CounterBaselines"}),
        ("serve.max_k=50", {"Trainer"}),
        ("serve.index=clusters", {"Trainer"}),
        # What people read has no part in the result.
        ("data.item_table.title=brand", set()),
        ("serve.port=1", set()),
    ],
)
def test_a_setting_changes_only_the_components_that_read_it(shop, override, components):
    assert changed(compiled(shop()), compiled(shop(override))) == components


def test_a_changed_item_table_and_a_new_version_are_not_answered_from_the_cache(shop):
    before = compiled(shop(), "old", "1")
    assert changed(before, compiled(shop(), "new", "1")) == {"Transform", "Trainer"}
    assert changed(before, compiled(shop(), "old", "2")) == {"LatestBlessedModel"}


def test_user_code_is_named_by_dotted_path(shop):
    """So that it is found in a container image as on this machine."""
    text = json.dumps(compiled(shop()))
    for name in ("model.trainer.run_fn", "model.preprocessing.preprocessing_fn"):
        assert f'"{name}"' in text
    assert str(Path(__file__).parents[2]) not in text


def test_ingestion_can_have_an_engine_of_its_own(shop):
    pipeline = compiled(shop('pipeline.ingestion_beam_args=["--runner=Dask"]'))
    executors = pipeline["deploymentConfig"]["executorSpecs"]
    assert {name for name in executors if "Dask" in json.dumps(executors[name])} == {
        "SessionExampleGen"
    }
