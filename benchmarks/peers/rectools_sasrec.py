"""RecTools' SASRec with the softmax loss, trained until its validation stops improving.

Runs in an environment of its own (`make peers`), on arrays that `benchmarks.peers.rectools`
writes. The number of epochs is chosen on the validation task; with a test task, the model whose
lists are judged is trained anew on its histories for as many, as SessionRec's is.

    python -m benchmarks.peers.rectools_sasrec FOLDER --seed 0
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from components.evaluation.ranking import ranking_metrics

K = 20
PATIENCE = 5
# Batches of 128 users, the library's default, make so few steps an epoch of a log of few users that
# it takes hours to stop improving.
BATCH_SIZE = 32
# It is cut off where it takes longer than this all the same.
MAX_TRAINING_SECONDS = 5400


def main() -> None:
    """Writes curve.json, `validation` and `seconds` by epoch; and lists.json by judged user."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--history", type=int, required=True)
    parser.add_argument("--epochs", type=int)
    given = parser.parse_args()
    curve, seconds = _choose_epochs(np.load(given.folder / "validation.npz"), given)
    content = {"validation": curve, "seconds": seconds}
    (given.folder / "curve.json").write_text(json.dumps(content))
    if not (given.folder / "test.npz").exists():
        return
    test = np.load(given.folder / "test.npz")
    model = _model(given)
    _train(model, _dataset(test["fit_user"], test["fit_item"]), 1 + int(np.argmax(curve)))
    (given.folder / "lists.json").write_text(json.dumps(_lists(model, test)))


def _choose_epochs(task, given: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Validation NDCG, and seconds of training so far, by epoch."""
    targets = [
        set(task["target_item"][task["target_user"] == user].tolist()) for user in task["judged"]
    ]
    model, dataset = _model(given), _dataset(task["fit_user"], task["fit_item"])
    curve: list[float] = []
    seconds = [0.0]
    while len(curve) - int(np.argmax(curve or [0])) <= PATIENCE:
        start = time.perf_counter()
        _train(model, dataset, 1)
        seconds.append(seconds[-1] + time.perf_counter() - start)
        ndcg = ranking_metrics(_lists(model, task), targets, [K])[f"ndcg@{K}"]
        curve.append(float(ndcg.mean()))
        print(f"epoch {len(curve)}: NDCG@{K} {curve[-1]:.4f}, {seconds[-1]:.0f} s", flush=True)
        if len(curve) == given.epochs or seconds[-1] >= MAX_TRAINING_SECONDS:
            break
    return curve, seconds[1:]


def _model(given: argparse.Namespace) -> SASRecModel:
    """Width, depth, heads and dropout are SessionRec's."""
    pytorch_lightning.seed_everything(given.seed)
    return SASRecModel(
        n_blocks=2,
        n_heads=2,
        n_factors=64,
        dropout_rate=0.2,
        session_max_len=given.history,
        loss="softmax",
        lr=1e-3,
        batch_size=BATCH_SIZE,
        get_trainer_func=_trainer,
    )


def _trainer() -> pytorch_lightning.Trainer:
    return pytorch_lightning.Trainer(
        max_epochs=1,
        deterministic=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
    )


def _train(model: SASRecModel, dataset: Dataset, epochs: int) -> None:
    model.fit_partial(dataset, min_epochs=epochs, max_epochs=epochs)


def _dataset(user: np.ndarray, item: np.ndarray) -> Dataset:
    """Interactions in the order of their time, which is all that SASRec reads of it."""
    order = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(len(user)), unit="s")
    return Dataset.construct(
        pd.DataFrame(
            {Columns.User: user, Columns.Item: item, Columns.Weight: 1.0, Columns.Datetime: order}
        )
    )


def _lists(model: SASRecModel, task) -> list[list[int]]:
    """The best items of the catalogue for each judged user; popular ones where it knows none."""
    known = np.isin(task["judged"], task["history_user"])
    found = model.recommend(
        users=task["judged"][known],
        dataset=_dataset(task["history_user"], task["history_item"]),
        k=K,
        filter_viewed=False,
        items_to_recommend=task["catalogue"],
        on_unsupported_targets="ignore",
    )
    by_user = found.groupby(Columns.User)[Columns.Item].agg(list).to_dict()
    popular = task["catalogue"][:K].tolist()
    return [by_user.get(user, popular) for user in task["judged"].tolist()]


if __name__ == "__main__":
    main()
