"""`sessionrec benchmark quality`: the model, its ablations and its peers, measured alike."""

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
from benchmarks.cells import Cell, as_lists, cell_folder, measured
from benchmarks.peers.neighbours import GRIDS
from benchmarks.peers.rectools import RECTOOLS, rectools_sasrec
from benchmarks.plots import plot_curves
from benchmarks.prepare import prepare
from benchmarks.protocol import K, Task
from benchmarks.results import CURVE, VALIDATION_NDCG, Row, bootstrap_interval, write_results
from benchmarks.trial import CURVES, SERVABLE
from benchmarks.variants import VARIANTS
from components.evaluation.counters import COUNTERS
from model.fitting import read_curves

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
    plot_curves(rows, output)
    console.print(f"results: {output}")


class _Measurement:
    """All methods on one data set under one protocol."""

    def __init__(self, plan: Plan, path: Path, protocol: str, command: str, console: Console):
        self._plan, self._console, self._command = plan, console, command
        self._benchmark = PROTOCOLS[protocol]
        self._data = prepare(path, plan.settings, protocol, console)
        self._cells = plan.cells / self._data.config.pipeline.name
        least = self._data.config.model.min_sessions_per_item
        self._peer_inputs = {"examples": self._data.examples, "min_sessions_per_item": least}

    def rows(self) -> list[Row]:
        """Measure what is not kept."""
        rows: list[Row] = []
        for peer in self._plan.peers:
            if peer == RECTOOLS:
                seeds = range(self._plan.seeds)
                rows += self._rows_of(peer, {seed: self._rectools(seed) for seed in seeds})
            else:
                rows += self._rows_of(peer, {None: self._peer(peer)})
        for method in self._plan.methods:
            settings = VARIANTS[method]
            if self._data.config.data.item_table is None and any(
                "item_table" in s for s in settings
            ):
                self._console.print(f"  {method}: without an item table this is the model itself")
                continue
            seeds = range(self._plan.seeds)
            rows += self._rows_of(method, {seed: self._variant(method, seed) for seed in seeds})
        return rows

    def _rectools(self, seed: int) -> Cell:
        inputs = {**self._peer_inputs, "seed": seed}
        measure = partial(rectools_sasrec, self._data.validation, self._data.test, seed)
        return self._measured(f"{RECTOOLS}-{seed}", inputs, measure)

    def _peer(self, name: str) -> Cell:
        inputs = {**self._peer_inputs, "grid": [str(s) for s in GRIDS.get(name, ())]}
        return self._measured(name, inputs, lambda _: self._count(name))

    def _count(self, name: str) -> Cell:
        trials: dict[str, float] = {}
        for setting in GRIDS.get(name, ()):
            lists = _lists(setting.recommend, self._data.validation)
            trials[str(setting)] = float(self._data.validation.metrics(lists)[NDCG].mean())
        start = time.perf_counter()
        if name in COUNTERS:
            task = self._data.test
            lists = COUNTERS[name](task.requests, task.popular, K)[task.users].tolist()
        else:
            best = max(GRIDS[name], key=lambda setting: trials[str(setting)])
            lists = _lists(best.recommend, self._data.test)
        return Cell(time.perf_counter() - start, as_lists(self._data.test.metrics(lists)), trials)

    def _variant(self, method: str, seed: int) -> Cell:
        settings = (*VARIANTS[method], f"train.seed={seed}")
        config = self._data.with_settings(settings).model_dump(mode="json")
        inputs = {"examples": self._data.examples, "config": config}
        return self._measured(f"{method}-{seed}", inputs, partial(self._train, settings))

    def _train(self, settings: tuple[str, ...], folder: Path) -> Cell:
        seconds = self._data.train(settings, folder)
        signatures = served.load(str(folder / SERVABLE))
        metrics = served.metrics(signatures, self._data.test)
        shown = served.shown_ndcg(signatures, self._data.test.judged_examples)
        if len(shown):
            metrics[SHOWN_NDCG] = shown
        rmtree(folder / SERVABLE)
        curves = read_curves(str(folder / CURVES))
        return Cell.learned(seconds, metrics, curves[f"val_{NDCG}"], curves["seconds"])

    def _measured(self, name: str, inputs: dict, measure: Callable[[Path], Cell]) -> Cell:
        cell = measured(cell_folder(self._cells, name, inputs), measure)
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
            dataset=self._data.dataset,
            method=method,
            seed=seed,
            seconds=round(float(np.mean([cell.seconds for cell in cells])), 3),
            command=self._command,
        )
        for metric in cells[0].metrics:
            values = np.mean([cell.metrics[metric] for cell in cells], axis=0)  # [judged]
            low, high = bootstrap_interval(values, seed or 0)
            yield row(metric=metric, value=float(values.mean()), low=low, high=high)
        chosen = [cell.best for cell in cells if cell.trials]
        if chosen:
            value = float(np.mean(chosen))
            yield row(metric=VALIDATION_NDCG, value=value, low=value, high=value)
        if seed is not None:
            [cell] = cells
            for epoch, (value, at) in enumerate(cell.curve, 1):
                yield row(
                    metric=f"{CURVE}{epoch}",
                    value=value,
                    low=value,
                    high=value,
                    seconds=round(at, 3),
                )


def _lists(recommend: Callable, task: Task) -> list[list[int]]:
    return recommend(task.fit, task.requests, task.popular, K)[task.users].tolist()
