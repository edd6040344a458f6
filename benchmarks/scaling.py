"""`sessionrec benchmark scaling`: validation loss against the model's size and against the data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree

import numpy as np
import tensorflow as tf
from rich.console import Console
from scipy.stats import linregress

from benchmarks.cells import Cell, cell_folder, measured
from benchmarks.plots import plot_power_laws
from benchmarks.prepare import Prepared, prepare
from benchmarks.results import (
    FITTED_LOSS,
    INTERACTIONS,
    LOSS,
    PARAMETERS,
    Row,
    write_results,
)
from benchmarks.trial import CURVES, SERVABLE, interactions
from model.fitting import read_curves

BENCHMARK = "scaling"
WIDTHS = (8, 16, 32, 64, 128)
USERS = (0.125, 0.25, 0.5, 1.0)
# The loss that is compared is that of retrieval; what is pushed is not asked.
_SETTINGS = ("model.rank_weight=0", "train.refit=false")


@dataclass(frozen=True)
class PowerLaw:
    """loss = scale * size ** exponent, fitted by least squares between logarithms.

    Attributes:
      r_squared: share of the variance of the log loss that it explains.
    """

    scale: float
    exponent: float
    r_squared: float

    def __call__(self, size: float) -> float:
        """The loss at a size."""
        return self.scale * size**self.exponent


def fit_power_law(sizes: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """Fit sizes and losses, all positive.

    Raises:
      ValueError: there are fewer than three.
    """
    if len(sizes) < 3:
        raise ValueError(f"a line through fewer than three points fits always. Got: {len(sizes)}")
    line = linregress(np.log(sizes), np.log(losses))
    return PowerLaw(float(np.exp(line.intercept)), float(line.slope), float(line.rvalue**2))


def benchmark_scaling(
    configs: Sequence[Path],
    settings: tuple[str, ...],
    output: Path,
    cells: Path,
    command: str,
    console: Console,
) -> None:
    """Train models of each width on all users, and of the configured width on each share of them.

    The loss is that of each user's validation session, at the epoch where it is lowest.

    Args:
      configs: configuration files, one a data set.
      settings: overrides of all of them.
      output: folder for results.json, the table and the plots.
      cells: folder of what was measured already.
      command: what reproduces it.
      console: where progress goes.
    """
    rows: list[Row] = []
    for path in configs:
        data = prepare(path, settings, "last-session", console)
        measure = partial(_measured, data, cells / data.config.pipeline.name, console)
        of_width = {f"{PARAMETERS}-width-{dim}": measure(dim, 1.0) for dim in WIDTHS}
        dim = data.config.model.dim
        of_users = {f"{INTERACTIONS}-users-{share:g}": measure(dim, share) for share in USERS}
        for size, found in ((PARAMETERS, of_width), (INTERACTIONS, of_users)):
            rows += _rows(data.dataset, size, found, command)
    write_results(rows, output)
    plot_power_laws(rows, output)
    console.print(f"results: {output}")


def _measured(data: Prepared, cells: Path, console: Console, dim: int, users: float) -> Cell:
    settings = (*_SETTINGS, f"model.dim={dim}")
    config = data.with_settings(settings).model_dump(mode="json")
    inputs = {"examples": data.examples, "config": config, "users": users}
    folder = cell_folder(cells, f"width-{dim}-users-{users:g}", inputs)
    cell = measured(folder, partial(_train, data, settings, users))
    console.print(f"  width {dim:>4}, {users:>6.1%} of users: loss {cell.metrics[LOSS][0]:.4f}")
    return cell


def _train(data: Prepared, settings: tuple[str, ...], users: float, folder: Path) -> Cell:
    seconds = data.train(settings, folder, users)
    curves = read_curves(str(folder / CURVES))
    metrics = {
        PARAMETERS: [float(_parameters(folder / SERVABLE))],
        INTERACTIONS: [float(interactions(folder))],
        LOSS: [min(curves["val_loss"])],
    }
    rmtree(folder / SERVABLE)
    return Cell(seconds, metrics)


def _parameters(servable: Path) -> int:
    """How many numbers the trained variables of a SavedModel hold."""
    weights = tf.saved_model.load(str(servable)).weights
    return sum(int(np.prod(weight.shape)) for weight in weights if weight.trainable)


def _rows(dataset: str, size: str, found: dict[str, Cell], command: str) -> Iterator[Row]:
    def row(method: str, metric: str, value: float, seconds: float) -> Row:
        return Row(BENCHMARK, dataset, method, metric, value, value, value, None, seconds, command)

    sizes = [cell.metrics[size][0] for cell in found.values()]
    law = fit_power_law(sizes, [cell.metrics[LOSS][0] for cell in found.values()])
    for method, cell in found.items():
        for metric, [value] in cell.metrics.items():
            yield row(method, metric, value, round(cell.seconds, 3))
        fitted = law(cell.metrics[size][0])
        yield row(method, FITTED_LOSS, fitted, round(cell.seconds, 3))
    seconds = round(sum(cell.seconds for cell in found.values()), 3)
    yield row(f"law-of-{size}", "exponent", law.exponent, seconds)
    yield row(f"law-of-{size}", "r-squared", law.r_squared, seconds)
