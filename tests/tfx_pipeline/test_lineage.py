"""What is noted of a run beside TFX's own records."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline.config import Config, load_config
from tfx_pipeline.lineage import RUN_CONTEXT, changes, code_version, record
from tfx_pipeline.metadata import open_store
from tfx_pipeline.runs import all_runs


def test_changes_are_of_single_settings():
    before = {"train": {"epochs": 3, "seed": 0}, "model": {"dim": 8}}
    after = {"train": {"epochs": 5, "seed": 0}, "model": {"dim": 8, "heads": 2}}
    assert changes(before, after) == {"train.epochs": ("3", "5"), "model.heads": ("", "2")}


def configuration(folder: Path, *overrides: str) -> Config:
    path = folder / "shop.toml"
    path.write_text('[data]\nlog = "clicks.csv"\n')
    config = load_config(path, (f'pipeline.root="{folder}"', *overrides))
    Path(config.run_folder).mkdir(parents=True, exist_ok=True)
    return config


def test_a_run_is_noted_once_and_read_back(tmp_path):
    store = open_store(configuration(tmp_path))
    kind = store.put_context_type(mlmd.ContextType(name=RUN_CONTEXT))
    for name, override in (("one", "train.epochs=3"), ("two", "train.epochs=5")):
        store.put_contexts([mlmd.Context(type_id=kind, name=name)])
        record(configuration(tmp_path, override))
    runs = all_runs(configuration(tmp_path))
    assert [(run.run_id, run.settings["train"]["epochs"]) for run in runs] == [
        ("one", 3),
        ("two", 5),
    ]
    assert {run.code for run in runs} == {code_version()}
    assert all(run.outputs == {} for run in runs)


def test_a_run_that_ended_before_it_was_stored_leaves_no_note(tmp_path):
    config = configuration(tmp_path)
    record(config)
    assert all_runs(config) == []
