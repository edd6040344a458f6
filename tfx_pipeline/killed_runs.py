"""What a killed run leaves open in ML Metadata, and its end."""

import shutil
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from tfx_pipeline.lineage import PIPELINE_CONTEXT

OPEN = (metadata_store_pb2.Execution.NEW, metadata_store_pb2.Execution.RUNNING)


def open_executions(
    store: metadata_store.MetadataStore, pipeline: str
) -> list[metadata_store_pb2.Execution]:
    """The executions of a pipeline that have not ended, as far as the store knows."""
    context = store.get_context_by_type_and_name(PIPELINE_CONTEXT, pipeline)
    if context is None:
        return []
    executions = store.get_executions_by_context(context.id)
    return [each for each in executions if each.last_known_state in OPEN]


def close_killed_runs(store: metadata_store.MetadataStore, pipeline: str, artifacts: Path) -> None:
    """Mark what is open as canceled and remove the parts of outputs that it wrote.

    For the start of a run that holds the lock, when none of the pipeline is under way. TFX starts
    the stage that was killed anew, as another execution, and would leave this one open for ever.

    Args:
      store: where the executions are.
      pipeline: its name.
      artifacts: the root of its artifacts, where TFX names folders by execution.
    """
    left = open_executions(store, pipeline)
    for execution in left:
        execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        for pattern in ("*/*", "*/.system/*"):
            for part in artifacts.glob(f"{pattern}/{execution.id}"):
                shutil.rmtree(part)
    store.put_executions(left)
