"""A cell is measured once for the same inputs."""

from benchmarks.cells import Cell, measured


def cell(value: float) -> Cell:
    return Cell(1.5, {"ndcg@20": [value]}, {"epoch 1": 0.1, "epoch 2": 0.3}, [2.0, 4.0])


def test_measured_once(tmp_path):
    assert measured(tmp_path / "x", {"seed": 1}, lambda _: cell(0.5)) == cell(0.5)
    assert measured(tmp_path / "x", {"seed": 1}, lambda _: cell(0.7)) == cell(0.5)


def test_other_inputs_are_measured_anew(tmp_path):
    measured(tmp_path / "x", {"seed": 1}, lambda _: cell(0.5))
    assert measured(tmp_path / "x", {"seed": 2}, lambda _: cell(0.7)) == cell(0.7)


def test_the_setting_with_the_best_validation_is_chosen():
    assert cell(0.5).chosen == "epoch 2"
    assert Cell(0.1, {}).chosen is None
