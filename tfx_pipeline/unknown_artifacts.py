"""Artifacts that a metadata store does not know, which a run would write into."""

from pathlib import Path

from ml_metadata import metadata_store


def refuse_unknown_artifacts(store: metadata_store.MetadataStore, artifacts: Path) -> None:
    """Check that the store numbers no new execution as one whose artifacts are there already.

    TFX names a folder by its execution's number, in which a store goes on from its newest. A stage
    would add its files to those of another store's execution and the next stage read both.

    Args:
      store: of the run that is to start.
      artifacts: the root of the pipeline's artifacts, with a folder `stage/output/number` for each.

    Raises:
      ValueError: there is a higher number than the store's newest.
    """
    names = (folder.name for folder in artifacts.glob("*/*/*"))
    newest = max((int(name) for name in names if name.isdecimal()), default=0)
    options = metadata_store.ListOptions(
        limit=1, order_by=metadata_store.OrderByField.ID, is_asc=False
    )
    known = max((execution.id for execution in store.get_executions(options)), default=0)
    if newest > known:
        raise ValueError(
            f"{artifacts} holds artifacts of execution {newest}, which the metadata store does not "
            f"know: its newest is {known}, and new artifacts would get among them. Move the folder "
            "away, or use the store that they are of."
        )
