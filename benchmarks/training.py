"""`sessionrec benchmark training`: the speed of the model, of NIPP and of RecTools' SASRec.

They take turns on one machine: each method once in each round. NIPP has none of the model's terms
that count, so the model takes a turn without them, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from benchmarks.peers.rectools import HISTORY, RECTOOLS, Curve, train_sasrec
from benchmarks.prepare import Prepared, prepare
from benchmarks.protocol import K
from benchmarks.results import INTERACTIONS_PER_SECOND, Row, write_results
from benchmarks.trial import CURVES
from benchmarks.variants import MODEL, NIPP, NO_COUNTS, VARIANTS
from components.evaluation.counters import COUNTERS
from model.fitting import read_curves

BENCHMARK = "training"
METHODS = (MODEL, NO_COUNTS, NIPP, RECTOOLS)
NDCG = f"ndcg@{K}"
PERSONAL_FREQUENCY = "personal-frequency"
SECONDS_TO_LINE = "seconds_to_personal_frequency"


@dataclass(frozen=True)
class _Speed:
    """Of one training: interactions read a second, and seconds to the line, if it got there."""

    interactions_per_second: float
    seconds_to_line: float | None
    seconds: float


def benchmark_training(
    configs: Sequence[Path],
    settings: tuple[str, ...],
    epochs: int,
    rounds: int,
    output: Path,
    command: str,
    console: Console,
) -> None:
    """Train each method for some epochs in each round.

    An epoch reads the history of every user once, cut off as the method cuts it off: the engaged
    items in that, over the median seconds of an epoch without validation, are the interactions a
    second. The first epoch, which compiles, is left out. The line is the personal frequency's NDCG
    on the validation sessions.

    Args:
      configs: configuration files, one a data set.
      settings: overrides of all of them.
      epochs: of each training, 2 or more.
      rounds: how often each method has its turn.
      output: folder for results.json and the table.
      command: what reproduces it.
      console: where progress goes.
    """
    rows: list[Row] = []
    for path in configs:
        data = prepare(path, settings, "last-session", console)
        line = _personal_frequency(data)
        console.print(f"  {PERSONAL_FREQUENCY}: validation NDCG@{K} {line:.4f}")
        speeds: dict[str, list[_Speed]] = {method: [] for method in METHODS}
        for _ in range(rounds):
            for method in METHODS:
                speed = _train(data, method, epochs, line)
                speeds[method].append(speed)
                console.print(f"  {method:<20}{speed.interactions_per_second:10.0f} interactions/s")
        for method, of_method in speeds.items():
            rows += _rows(data.dataset, method, of_method, command)
    write_results(rows, output)
    console.print(f"results: {output}")


def _personal_frequency(data: Prepared) -> float:
    task = data.validation
    lists = COUNTERS[PERSONAL_FREQUENCY](task.requests, task.popular, K)[task.users].tolist()
    return float(task.metrics(lists)[NDCG].mean())


def _train(data: Prepared, method: str, epochs: int, line: float) -> _Speed:
    with TemporaryDirectory() as name:
        folder = Path(name)
        if method == RECTOOLS:
            curve = train_sasrec(data.validation, 0, folder, epochs=epochs)
        else:
            length = (f"train.epochs={epochs}", f"train.patience={epochs}", "train.refit=false")
            data.train((*VARIANTS[method], *length), folder)
            curves = read_curves(str(folder / CURVES))
            curve = Curve(curves[f"val_{NDCG}"], curves["seconds"])
    reached = [at for ndcg, at in zip(curve.validation, curve.seconds, strict=True) if ndcg >= line]
    return _Speed(
        _interactions(data, method) / median(np.diff(curve.seconds)),
        min(reached, default=None),
        curve.seconds[-1],
    )


def _interactions(data: Prepared, method: str) -> int:
    """Engaged items in the histories that an epoch reads."""
    of_user = np.bincount(data.validation.fit.history_user)
    if method == NIPP:
        of_user = np.minimum(of_user, data.config.sessions.max_sessions)
    if method == RECTOOLS:
        of_user = np.minimum(of_user, HISTORY)
    return int(of_user.sum())


def _rows(dataset: str, method: str, speeds: list[_Speed], command: str) -> list[Row]:
    seconds = round(sum(speed.seconds for speed in speeds), 3)
    found = {
        INTERACTIONS_PER_SECOND: [speed.interactions_per_second for speed in speeds],
        SECONDS_TO_LINE: [s.seconds_to_line for s in speeds if s.seconds_to_line is not None],
    }
    return [
        Row(
            BENCHMARK,
            dataset,
            method,
            metric,
            value=float(median(values)),
            low=min(values),
            high=max(values),
            seed=None,
            seconds=seconds,
            command=command,
        )
        for metric, values in found.items()
        if values
    ]
