"""What is noted of a run beside TFX's own records."""

from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline.config import load_config
from tfx_pipeline.lineage import RUN_CONTEXT, changes, code_version, open_store, record
from tfx_pipeline.runs import all_runs


def test_changes_are_of_single_settings():
    before = {"train": {"epochs": 3, "seed": 0}, "model": {"dim": 8}}
    after = {"train": {"epochs": 5, "seed": 0}, "model": {"dim": 8, "heads": 2}}
    assert changes(before, after) == {"train.epochs": ("3", "5"), "model.heads": ("", "2")}


def test_a_run_is_noted_once_and_read_back(tmp_path):
    (tmp_path / "shop.toml").write_text('[data]\nlog = "clicks.csv"\n')
    path = str(tmp_path / "metadata.db")
    store = open_store(path)
    kind = store.put_context_type(mlmd.ContextType(name=RUN_CONTEXT))
    for name, override in (("one", "train.epochs=3"), ("two", "train.epochs=5")):
        store.put_contexts([mlmd.Context(type_id=kind, name=name)])
        record(path, load_config(tmp_path / "shop.toml", (override,)))
    runs = all_runs(path)
    assert [(run.run_id, run.settings["train"]["epochs"]) for run in runs] == [
        ("one", 3),
        ("two", 5),
    ]
    assert {run.code for run in runs} == {code_version()}
    assert all(run.outputs == {} for run in runs)


def test_a_run_that_ended_before_it_was_stored_leaves_no_note(tmp_path):
    (tmp_path / "shop.toml").write_text('[data]\nlog = "clicks.csv"\n')
    path = str(tmp_path / "metadata.db")
    record(path, load_config(tmp_path / "shop.toml"))
    assert all_runs(path) == []
