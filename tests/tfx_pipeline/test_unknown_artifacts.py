"""Folders that a run would write into although they are another store's."""

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline.unknown_artifacts import refuse_unknown_artifacts


@pytest.fixture
def store() -> metadata_store.MetadataStore:
    """A store of two executions."""
    fake = mlmd.ConnectionConfig()
    fake.fake_database.SetInParent()
    store = metadata_store.MetadataStore(fake)
    kind = store.put_execution_type(mlmd.ExecutionType(name="Trainer"))
    assert store.put_executions([mlmd.Execution(type_id=kind)] * 2) == [1, 2]
    return store


def test_folders_of_executions_that_the_store_has(store, tmp_path):
    refuse_unknown_artifacts(store, tmp_path / "none")
    for name in (
        "Trainer/model/1",
        "Trainer/model/2/Format-Serving/7",
        "Trainer/.system/driver_execution/1795975425826028",
        "SessionExampleGen/dead_letters/1",
    ):
        (tmp_path / name).mkdir(parents=True)
    refuse_unknown_artifacts(store, tmp_path)


@pytest.mark.parametrize("name", ["Trainer/model/10", "SessionExampleGen/dead_letters/3"])
def test_folders_that_a_new_execution_would_get(store, tmp_path, name):
    (tmp_path / "Trainer/model/2").mkdir(parents=True)
    (tmp_path / name).mkdir(parents=True)
    number = name.rpartition("/")[2]
    message = f"{tmp_path} holds artifacts of execution {number}, .* its newest is 2, .* away, or"
    with pytest.raises(ValueError, match=message):
        refuse_unknown_artifacts(store, tmp_path)
