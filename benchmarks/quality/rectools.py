"""RecTools' SASRec as a peer: the task as arrays for its own environment, and its lists back."""

import json
import subprocess
import time
from pathlib import Path

import numpy as np

from benchmarks.quality.cells import Cell, as_lists
from benchmarks.quality.protocol import Task
from components.errors import DataError

RECTOOLS = "rectools-sasrec"
PYTHON = Path(".cache/peers/rectools/bin/python")


def rectools_sasrec(validation: Task, test: Task, seed: int, folder: Path) -> Cell:
    """Train SASRec and judge its lists.

    Args:
      validation: what the number of epochs is chosen on.
      test: what is judged.
      seed: of the training.
      folder: for the arrays, the log and the lists.

    Raises:
      DataError: its environment is missing, or it failed.
    """
    if not PYTHON.exists():
        raise DataError(f"There is no {PYTHON}; `make peers` installs RecTools.")
    _write(validation, folder / "validation.npz")
    _write(test, folder / "test.npz")
    command = [str(PYTHON), "-m", "benchmarks.peers.rectools_sasrec", str(folder)]
    command.append(f"--seed={seed}")
    start = time.perf_counter()
    log = folder / "log.txt"
    with log.open("w") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise DataError(f"RecTools failed, see {log}")
    seconds = time.perf_counter() - start
    found = json.loads((folder / "lists.json").read_text())
    trials = {f"epoch {n}": value for n, value in enumerate(found["validation"], 1)}
    return Cell(seconds, as_lists(test.metrics(found["lists"])), trials, found["seconds"])


def _write(task: Task, path: Path) -> None:
    """Interactions with items of the catalogue, each user's in the order of time."""
    arrays: dict[str, np.ndarray] = {}
    for name, requests in (("fit", task.fit), ("history", task.requests)):
        kept = np.isin(requests.history_item, task.popular)
        arrays[f"{name}_user"] = requests.history_user[kept]
        arrays[f"{name}_item"] = requests.history_item[kept]
    judged = np.repeat(task.users, [len(items) for items in task.targets])
    arrays["judged"], arrays["target_user"] = task.users, judged
    arrays["target_item"] = np.array([item for items in task.targets for item in items])
    arrays["catalogue"] = task.popular
    np.savez(path, allow_pickle=False, **arrays)
