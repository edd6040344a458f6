"""Run the pipeline on this machine with TFX's LocalDagRunner."""

import contextlib
import errno
import importlib
import logging
import os
from pathlib import Path

import absl.logging
import tensorflow as tf
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2
from rich.console import Console
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline, RunOptions

from components.errors import DataError
from components.ingestion import spans
from components.ingestion.log_reader import check_log
from components.ingestion.schema import schema_text
from components.publishing.latest_blessed import versions
from model.item_file import digest
from model.item_table import read_item_table, read_titles
from tfx_pipeline.config import Config
from tfx_pipeline.console import StageProgress
from tfx_pipeline.killed_runs import close_killed_runs
from tfx_pipeline.lineage import record
from tfx_pipeline.metadata import connection, open_store
from tfx_pipeline.pipeline import create_pipeline
from tfx_pipeline.run_lock import BusyError, only_one
from tfx_pipeline.unknown_artifacts import refuse_unknown_artifacts

# As the system and SQLite say it, under whatever a library makes of it.
DISK_IS_FULL = (os.strerror(errno.ENOSPC), "disk is full")
# As Beam, zlib, TensorFlow and `components.evaluation.request_arrays` say it.
IS_DAMAGED = ("Not a valid TFRecord", "decompressing", "DataLossError", "inflate", "is damaged")


class StageError(RuntimeError):
    """A stage of the pipeline failed, or none can start; the message is for the user.

    Its cause, if it has one, is in the log.
    """


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
    folder = Path(config.run_folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with only_one("run", folder):
            _run_alone(config, console, until)
    except BusyError as error:
        raise StageError(str(error)) from None


def _run_alone(config: Config, console: Console, until: str | None) -> None:
    _check_can_be_written(Path(config.serving_folder))
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
    pipeline.metadata_connection_config = _checked_metadata(config, pipeline)
    progress = StageProgress(console)
    logging.getLogger().setLevel(logging.INFO)
    absl.logging.set_verbosity(absl.logging.INFO)
    logging.getLogger().addHandler(progress)
    try:
        LocalDagRunner().run(pipeline, run_options=RunOptions(to_nodes=[until]) if until else None)
    except DataError:
        raise
    except Exception as error:
        logging.exception("%s failed", progress.stage)
        reason = _reason(error, config, pipeline, progress.stage)
        raise StageError(f"{progress.stage} failed: {reason}") from error
    finally:
        logging.getLogger().removeHandler(progress)
        with contextlib.suppress(
            RuntimeError, mlmd_errors.StatusError
        ):  # then the run has failed by it too
            record(config)


def _checked_metadata(config: Config, pipeline: Pipeline) -> metadata_store_pb2.ConnectionConfig:
    """The connection to ML Metadata, which knows the artifacts and has no other run open."""
    root = Path(pipeline.pipeline_info.pipeline_root)
    try:
        store = open_store(config)
        refuse_unknown_artifacts(store, root)
        close_killed_runs(store, config.pipeline.name, root)
        return connection(config)
    except ValueError as error:
        raise StageError(str(error)) from None
    # ML Metadata's own code raises both.
    except (RuntimeError, mlmd_errors.StatusError) as error:
        where = config.metadata.host or config.metadata_path
        reason = str(error).removeprefix("Error when executing query: ").partition(" query:")[0]
        raise StageError(
            f"The metadata store {where} cannot be used: {reason.rstrip('.')}. If another program "
            f"holds it, end that; if it is damaged, move it and {root} away: the next run makes "
            "both anew."
        ) from None


def _check_can_be_written(folder: Path) -> None:
    """Before hours of training, and not when their model is pushed."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        raise StageError(f"No model can be pushed to {folder}: {there} cannot be written.")


def _input_folders(pipeline: Pipeline, stage: str) -> list[Path]:
    """Where the stages that this one reads from keep what they wrote."""
    root = Path(pipeline.pipeline_info.pipeline_root)
    read = [component.inputs for component in pipeline.components if component.id == stage]
    producers = {channel.producer_component_id for inputs in read for channel in inputs.values()}
    return [root / producer for producer in sorted(filter(None, producers))]


def _reason(error: Exception, config: Config, pipeline: Pipeline, stage: str) -> str:
    if any(words in str(error) for words in DISK_IS_FULL):
        return (
            f"no space is left on the disk of {config.run_folder}. Free some and start the same "
            "command again; the stages before are kept."
        )
    first = _first_line(error)
    if any(words in first for words in IS_DAMAGED):
        folders = " or ".join(map(str, _input_folders(pipeline, stage)))
        return (
            f"what it reads is damaged ({first[:120]}). Remove the damaged artifact from "
            f"{folders} and start the same command again: it is made anew."
        )
    return first


def _first_line(error: Exception) -> str:
    name = type(error).__name__
    return f"{name}: {(str(error).strip() or name).splitlines()[0]}"


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
    try:
        loader(str(log.parent))
    except DataError:
        raise
    except Exception as error:
        logging.exception("data.loader failed")
        raise StageError(
            f"data.loader {config.data.loader!r} failed to write {log}: {_first_line(error)}"
        ) from error


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
        if table.title is not None:
            read_titles(table.path, table.item_id, table.title)
    except ValueError as error:
        raise DataError(str(error)) from None
    except tf.errors.OpError as error:
        raise DataError(f"The item table {table.path} cannot be read: {error.message}.") from None
    return digest(table.path)
