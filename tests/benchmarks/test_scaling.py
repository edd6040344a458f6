"""The power law on losses that follow one, and the rows and the plot made from cells."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from benchmarks import scaling
from benchmarks.cells import Cell
from benchmarks.results import INTERACTIONS, LOSS, PARAMETERS


def test_a_law_without_noise_is_found():
    law = scaling.fit_power_law([10, 100, 1000], [8, 4, 2])
    np.testing.assert_allclose([law.exponent, law.r_squared], [-np.log10(2), 1.0])
    np.testing.assert_allclose(law(10_000), 1.0)


def test_r_squared_by_hand():
    """Logs (0, 1, 2) -> (0, 0, 3): slope 1.5, residuals (.5, -1, .5), 1 - 1.5 / 6."""
    law = scaling.fit_power_law(np.exp([0, 1, 2]), np.exp([0, 0, 3]))
    np.testing.assert_allclose([law.exponent, law.r_squared], [1.5, 0.75])


def test_two_points_are_refused():
    with pytest.raises(ValueError, match=r"fewer than three points fits always\. Got: 2"):
        scaling.fit_power_law([1, 2], [1, 2])


def test_rows_of_both_laws(tmp_path, monkeypatch):
    """Loss 10 * parameters ** -0.5, whatever the data."""

    def train(data, settings, users, folder):
        parameters = float(settings[-1].removeprefix("model.dim=")) ** 2
        loss = 10 * parameters**-0.5
        return Cell(2.0, {PARAMETERS: [parameters], INTERACTIONS: [80 * users], LOSS: [loss]})

    class Config:
        pipeline, model = SimpleNamespace(name="toy"), SimpleNamespace(dim=64)

        def model_dump(self, mode):
            return {}

    data = SimpleNamespace(
        dataset="toy", examples="", config=Config(), with_settings=lambda settings: Config()
    )
    monkeypatch.setattr(scaling, "prepare", lambda *_: data)
    monkeypatch.setattr(scaling, "_train", train)
    output, cells = tmp_path / "output", tmp_path / "cells"
    scaling.benchmark_scaling(
        ["toy.toml"], (), output, cells, "command", Console(file=(tmp_path / "log").open("w"))
    )
    rows = json.loads((output / "results.json").read_text())
    value = {(row["method"], row["metric"]): row["value"] for row in rows}
    np.testing.assert_allclose(value["law-of-parameters", "exponent"], -0.5)
    np.testing.assert_allclose(value["law-of-parameters", "r-squared"], 1.0)
    np.testing.assert_allclose(value["law-of-interactions", "exponent"], 0.0, atol=1e-12)
    assert value["interactions-users-0.25", INTERACTIONS] == 20
    assert value["parameters-width-8", "fitted-validation-loss"] == pytest.approx(1.25)
    assert (output / "toy.png").stat().st_size > 1000
