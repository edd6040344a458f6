"""`sessionrec benchmark retraining`: each week's model from last week's weights, and from none."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow_transform as tft
from rich.console import Console

from benchmarks import served
from benchmarks.cells import Cell, measured
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
      output: folder for results.json, the table and the plots.
      cells: folder of what was measured already.
      command: what reproduces it.
      console: where progress goes.
    """
    rows: list[Row] = []
    for path in configs:
        rows += _weeks(path, settings, weeks, cells, command, console)
    write_results(rows, output)
    plot_curves(rows, output)
    console.print(f"results: {output}")


def _weeks(
    path: Path,
    settings: tuple[str, ...],
    weeks: int,
    cells: Path,
    command: str,
    console: Console,
) -> list[Row]:
    dataset = load_config(path, settings).pipeline.name
    rows: list[Row] = []
    base, known = None, frozenset[bytes]()
    for week in range(weeks + 1):
        at_week = (*settings, *week_settings(dataset, weeks, week))
        data = prepare(path, at_week, "global-time", console)
        folder, items = cells / data.config.pipeline.name, _vocabulary(data)
        found = {COLD: _measured(data, folder / COLD, None, console)}
        if base is not None:
            found[WARM] = _measured(data, folder / WARM, base, console)
            counts = {ITEMS: float(len(items)), NEW_ITEMS: float(len(items - known))}
            rows += _rows(f"{dataset}-week-{week}", found, counts, command)
        base, known = folder / list(found)[-1] / SERVABLE, items
    return [*rows, *_means(dataset, rows, command)]


def _vocabulary(data: Prepared) -> frozenset[bytes]:
    transform = tft.TFTransformOutput(latest_run(data.config, GRAPH).outputs[GRAPH].uri)
    return frozenset(transform.vocabulary_by_name(features.ITEM_VOCABULARY))


def _measured(data: Prepared, folder: Path, base: Path | None, console: Console) -> Cell:
    inputs = {
        "examples": data.examples,
        "config": data.config.model_dump(mode="json"),
        "base": str(base),
    }
    cell = measured(folder, inputs, partial(_train, data, base))
    console.print(
        f"  {folder.name:<20}validation NDCG@{K} {cell.best:.4f} in {cell.epoch_seconds[-1]:7.1f} s"
    )
    return cell


def _train(data: Prepared, base: Path | None, folder: Path) -> Cell:
    """Keeps the servable, which the next week may start from."""
    seconds = data.train((), folder, base=base)
    metrics = served.metrics(served.load(str(folder / SERVABLE)), data.test)
    curves = read_curves(str(folder / CURVES))
    return Cell.learned(seconds, metrics, curves[f"val_{NDCG}"], curves["seconds"])


def _rows(
    dataset: str, found: dict[str, Cell], counts: dict[str, float], command: str
) -> Iterator[Row]:
    summary = {}
    for method, cell in found.items():
        row = partial(_row, dataset, method, command, cell.epoch_seconds[-1])
        summary[method] = {
            VALIDATION_NDCG: cell.best,
            TRAINING_SECONDS: cell.epoch_seconds[-1],
            NDCG: float(np.mean(cell.metrics[NDCG])),
            RECALL: float(np.mean(cell.metrics[RECALL])),
        }
        for metric, value in {**counts, **summary[method]}.items():
            yield row(metric, value)
        for epoch, (value, at) in enumerate(cell.curve, 1):
            yield _row(dataset, method, command, at, f"{CURVE}{epoch}", value, seed=0)
        reached = next((at for value, at in cell.curve if value >= found[COLD].best), None)
        if reached is not None:
            yield row(SECONDS_TO_COLD, reached)
    for metric, value in summary[WARM].items():
        relative = value / summary[COLD][metric]
        yield _row(dataset, WARM, command, 0.0, f"{RELATIVE}{metric}", relative)


def _means(dataset: str, rows: list[Row], command: str) -> Iterator[Row]:
    """Over the weeks."""
    for metric in dict.fromkeys(row.metric for row in rows if row.metric.startswith(RELATIVE)):
        values = [row.value for row in rows if row.metric == metric]
        yield Row(
            BENCHMARK, dataset, WARM, metric, float(np.mean(values)), min(values), max(values),
            None, 0.0, command,
        )  # fmt: skip


def _row(
    dataset: str,
    method: str,
    command: str,
    seconds: float,
    metric: str,
    value: float,
    seed: int | None = None,
) -> Row:
    seconds = round(seconds, 3)
    return Row(BENCHMARK, dataset, method, metric, value, value, value, seed, seconds, command)
