"""What every benchmark writes: rows, as results.json and as a Markdown table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

# What settings and epochs are chosen by.
VALIDATION_NDCG = "validation-ndcg@20"
# Metric of a point of a learning curve, with the epoch's number: so much after so many seconds.
CURVE = f"{VALIDATION_NDCG}-epoch-"
# What a scaling law is fitted over, and what it predicts.
SIZES = PARAMETERS, INTERACTIONS = "parameters", "interactions"
LOSS, FITTED_LOSS = "validation-loss", "fitted-validation-loss"
INTERACTIONS_PER_SECOND = "interactions_per_s"
PEAK_MB, CPU_S, WALL_S = "peak_mb", "cpu_s", "wall_s"
P50_MS, P95_MS, P99_MS = "p50_ms", "p95_ms", "p99_ms"
_RESAMPLES = 1000


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
      low, high: its 95% interval; of a load, its lowest and highest round.
      seed: of a learned method's training; None is the mean over all its seeds, or a method that
        has none.
      seconds: how long the method took to produce all that the figure is computed from.
      command: what reproduces it.
    """

    benchmark: str
    dataset: str
    method: str
    metric: str
    value: float
    low: float
    high: float
    seed: int | None
    seconds: float
    command: str


def bootstrap_interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13).

    Args:
      values: float [users].
      seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    means = [
        values[generator.integers(len(values), size=len(values))].mean() for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def markdown_table(rows: Sequence[Row]) -> str:
    """A line for each data set and method, a column for each metric: value [low, high].

    Means over seeds only, with how many seeds and the mean seconds of one; no learning curves.
    """
    rows = [row for row in rows if not row.metric.startswith(CURVE)]
    metrics = list(dict.fromkeys(row.metric for row in rows))
    lines = [["benchmark", "dataset", "method", "seeds", "seconds", *metrics]]
    lines.append(["---"] * len(lines[0]))
    for key, group in _groups(rows).items():
        seeds = {row.seed for row in group} - {None}
        cells = {
            row.metric: f"{row.value:.4f} [{row.low:.4f}, {row.high:.4f}]"
            for row in group
            if row.seed is None
        }
        seconds = next(f"{row.seconds:.1f}" for row in group if row.seed is None)
        figures = [cells.get(metric, "") for metric in metrics]
        lines.append([*key, str(len(seeds) or ""), seconds, *figures])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _groups(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.benchmark, row.dataset, row.method), []).append(row)
    return groups


def write_results(rows: Sequence[Row], folder: Path) -> None:
    """Writes results.json and results.md, made from the same rows, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps([asdict(row) for row in rows], indent=2)
    (folder / "results.json").write_text(f"{content}\n")
    (folder / "results.md").write_text(markdown_table(rows))


def read_results(folder: Path) -> list[Row]:
    """The rows that a benchmark wrote into the folder; none if it wrote nothing yet."""
    path = folder / "results.json"
    return [Row(**row) for row in json.loads(path.read_text())] if path.exists() else []
