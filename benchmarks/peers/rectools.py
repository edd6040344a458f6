"""RecTools' SASRec as a peer: the task as arrays for its own environment, and its lists back."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cells import Cell
from benchmarks.protocol import Task
from components.errors import DataError

RECTOOLS = "rectools-sasrec"
PYTHON = Path(".cache/peers/rectools/bin/python")
# Latest items of a history that it reads.
HISTORY = 100
CURVE_FILE, LISTS_FILE = "curve.json", "lists.json"


def rectools_sasrec(validation: Task, test: Task, seed: int, folder: Path) -> Cell:
    """Train SASRec to its best validation NDCG, then anew on the test task, and judge its lists.

    Args:
      validation: what the number of epochs is chosen on.
      test: what is judged.
      seed: of the training.
      folder: for the arrays, the log and the lists.

    Raises:
      DataError: its environment is missing, or it failed.
    """
    start = time.perf_counter()
    curve = train_sasrec(validation, seed, folder, test=test)
    seconds = time.perf_counter() - start
    lists = json.loads((folder / LISTS_FILE).read_text())
    return Cell.learned(seconds, test.metrics(lists), curve.validation, curve.seconds)


@dataclass(frozen=True)
class Curve:
    """Validation NDCG@20, and seconds of training so far, by epoch."""

    validation: list[float]
    seconds: list[float]


def train_sasrec(
    validation: Task,
    seed: int,
    folder: Path,
    *,
    epochs: int | None = None,
    test: Task | None = None,
) -> Curve:
    """Train SASRec in its own environment.

    Args:
      validation: what it is trained on and validated with.
      seed: of the training.
      folder: for the arrays, the log and the results.
      epochs: at most; its own limits if not given.
      test: train anew on it, and write lists for its judged users.

    Raises:
      DataError: its environment is missing, or it failed.
    """
    if not PYTHON.exists():
        raise DataError(f"There is no {PYTHON}; `make peers` installs RecTools.")
    _write(validation, folder / "validation.npz", seed)
    command = [str(PYTHON), "-m", "benchmarks.peers.rectools_sasrec", str(folder)]
    command += [f"--seed={seed}", f"--history={HISTORY}"]
    if epochs is not None:
        command.append(f"--epochs={epochs}")
    (folder / "test.npz").unlink(missing_ok=True)
    if test is not None:
        _write(test, folder / "test.npz", seed)
    log = folder / "log.txt"
    with log.open("w") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise DataError(f"RecTools failed, see {log}")
    return Curve(**json.loads((folder / CURVE_FILE).read_text()))


def _write(task: Task, path: Path, seed: int) -> None:
    """Interactions with items of the catalogue, each user's in the order of time.

    Items of one time are shuffled: a basket has no order, and the order of ids, which ingestion
    gives it, would be learned instead of what comes next.
    """
    generator = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for name, requests in (("fit", task.fit), ("history", task.requests)):
        any_order = generator.random(len(requests.history_time))
        order = np.lexsort(
            (any_order, requests.history_time, requests.history_session, requests.history_user)
        )
        kept = order[np.isin(requests.history_item[order], task.popular)]
        arrays[f"{name}_user"] = requests.history_user[kept]
        arrays[f"{name}_item"] = requests.history_item[kept]
    judged = np.repeat(task.users, [len(items) for items in task.targets])
    arrays["judged"], arrays["target_user"] = task.users, judged
    arrays["target_item"] = np.array([item for items in task.targets for item in items])
    arrays["catalogue"] = task.popular
    np.savez(path, allow_pickle=False, **arrays)
