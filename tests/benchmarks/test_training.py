"""What an interaction is for each method, and how speed and time to the line follow from curves."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from benchmarks import training
from benchmarks.peers.rectools import HISTORY, Curve
from benchmarks.trial import CURVES
from model.fitting import HISTORY_FILE

LINE = 0.2
MAX_SESSIONS = 120
# Engaged items of each of three users: of the last one, 120 are NIPP's and 100 SASRec's.
HISTORIES = np.repeat([0, 1, 2], [3, 5, 150])
READ = {"sessionrec": 158, "sessionrec-no-counts": 158, "nipp": 128, "rectools-sasrec": 108}
# Seconds after each epoch; the first one compiles. Medians of the others: 2 and 4.
SECONDS = [[10.0, 12.0, 14.0], [10.0, 14.0, 18.0]]
# Two rounds: the model is over the line after its second and its first epoch, the others never.
VALIDATION = {"sessionrec": [[0.1, 0.3, 0.3], [0.2, 0.1, 0.1]]}
BELOW = [[0.1, 0.1, 0.1]] * 2


@pytest.fixture
def rows(tmp_path, monkeypatch):
    assert HISTORY == 100
    turns = []

    def curve(method):
        turn = turns.count(method)
        turns.append(method)
        return Curve(VALIDATION.get(method, BELOW)[turn], SECONDS[turn])

    def train(settings, folder):
        assert settings[-3:] == ("train.epochs=3", "train.patience=3", "train.refit=false")
        [method] = [name for name in READ if training.VARIANTS.get(name) == settings[:-3]]
        found = curve(method)
        (folder / CURVES).mkdir()
        history = {"val_ndcg@20": found.validation, "seconds": found.seconds}
        (folder / CURVES / HISTORY_FILE).write_text(json.dumps(history))

    data = SimpleNamespace(
        dataset="shop",
        train=train,
        validation=SimpleNamespace(fit=SimpleNamespace(history_user=HISTORIES)),
        config=SimpleNamespace(sessions=SimpleNamespace(max_sessions=MAX_SESSIONS)),
    )
    monkeypatch.setattr(training, "prepare", lambda *_: data)
    monkeypatch.setattr(training, "_personal_frequency", lambda _: LINE)
    monkeypatch.setattr(training, "train_sasrec", lambda *_, epochs: curve("rectools-sasrec"))
    with (tmp_path / "log").open("w") as log:
        training.benchmark_training(
            [tmp_path / "shop.toml"], (), 3, 2, tmp_path, "command", Console(file=log)
        )
    assert turns == list(READ) * 2
    return json.loads((tmp_path / "results.json").read_text())


def test_an_epoch_reads_what_the_method_keeps_of_each_history(rows):
    """Interactions over the median seconds of an epoch, in two rounds of 2 and of 4 seconds."""
    speed = {row["method"]: row for row in rows if row["metric"] == "interactions_per_s"}
    for method, read in READ.items():
        found = speed[method]
        np.testing.assert_allclose(found["value"], read * (1 / 2 + 1 / 4) / 2)
        np.testing.assert_allclose([found["low"], found["high"]], [read / 4, read / 2])


def test_seconds_to_the_line_only_of_what_got_there(rows):
    [reached] = [row for row in rows if row["metric"] == "seconds_to_personal_frequency"]
    assert (reached["method"], reached["low"], reached["high"]) == ("sessionrec", 10.0, 12.0)
    assert reached["seconds"] == 14 + 18
