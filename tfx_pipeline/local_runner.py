"""Run the pipeline on this machine with TFX's LocalDagRunner."""

import contextlib
import importlib
import logging
from pathlib import Path

import absl.logging
from ml_metadata import errors as mlmd_errors
from rich.console import Console
from tfx import v1 as tfx
from tfx.orchestration.pipeline import RunOptions

from components.errors import DataError
from components.ingestion import spans
from components.ingestion.log_reader import check_log
from components.ingestion.schema import schema_text
from components.publishing.latest_blessed import versions
from model.item_table import digest, read_item_table
from tfx_pipeline.config import Config
from tfx_pipeline.console import StageProgress
from tfx_pipeline.lineage import record
from tfx_pipeline.metadata import connection
from tfx_pipeline.pipeline import create_pipeline


class StageError(RuntimeError):
    """A stage of the pipeline failed; the message is for the user."""


def run_pipeline(config: Config, console: Console, until: str | None = None) -> None:
    """Run the components, reusing what did not change since an earlier run.

    Args:
      config: of the pipeline.
      console: where progress goes.
      until: the last component to run, with all that it needs; all are run if it is not given.

    Raises:
      DataError: the log or the item table cannot be used.
      StageError: a stage failed in another way.
    """
    _load_log(config, console)
    config = _with_absolute_paths(config)
    check_log(spans.paths(config.data, spans.resolve(config.data)), config.data.columns)
    found = versions(config.serving_folder)
    pipeline = create_pipeline(
        config,
        schema_text(config.data.columns.further),
        item_table_digest=_check_item_table(config),
        known_version=str(found[-1]) if found else "",
    )
    Path(config.run_folder).mkdir(parents=True, exist_ok=True)
    try:
        pipeline.metadata_connection_config = connection(config)
    except ValueError as error:
        raise StageError(str(error)) from None
    progress = StageProgress(console)
    logging.getLogger().setLevel(logging.INFO)
    absl.logging.set_verbosity(absl.logging.INFO)
    logging.getLogger().addHandler(progress)
    try:
        tfx.orchestration.LocalDagRunner().run(
            pipeline, run_options=RunOptions(to_nodes=[until]) if until else None
        )
    except DataError:
        raise
    except Exception as error:
        logging.exception("%s failed", progress.stage)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StageError(f"{progress.stage} failed: {type(error).__name__}: {reason}") from error
    finally:
        logging.getLogger().removeHandler(progress)
        with contextlib.suppress(
            RuntimeError, mlmd_errors.StatusError
        ):  # then the run has failed by it too
            record(config)


def _load_log(config: Config, console: Console) -> None:
    """Call the loader that the configuration names, if the log is not there yet."""
    log = Path(config.data.log)
    if config.data.loader is None or log.exists():
        return
    console.print(f"  writing {log} with {config.data.loader}")
    module, _, name = config.data.loader.rpartition(".")
    try:
        loader = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"data.loader {config.data.loader!r} cannot be imported: {error}") from None
    log.parent.mkdir(parents=True, exist_ok=True)
    loader(str(log.parent))


def _with_absolute_paths(config: Config) -> Config:
    """Local paths made absolute: TFX's cache and the metadata store keep them."""
    data = config.data.model_copy(update={"log": _absolute(config.data.log)})
    if data.item_table is not None:
        table = data.item_table.model_copy(update={"path": _absolute(data.item_table.path)})
        data = data.model_copy(update={"item_table": table})
    pipeline = config.pipeline.model_copy(update={"root": _absolute(config.pipeline.root)})
    return config.model_copy(update={"data": data, "pipeline": pipeline})


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).absolute())


def _check_item_table(config: Config) -> str:
    """The item table's digest, '' without one."""
    table = config.data.item_table
    if table is None:
        return ""
    if not Path(table.path).exists():
        raise DataError(f"There is no item table {table.path}; see data.item_table.path.")
    try:
        read_item_table(table.path, table.item_id, table.features, categorical=table.categorical)
    except ValueError as error:
        raise DataError(str(error)) from None
    return digest(table.path)
