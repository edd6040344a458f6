"""`sessionrec benchmark retraining`: each week's model from last week's weights, and from none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import tensorflow_transform as tft
from rich.console import Console

from benchmarks import served
from benchmarks.cells import Cell, cell_folder, measured
from benchmarks.plots import plot_curves
from benchmarks.prepare import Prepared, prepare
from benchmarks.protocol import K
from benchmarks.results import CURVE, VALIDATION_NDCG, Row, write_results
from benchmarks.trial import CURVES, GRAPH, SERVABLE
from model import features
from model.fitting import read_curves
from tfx_pipeline.config import load_config
from tfx_pipeline.runs import latest_run

BENCHMARK = "retraining"
COLD, WARM = "sessionrec", "sessionrec-warm"
ITEMS, NEW_ITEMS = "items", "new-items"
TRAINING_SECONDS, RELATIVE = "training_s", "warm-over-cold-"
# Training until validation is as good as the cold one at its best; no row where it never is.
SECONDS_TO_COLD = "s_to_cold-validation-ndcg@20"
DAYS = 7
NDCG, RECALL = f"ndcg@{K}", f"recall@{K}"
_FIGURES: Mapping[str, Callable[[Cell], float]] = MappingProxyType(
    {
        VALIDATION_NDCG: lambda cell: cell.best,
        TRAINING_SECONDS: lambda cell: cell.epoch_seconds[-1],
        NDCG: lambda cell: float(np.mean(cell.metrics[NDCG])),
        RECALL: lambda cell: float(np.mean(cell.metrics[RECALL])),
    }
)


def week_settings(dataset: str, weeks: int, week: int) -> tuple[str, ...]:
    """Settings under which the pipeline is where it was at the end of a week.

    Args:
      dataset: name of its pipeline.
      weeks: how many are simulated; the last is tested on the last week of the log.
      week: 0 for the model that the first of them starts from, to `weeks`.
    """
    return (
        f"pipeline.name={dataset}_week_{week}",
        f"split.eval_days={DAYS}",
        f"split.test_days={DAYS * (weeks - week + 1)}",
        "train.refit=false",
    )


def benchmark_retraining(
    configs: Sequence[Path],
    settings: tuple[str, ...],
    weeks: int,
    seeds: int,
    output: Path,
    cells: Path,
    command: str,
    console: Console,
) -> None:
    """Retrain week after week, each week's validation sessions being those of the week after.

    A warm training starts from the warm model of the week before; the first from a cold one.

    Args:
      configs: configuration files, one a data set.
      settings: overrides of all of them.
      weeks: how many models are retrained.
      seeds: how many times all of this; each goes on from its own weights.
      output: folder for results.json, the table and the plots.
      cells: folder of what was measured already.
      command: what reproduces it.
      console: where progress goes.
    """
    rows: list[Row] = []
    for path in configs:
        rows += _weeks(path, settings, weeks, seeds, cells, command, console)
    write_results(rows, output)
    plot_curves(rows, output)
    console.print(f"results: {output}")


def _weeks(
    path: Path,
    settings: tuple[str, ...],
    weeks: int,
    seeds: int,
    cells: Path,
    command: str,
    console: Console,
) -> list[Row]:
    dataset = load_config(path, settings).pipeline.name
    rows: list[Row] = []
    bases: list[Path | None] = [None] * seeds
    known = frozenset[bytes]()
    for week in range(weeks + 1):
        at_week = (*settings, *week_settings(dataset, weeks, week))
        data = prepare(path, at_week, "global-time", console)
        items = _vocabulary(data)
        found: list[dict[str, Cell]] = []
        for seed, base in enumerate(bases):
            folder = cells / data.config.pipeline.name / str(seed)
            methods = {COLD: None} if base is None else {COLD: None, WARM: base}
            of_seed = {}
            for method, start in methods.items():
                of_seed[method], kept = _measured(data, seed, folder, method, start, console)
            found.append(of_seed)
            bases[seed] = kept / SERVABLE
        if week:
            counts = {ITEMS: float(len(items)), NEW_ITEMS: float(len(items - known))}
            rows += _rows(f"{dataset}-week-{week}", found, counts, command)
        known = items
    return [*rows, *_means(dataset, rows, command)]


def _vocabulary(data: Prepared) -> frozenset[bytes]:
    transform = tft.TFTransformOutput(latest_run(data.config, GRAPH).uri(GRAPH))
    return frozenset(transform.vocabulary_by_name(features.ITEM_VOCABULARY))


def _measured(
    data: Prepared, seed: int, cells: Path, method: str, base: Path | None, console: Console
) -> tuple[Cell, Path]:
    """The cell and where its servable is."""
    settings = (f"train.seed={seed}",)
    inputs = {
        "examples": data.examples,
        "config": data.with_settings(settings).model_dump(mode="json"),
        "base": str(base),
    }
    folder = cell_folder(cells, method, inputs)
    cell = measured(folder, partial(_train, data, settings, base))
    best, took = cell.best, cell.epoch_seconds[-1]
    console.print(f"  seed {seed}, {method:<20}validation NDCG@{K} {best:.4f} in {took:7.1f} s")
    return cell, folder


def _train(data: Prepared, settings: tuple[str, ...], base: Path | None, folder: Path) -> Cell:
    """Keeps the servable, which the next week may start from."""
    seconds = data.train(settings, folder, base=base)
    metrics = served.metrics(served.load(str(folder / SERVABLE)), data.test)
    curves = read_curves(str(folder / CURVES))
    return Cell.learned(seconds, metrics, curves[f"val_{NDCG}"], curves["seconds"])


def _rows(
    dataset: str, found: list[dict[str, Cell]], counts: dict[str, float], command: str
) -> Iterator[Row]:
    """Of a week: a line a method, with the mean, the least and the most of the seeds."""
    for method in found[0]:
        cells = [of_seed[method] for of_seed in found]
        row = partial(_row, dataset, method, command, [cell.epoch_seconds[-1] for cell in cells])
        for metric, count in counts.items():
            yield row(metric, [count])
        for metric, figure in _FIGURES.items():
            yield row(metric, [figure(cell) for cell in cells])
        for seed, cell in enumerate(cells):
            for epoch, (value, at) in enumerate(cell.curve, 1):
                yield _row(dataset, method, command, [at], f"{CURVE}{epoch}", [value], seed)
        seconds = [_seconds_to(of_seed[COLD].best, of_seed[method]) for of_seed in found]
        reached = [at for at in seconds if at is not None]
        if len(reached) == len(found):
            yield row(SECONDS_TO_COLD, reached)
    for metric, figure in _FIGURES.items():
        relative = [figure(of_seed[WARM]) / figure(of_seed[COLD]) for of_seed in found]
        yield _row(dataset, WARM, command, [0.0], f"{RELATIVE}{metric}", relative)


def _seconds_to(level: float, cell: Cell) -> float | None:
    return next((at for value, at in cell.curve if value >= level), None)


def _means(dataset: str, rows: list[Row], command: str) -> Iterator[Row]:
    """Over weeks and seeds, with the least and the most."""
    for metric in dict.fromkeys(row.metric for row in rows if row.metric.startswith(RELATIVE)):
        found = [row for row in rows if row.metric == metric]
        mean = float(np.mean([row.value for row in found]))
        low, high = min(row.low for row in found), max(row.high for row in found)
        yield Row(BENCHMARK, dataset, WARM, metric, mean, low, high, None, 0.0, command)


def _row(
    dataset: str,
    method: str,
    command: str,
    seconds: list[float],
    metric: str,
    values: list[float],
    seed: int | None = None,
) -> Row:
    took, mean = round(float(np.mean(seconds)), 3), float(np.mean(values))
    low, high = min(values), max(values)
    return Row(BENCHMARK, dataset, method, metric, mean, low, high, seed, took, command)
