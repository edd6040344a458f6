"""One measured cell: a method, a data set, a protocol and a seed; measured once and kept.

A benchmark that was killed goes on with the first cell that has no result.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from tfx_pipeline.lineage import fingerprint

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Cell:
    """The result of a method.

    Attributes:
      seconds: to fit and to recommend.
      metrics: value of each judged user by metric; a metric may judge fewer users than others.
      trials: what was tried on validation, and its NDCG@20; the best was taken.
      epoch_seconds: of a learned method, seconds since training began at the end of each epoch
        that `trials` lists.
    """

    seconds: float
    metrics: dict[str, list[float]]
    trials: dict[str, float] = field(default_factory=dict)
    epoch_seconds: list[float] = field(default_factory=list)

    @classmethod
    def learned(
        cls,
        seconds: float,
        metrics: Mapping[str, np.ndarray],
        validation: Sequence[float],
        epoch_seconds: list[float],
    ) -> Self:
        """Of a training, with its validation NDCG@20 and the seconds so far by epoch."""
        trials = {f"epoch {n}": value for n, value in enumerate(validation, 1)}
        return cls(seconds, as_lists(metrics), trials, epoch_seconds)

    @property
    def curve(self) -> list[tuple[float, float]]:
        """Validation NDCG@20 of each epoch, and seconds of training so far; [] if none learned."""
        return list(zip(self.trials.values(), self.epoch_seconds, strict=False))

    @property
    def best(self) -> float:
        """The validation NDCG@20 of what was chosen.

        Raises:
          ValueError: there was nothing to choose.
        """
        return max(self.trials.values())


def cell_folder(cells: Path, name: str, inputs: dict) -> Path:
    """Where a cell is kept, by its inputs: all that decides the result but the code, as JSON."""
    return cells / f"{name}-{fingerprint(inputs)}"


def measured(folder: Path, measure: Callable[[Path], Cell]) -> Cell:
    """The cell kept in `folder`, or a new measurement, which gets the folder, if there is none."""
    path = folder / RESULT_FILE
    if path.exists():
        return Cell(**json.loads(path.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    cell = measure(folder)
    written = folder / f"{RESULT_FILE}.tmp"
    written.write_text(json.dumps(asdict(cell)))
    written.replace(path)
    return cell


def as_lists(metrics: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Metrics as a cell keeps them."""
    return {name: values.tolist() for name, values in metrics.items()}
