"""A data set made ready to be measured: the pipeline up to Transform, and a training of its own."""

import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree

from rich.console import Console

from benchmarks.protocol import Task, load_task
from benchmarks.trial import TRANSFORMED
from components.ingestion.shards import split_folder
from model import features
from tfx_pipeline.config import Config, load_config
from tfx_pipeline.local_runner import StageError, run_pipeline
from tfx_pipeline.runs import latest_run


@dataclass(frozen=True)
class Prepared:
    """A data set under a protocol.

    Attributes:
      dataset: the configuration's name.
      path: of the configuration file.
      settings: overrides that make it what it is.
      config: both together.
      examples: folder of what ingestion wrote.
    """

    dataset: str
    path: Path
    settings: tuple[str, ...]
    config: Config
    examples: str

    @cached_property
    def validation(self) -> Task:
        """What hyper-parameters and epochs are chosen on."""
        return self._task(features.TRAIN_SPLIT, features.EVAL_SPLIT, every_target=True)

    @cached_property
    def test(self) -> Task:
        """What is judged."""
        return self._task(features.REFIT_SPLIT, features.TEST_SPLIT, every_target=False)

    def with_settings(self, settings: tuple[str, ...]) -> Config:
        """The configuration of a variant."""
        return load_config(self.path, (*self.settings, *settings))

    def train(
        self,
        settings: tuple[str, ...],
        folder: Path,
        users: float = 1.0,
        base: Path | None = None,
    ) -> float:
        """Train a variant in a process of its own.

        Args:
          settings: of the variant.
          folder: is emptied, and gets what `benchmarks.trial` writes, and `log.txt`.
          users: share of the training users.
          base: a SavedModel to start from.

        Returns:
          Seconds.

        Raises:
          StageError: it failed.
        """
        rmtree(folder)
        folder.mkdir()
        command = [sys.executable, "-m", "benchmarks.trial", f"--config={self.path}"]
        command += [f"--set={setting}" for setting in (*self.settings, *settings)]
        command += [f"--folder={folder}", f"--users={users}"]
        command += [f"--base={base}"] if base is not None else []
        log = folder / "log.txt"
        start = time.perf_counter()
        with log.open("w") as file:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            last = log.read_text().strip().splitlines()[-1:]
            raise StageError(f"training failed, see {log}: {''.join(last)}")
        return time.perf_counter() - start

    def _task(self, fit: str, requests: str, *, every_target: bool) -> Task:
        return load_task(
            split_folder(self.examples, fit),
            split_folder(self.examples, requests),
            self.config.model.min_sessions_per_item,
            every_target=every_target,
        )


def prepare(path: Path, settings: tuple[str, ...], protocol: str, console: Console) -> Prepared:
    """Run the pipeline up to Transform, in a run folder of the data set and the protocol.

    Args:
      path: of the configuration file.
      settings: overrides.
      protocol: of the split.
      console: where progress goes.
    """
    dataset = load_config(path, settings).pipeline.name
    name = f"{dataset}_{protocol.replace('-', '_')}"
    settings = (*settings, f"split.protocol={protocol}", f'pipeline.name="{name}"')
    config = load_config(path, settings)
    console.print(f"{name}:")
    run_pipeline(config, console, until="Transform")
    run = latest_run(config, TRANSFORMED)
    return Prepared(dataset, path, settings, config, run.examples_uri)
