"""A checkpoint that cannot be read is as none."""

import io
import json
import logging

import numpy as np
import pytest
import tf_keras

from model.averaging import WeightAverage
from model.checkpoints import EpochCheckpoint


def whole() -> bytes:
    """A state after three epochs of a model with one weight."""
    state = {
        "epochs": 3,
        "curves": {"loss": [3.0, 2.0, 1.0]},
        "stopping": {},
        "arrays": {"weights": 1, "raw": 0, "optimizer": 0, "best": 0},
    }
    content = io.BytesIO()
    arrays = {"state": np.array(json.dumps(state)), "weights-0": np.arange(1000.0)}
    np.savez(content, **arrays)
    return content.getvalue()


def flipped(content: bytes) -> bytes:
    """One bit of the weight is another one."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def read(path) -> EpochCheckpoint:
    return EpochCheckpoint(str(path), WeightAverage(0.9), None)


def test_a_whole_one_is_gone_on_from(tmp_path):
    (tmp_path / "state").write_bytes(whole())
    assert read(tmp_path / "state").epochs == 3


@pytest.mark.parametrize(
    "damaged",
    [b"", b"random bytes", whole()[:100], whole()[:-100], flipped(whole())],
    ids=["empty", "random", "head", "no tail", "one bit"],
)
def test_training_starts_anew_and_says_so(tmp_path, caplog, damaged):
    (tmp_path / "state").write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        found = read(tmp_path / "state")
    assert (found.epochs, found.curves, found.is_stopped) == (0, {}, False)
    assert f"{tmp_path / 'state'} is damaged, so training starts anew" in caplog.text


def test_one_of_another_model_is_refused(tmp_path):
    (tmp_path / "state").write_bytes(whole())
    other = tf_keras.Sequential([tf_keras.layers.Dense(1)])
    other.build((None, 1))
    other.compile("adam")
    state = read(tmp_path / "state")
    state.set_model(other)
    with pytest.raises(ValueError, match=r"state is of another model; remove it to train anew"):
        state.on_train_begin()
