"""A cell is measured once for the same inputs."""

import pytest

from benchmarks.cells import Cell, cell_folder, measured


def cell(value: float) -> Cell:
    return Cell(1.5, {"ndcg@20": [value]}, {"epoch 1": 0.1, "epoch 2": 0.3}, [2.0, 4.0])


def test_measured_once(tmp_path):
    folder = cell_folder(tmp_path, "x", {"seed": 1})
    assert measured(folder, lambda _: cell(0.5)) == cell(0.5)
    assert measured(folder, lambda _: cell(0.7)) == cell(0.5)


def test_cells_of_other_inputs_are_kept_beside_each_other(tmp_path):
    one, other = (cell_folder(tmp_path, "x", {"seed": seed}) for seed in (1, 2))
    measured(one, lambda _: cell(0.5))
    assert measured(other, lambda _: cell(0.7)) == cell(0.7)
    assert measured(one, lambda _: cell(0.9)) == cell(0.5)


def test_the_best_validation_is_of_what_was_tried():
    assert cell(0.5).best == 0.3
    with pytest.raises(ValueError, match="empty"):
        _ = Cell(0.1, {}).best
