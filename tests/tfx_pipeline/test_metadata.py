"""Which metadata store a configuration means, and whose runs are read from one that is shared."""

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from tfx_pipeline import lineage
from tfx_pipeline.config import Config
from tfx_pipeline.lineage import SETTINGS, record, run_contexts
from tfx_pipeline.metadata import PASSWORD_VARIABLE, connection
from tfx_pipeline.runs import PUSHED, RunError, latest_run, runs_in

MYSQL = {"host": "db.example.com", "database": "team", "user": "trainer"}


def config(**metadata) -> Config:
    return Config.model_validate(
        {"data": {"log": "x.csv"}, "pipeline": {"name": "shop"}, "metadata": metadata}
    )


def test_a_file_in_the_run_folder_unless_a_host_is_given():
    assert connection(config()).sqlite.filename_uri == "output/runs/shop/metadata.db"


def test_a_host_is_a_mysql_database_with_the_environments_password(monkeypatch):
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    found = connection(config(**MYSQL)).mysql
    assert (found.host, found.port, found.database) == ("db.example.com", 3306, "team")
    assert (found.user, found.password) == ("trainer", "secret")


def test_no_password(monkeypatch):
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(RunError, match=rf"set {PASSWORD_VARIABLE} to the password of 'trainer'"):
        latest_run(config(**MYSQL))


def test_a_database_that_is_not_there(monkeypatch):
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    with pytest.raises(RunError, match=r"The metadata store 127\.0\.0\.1 cannot be read"):
        latest_run(config(host="127.0.0.1", port=1))


@pytest.fixture
def shared_store(tmp_path) -> metadata_store.MetadataStore:
    """A store with a run of `shop` and a later one of `other`."""
    fake = metadata_store_pb2.ConnectionConfig()
    fake.fake_database.SetInParent()
    store = metadata_store.MetadataStore(fake)
    contexts = {
        name: store.put_context_type(metadata_store_pb2.ContextType(name=name))
        for name in ("pipeline", "pipeline_run")
    }
    kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Pusher"))
    model = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="PushedModel"))
    for pipeline in ("shop", "other"):
        execution = metadata_store_pb2.Execution(
            type_id=kind, last_known_state=metadata_store_pb2.Execution.COMPLETE
        )
        path = metadata_store_pb2.Event.Path(
            steps=[metadata_store_pb2.Event.Path.Step(key="pushed_model")]
        )
        event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT, path=path)
        (tmp_path / pipeline).mkdir()
        artifact = metadata_store_pb2.Artifact(type_id=model, uri=str(tmp_path / pipeline))
        named = {"pipeline": pipeline, "pipeline_run": f"run of {pipeline}"}
        store.put_execution(
            execution,
            [(artifact, event)],
            [
                metadata_store_pb2.Context(type_id=contexts[kind_], name=name)
                for kind_, name in named.items()
            ],
        )
    return store


def test_runs_of_other_pipelines_in_a_shared_store_are_not_ours(shared_store, tmp_path):
    [run] = runs_in(shared_store, "shop")
    assert (run.run_id, run.outputs[PUSHED].uri) == ("run of shop", str(tmp_path / "shop"))
    assert [run.run_id for run in runs_in(shared_store)] == ["run of shop", "run of other"]
    assert runs_in(shared_store, "third") == []


def test_a_run_of_another_pipeline_gets_no_note_of_ours(shared_store, monkeypatch):
    monkeypatch.setattr(lineage, "open_store", lambda _: shared_store)
    record(config(**MYSQL))
    noted = [run.name for run in run_contexts(shared_store) if SETTINGS in run.custom_properties]
    assert noted == ["run of shop"]


def test_an_output_whose_folder_was_removed_is_not_there(shared_store, tmp_path):
    (tmp_path / "shop").rmdir()
    [run] = runs_in(shared_store, "shop")
    assert PUSHED in run.outputs
    assert not run.has(PUSHED)
    with pytest.raises(RunError, match=r"run of shop has no Pusher\.pushed_model.*was removed"):
        run.uri(PUSHED)
