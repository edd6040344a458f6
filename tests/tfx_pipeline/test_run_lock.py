"""One run at a time, and the end of what a killed one left open."""

import os
import signal
import subprocess
import sys

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline.killed_runs import close_killed_runs, open_executions
from tfx_pipeline.lineage import PIPELINE_CONTEXT
from tfx_pipeline.run_lock import BusyError, only_one

HOLD = """
import sys, time, pathlib
from tfx_pipeline.run_lock import only_one
with only_one("run", pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_until_the_first_ends_or_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as first:
        try:
            assert first.stdout.readline() == "held\n"
            expected = rf"process {first.pid} on .*Wait for its end"
            with pytest.raises(BusyError, match=expected), only_one("run", tmp_path):
                pass
            with only_one("rollback", tmp_path):  # another thing to do
                pass
        finally:
            first.send_signal(signal.SIGKILL)
    with only_one("run", tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / "run.lock").read_text()
    with only_one("run", tmp_path):
        pass


@pytest.fixture
def store():
    """Executions of two pipelines: `shop` has one complete, one running, one failed."""
    fake = mlmd.ConnectionConfig()
    fake.fake_database.SetInParent()
    store = metadata_store.MetadataStore(fake)
    context = store.put_context_type(mlmd.ContextType(name=PIPELINE_CONTEXT))
    kind = store.put_execution_type(mlmd.ExecutionType(name="Trainer"))
    state = mlmd.Execution
    for pipeline, states in {
        "shop": (state.COMPLETE, state.RUNNING, state.FAILED),
        "other": (state.RUNNING,),
    }.items():
        for each in states:
            store.put_execution(
                mlmd.Execution(type_id=kind, last_known_state=each),
                [],
                [mlmd.Context(type_id=context, name=pipeline)],
                reuse_context_if_already_exist=True,
            )
    return store


def states(store) -> list[int]:
    found = sorted(store.get_executions(), key=lambda execution: execution.id)
    return [execution.last_known_state for execution in found]


def test_what_a_killed_run_left_open_is_closed_and_its_parts_are_removed(store, tmp_path):
    [running] = open_executions(store, "shop")
    parts = [tmp_path / f"Trainer/{name}/{running.id}" for name in ("model", ".system/executor")]
    kept = [tmp_path / "Trainer/model/1", tmp_path / f"Trainer/model/1/{running.id}"]
    for folder in (*parts, *kept):
        folder.mkdir(parents=True)
    close_killed_runs(store, "shop", tmp_path)
    state = mlmd.Execution
    assert states(store) == [state.COMPLETE, state.CANCELED, state.FAILED, state.RUNNING]
    assert not any(folder.exists() for folder in parts)
    assert all(folder.exists() for folder in kept)
    close_killed_runs(store, "shop", tmp_path)
    assert open_executions(store, "shop") == []


def test_a_store_without_the_pipeline(store, tmp_path):
    close_killed_runs(store, "new", tmp_path)
    assert open_executions(store, "other")
