"""`sessionrec benchmark quality`: the model, its ablations and its peers, measured alike."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from types import MappingProxyType

import numpy as np
from rich.console import Console

from benchmarks import served
from benchmarks.cells import Cell, as_lists, measured
from benchmarks.peers.neighbours import GRIDS
from benchmarks.protocol import K, Task, load_task
from benchmarks.peers.rectools import RECTOOLS, rectools_sasrec
from benchmarks.trial import CURVES, SERVABLE, TRANSFORMED
from benchmarks.variants import VARIANTS
from benchmarks.results import Row, bootstrap_interval, write_results
from components.evaluation.counters import COUNTERS
from components.ingestion.shards import split_folder
from model import features
from model.trainer import read_curves
from tfx_pipeline.config import Config, load_config
from tfx_pipeline.local_runner import StageError, run_pipeline
from tfx_pipeline.runs import latest_run

# The name of each protocol's rows.
PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {"last-session": "quality", "global-time": "quality-global-time"}
)
PEERS = (*COUNTERS, *GRIDS, RECTOOLS)
NDCG = f"ndcg@{K}"
SHOWN_NDCG = "shown-ndcg"


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
      configs: configuration files, one a data set.
      settings: `--set` of all of them.
      protocols: keys of `PROTOCOLS`.
      methods: keys of `VARIANTS`, each trained with every seed.
      peers: of `PEERS`.
      seeds: how many.
      cells: folder of what was measured already.
    """

    configs: tuple[Path, ...]
    settings: tuple[str, ...]
    protocols: tuple[str, ...]
    methods: tuple[str, ...]
    peers: tuple[str, ...]
    seeds: int
    cells: Path


def benchmark_quality(plan: Plan, output: Path, command: str, console: Console) -> None:
    """Measure every method on every data set under every protocol, and write the tables.

    Hyper-parameters and the number of epochs are chosen on the eval split; the test split is read
    only to measure.

    Args:
      plan: what to measure.
      output: folder for results.json, the tables and the plots.
      command: what reproduces them.
      console: where progress goes.
    """
    rows: list[Row] = []
    for path in plan.configs:
        for protocol in plan.protocols:
            rows += _Measurement(plan, path, protocol, command, console).rows()
    write_results(rows, output)
    console.print(f"results: {output}")


class _Measurement:
    """All methods on one data set under one protocol."""

    def __init__(self, plan: Plan, path: Path, protocol: str, command: str, console: Console):
        self._plan, self._path, self._console = plan, path, console
        self._command = command
        self._benchmark = PROTOCOLS[protocol]
        base = load_config(path, plan.settings)
        self._dataset = base.pipeline.name
        name = f"{self._dataset}_{protocol.replace('-', '_')}"
        self._settings = (
            *plan.settings,
            f"split.protocol={protocol}",
            f'pipeline.name="{name}"',
        )
        self._config = load_config(path, self._settings)
        self._cells = plan.cells / name

    def rows(self) -> list[Row]:
        """Run the pipeline up to Transform, then measure."""
        self._console.print(f"{self._config.pipeline.name}:")
        run_pipeline(self._config, self._console, until="Transform")
        run = latest_run(self._config.metadata_path, TRANSFORMED)
        folder = partial(split_folder, run.examples_uri)
        least = self._config.model.min_sessions_per_item
        train, refit = folder(features.TRAIN_SPLIT), folder(features.REFIT_SPLIT)
        self._examples = run.examples_uri
        self._validation = load_task(train, folder(features.EVAL_SPLIT), least)
        self._test = load_task(refit, folder(features.TEST_SPLIT), least)
        rows: list[Row] = []
        for peer in self._plan.peers:
            if peer == RECTOOLS:
                seeds = range(self._plan.seeds)
                rows += self._rows_of(peer, {seed: self._rectools(seed) for seed in seeds})
            else:
                rows += self._rows_of(peer, {None: self._peer(peer)})
        for method in self._plan.methods:
            settings = VARIANTS[method]
            if self._config.data.item_table is None and any("item_table" in s for s in settings):
                self._console.print(f"  {method}: without an item table this is the model itself")
                continue
            seeds = range(self._plan.seeds)
            rows += self._rows_of(method, {seed: self._variant(method, seed) for seed in seeds})
        return rows

    def _rectools(self, seed: int) -> Cell:
        inputs = {"examples": self._examples, "seed": seed}
        measure = partial(rectools_sasrec, self._validation, self._test, seed)
        return self._measured(f"{RECTOOLS}-{seed}", inputs, measure)

    def _peer(self, name: str) -> Cell:
        inputs = {"examples": self._examples, "grid": [str(s) for s in GRIDS.get(name, ())]}
        return self._measured(name, inputs, lambda _: self._count(name))

    def _count(self, name: str) -> Cell:
        trials: dict[str, float] = {}
        for setting in GRIDS.get(name, ()):
            lists = _lists(setting.recommend, self._validation)
            trials[str(setting)] = float(self._validation.metrics(lists)[NDCG].mean())
        start = time.perf_counter()
        if name in COUNTERS:
            task = self._test
            lists = COUNTERS[name](task.requests, task.popular, K)[task.users].tolist()
        else:
            best = max(GRIDS[name], key=lambda setting: trials[str(setting)])
            lists = _lists(best.recommend, self._test)
        return Cell(time.perf_counter() - start, as_lists(self._test.metrics(lists)), trials)

    def _variant(self, method: str, seed: int) -> Cell:
        settings = (*self._settings, *VARIANTS[method], f"train.seed={seed}")
        config = load_config(self._path, settings)
        inputs = {"examples": self._examples, "config": config.model_dump(mode="json")}
        return self._measured(f"{method}-{seed}", inputs, partial(self._train, settings, config))

    def _train(self, settings: tuple[str, ...], config: Config, folder: Path) -> Cell:
        rmtree(folder)
        folder.mkdir()
        start = time.perf_counter()
        _run_trial(self._path, settings, config.metadata_path, folder)
        seconds = time.perf_counter() - start
        signatures = served.load(str(folder / SERVABLE))
        lists = served.recommended(signatures, self._test.judged_examples)
        metrics = self._test.metrics(self._test.positions(lists))
        shown = served.shown_ndcg(signatures, self._test.judged_examples)
        if len(shown):
            metrics[SHOWN_NDCG] = shown
        rmtree(folder / SERVABLE)
        curves = read_curves(str(folder / CURVES))
        trials = {f"epoch {n}": value for n, value in enumerate(curves[f"val_{NDCG}"], 1)}
        return Cell(seconds, as_lists(metrics), trials, curves["seconds"])

    def _measured(self, name: str, inputs: dict, measure: Callable[[Path], Cell]) -> Cell:
        cell = measured(self._cells / name, inputs, measure)
        value = np.mean(cell.metrics[NDCG])
        self._console.print(f"  {name:<34}NDCG@{K} {value:.4f}  {cell.seconds:7.1f} s")
        return cell

    def _rows_of(self, method: str, cells: dict[int | None, Cell]) -> Iterator[Row]:
        if set(cells) != {None}:
            for seed, cell in cells.items():
                yield from self._rows(method, seed, [cell])
        yield from self._rows(method, None, list(cells.values()))

    def _rows(self, method: str, seed: int | None, cells: list[Cell]) -> Iterator[Row]:
        row = partial(
            Row,
            benchmark=self._benchmark,
            dataset=self._dataset,
            method=method,
            seed=seed,
            seconds=round(float(np.mean([cell.seconds for cell in cells])), 3),
            command=self._command,
        )
        for metric in cells[0].metrics:
            values = np.mean([cell.metrics[metric] for cell in cells], axis=0)  # [judged]
            low, high = bootstrap_interval(values, seed or 0)
            yield row(metric=metric, value=float(values.mean()), low=low, high=high)
        chosen = [cell.trials[cell.chosen] for cell in cells if cell.chosen]
        if chosen:
            value = float(np.mean(chosen))
            yield row(metric=f"validation-{NDCG}", value=value, low=value, high=value)


def _lists(recommend: Callable, task: Task) -> list[list[int]]:
    return recommend(task.fit, task.requests, task.popular, K)[task.users].tolist()


def _run_trial(path: Path, settings: tuple[str, ...], metadata: str, folder: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.trial", f"--config={path}"]
    command += [f"--set={setting}" for setting in settings]
    command += [f"--metadata={metadata}", f"--folder={folder}"]
    log = folder / "log.txt"
    with log.open("w") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        last = log.read_text().strip().splitlines()[-1:]
        raise StageError(f"training failed, see {log}: {''.join(last)}")
