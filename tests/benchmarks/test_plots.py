"""A plot for each data set with a learned method."""

from benchmarks.plots import plot_curves
from benchmarks.results import CURVE, Row


def row(**changes):
    fields = {
        "benchmark": "quality", "dataset": "toy", "method": "sessionrec", "metric": f"{CURVE}1",
        "value": 0.2, "low": 0.2, "high": 0.2, "seed": 0, "seconds": 5.0, "command": "run it",
    }  # fmt: skip
    return Row(**fields | changes)


def test_a_data_set_with_a_learned_method_gets_a_plot(tmp_path):
    counted = {"method": "tifu-knn", "metric": "validation-ndcg@20", "seed": None}
    plot_curves(
        [
            row(),
            row(metric=f"{CURVE}2", value=0.3, seconds=9.0),
            row(seed=1),
            row(**counted),
            row(dataset="counted", **counted),
        ],
        tmp_path,
    )
    [path] = tmp_path.iterdir()
    assert path.name == "quality-toy.png"
    assert path.read_bytes().startswith(b"\x89PNG")
