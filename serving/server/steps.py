"""The thread that takes the steps of all models."""

import logging
import math
import threading
import time
from collections.abc import Mapping

from serving.server.model import Model

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0  # after a step that failed


class Steps:
    """Takes the steps of all models, one after the other, so their loads follow each other.

    Args:
        models: those to take steps of, by name; more may come.
        changed: guards the models, and is notified after each round.
    """

    def __init__(self, models: Mapping[str, Model], changed: threading.Condition):
        self._models = models
        self._changed = changed
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model steps", daemon=True)

    def start(self) -> None:
        """Begins to load and watch."""
        self._thread.start()

    def wake(self) -> None:
        """Has the next round begin now."""
        self._wake.set()

    def stop(self, timeout_seconds: float) -> None:
        """Waits until all models are idle; a step that takes longer is left behind."""
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            self._wake.clear()  # before what it tells is looked at
            if self._stopping.is_set() and self._is_idle():
                return
            with self._changed:
                models = list(self._models.values())
            due = min([_step(model) for model in models], default=math.inf)
            with self._changed:
                self._changed.notify_all()
            pause = max(0.0, due - time.monotonic())
            self._wake.wait(min(pause, threading.TIMEOUT_MAX))  # more is an OverflowError

    def _is_idle(self) -> bool:
        with self._changed:
            return all(model.is_idle() for model in self._models.values())


def _step(model: Model) -> float:
    """Takes a model's step, and returns when its next is due; one that fails is taken again."""
    try:
        return model.step()
    except Exception:  # the other models go on
        _LOG.exception("Model %s cannot follow its configuration and folder", model.name)
        return time.monotonic() + _PAUSE_SECONDS
