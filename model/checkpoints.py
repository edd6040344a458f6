"""The state of training at the end of an epoch, so that a killed run goes on where it was."""

import io
import json
import logging
import zipfile
from typing import Any

import numpy as np
import tensorflow as tf

from model.averaging import WeightAverage
from model.distribution import is_chief

PROGRESS = logging.getLogger("sessionrec.progress")
_STATE = "state"
_STOPPING = ("best", "best_epoch", "wait")


class EpochCheckpoint(tf.keras.callbacks.Callback):
    """Keeps the state of the latest epoch in one file, replaced at once, and goes on from it.

    It comes after the callbacks whose state it keeps: weights, optimizer, average, early stopping
    and learning curves are as if nothing had happened. What an epoch draws at random has to depend
    on its number alone.

    Attributes:
      epochs: how many are done.
      curves: what their logs said, a value an epoch.
    """

    def __init__(
        self,
        path: str | None,
        average: WeightAverage,
        stop: tf.keras.callbacks.EarlyStopping | None,
    ):
        """Read the state, if there is any; one that is damaged is as none.

        Args:
          path: of the file, which may be on a remote file system; None keeps nothing.
          average: of the weights.
          stop: if training can stop early.
        """
        super().__init__()
        self.epochs = 0
        self.curves: dict[str, list[float]] = {}
        self._path, self._average, self._stop = path, average, stop
        self._stopping: dict[str, float] = {}
        self._kept: dict[str, list[np.ndarray]] = {}
        if path is not None and tf.io.gfile.exists(path):
            try:
                self._read(path)
            except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                PROGRESS.warning("%s is damaged, so training starts anew: %s", path, error)

    @property
    def is_stopped(self) -> bool:
        """Whether training was stopped early at the epoch that was read."""
        return self._stop is not None and self._stopping.get("wait", -1) >= self._stop.patience

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Put back what was read into the model, which has been built.

        Raises:
          ValueError: it is of another model.
        """
        del logs
        if not self._kept:
            return
        try:
            self._restore()
        except ValueError as error:
            raise ValueError(
                f"{self._path} is of another model; remove it to train anew"
            ) from error

    def _restore(self):
        optimizer = self.model.optimizer
        for variable, value in zip(optimizer.variables, self._kept["optimizer"], strict=True):
            variable.assign(value)
        self.model.set_weights(self._kept["weights"])
        self._average.restore(self._kept["raw"], int(optimizer.iterations.numpy()))
        for name, number in self._stopping.items():
            setattr(self._stop, name, number)
        if self._stop is not None:
            self._stop.best_weights = self._kept["best"]
        self._kept = {}

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keep the state."""
        self.epochs = epoch + 1
        for name, value in (logs or {}).items():
            self.curves.setdefault(name, []).append(float(value))
        if self._path is not None:
            self._write(self._path)

    def _read(self, path: str):
        with tf.io.gfile.GFile(path, "rb") as file:
            content = np.load(io.BytesIO(file.read()))
        state = json.loads(str(content[_STATE]))
        kept = {
            name: [content[f"{name}-{place}"] for place in range(count)]
            for name, count in state["arrays"].items()
        }
        self.epochs, self.curves = state["epochs"], state["curves"]
        self._stopping, self._kept = state["stopping"], kept

    def _write(self, path: str):
        optimizer = self.model.optimizer
        kept = {
            "weights": self.model.get_weights(),
            "raw": self._average.raw,
            "optimizer": [variable.numpy() for variable in optimizer.variables],
            "best": self._stop.best_weights if self._stop else [],
        }
        state = {
            "epochs": self.epochs,
            "curves": self.curves,
            "stopping": {name: float(getattr(self._stop, name)) for name in _STOPPING}
            if self._stop
            else {},
            "arrays": {name: len(arrays) for name, arrays in kept.items()},
        }
        # All workers take part in reading what is kept; one writes it.
        if not is_chief(self.model.distribute_strategy):
            return
        content = io.BytesIO()
        arrays: dict[str, Any] = {_STATE: np.array(json.dumps(state))}
        for name, of_it in kept.items():
            arrays |= {f"{name}-{place}": array for place, array in enumerate(of_it)}
        np.savez(content, **arrays)
        with tf.io.gfile.GFile(f"{path}.tmp", "wb") as file:
            file.write(content.getvalue())
        tf.io.gfile.rename(f"{path}.tmp", path, overwrite=True)
