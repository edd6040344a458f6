"""Intervals of known coverage, and the two files that rows become."""

import json

import numpy as np

from benchmarks.results import Row, bootstrap_interval, markdown_table, write_results


def row(**changes):
    fields = {
        "benchmark": "quality", "dataset": "toy", "method": "popularity", "metric": "recall@10",
        "value": 0.25, "low": 0.2, "high": 0.3, "seed": None, "seconds": 0.5, "command": "run it",
    }  # fmt: skip
    return Row(**fields | changes)


def test_interval_agrees_with_the_normal_approximation():
    values = np.random.default_rng(0).random(2000)
    low, high = bootstrap_interval(values, seed=3)
    half = 1.96 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose([low, high], values.mean() + half * np.array([-1, 1]), atol=half / 5)
    assert (low, high) == bootstrap_interval(values, seed=3)


def test_table_has_a_line_per_method_and_a_column_per_metric():
    learned = {"method": "sessionrec", "metric": "ndcg@10"}
    rows = [
        row(),
        row(metric="ndcg@10", value=0.5),
        row(**learned, seed=0, value=0.1),
        row(**learned, seed=1, value=0.4),
        row(**learned),
    ]
    assert markdown_table(rows).splitlines() == [
        "| benchmark | dataset | method | seeds | seconds | recall@10 | ndcg@10 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| quality | toy | popularity |  | 0.5 "
        "| 0.2500 [0.2000, 0.3000] | 0.5000 [0.2000, 0.3000] |",
        "| quality | toy | sessionrec | 2 | 0.5 |  | 0.2500 [0.2000, 0.3000] |",
    ]


def test_files(tmp_path):
    write_results([row()], tmp_path / "new")
    (read,) = json.loads((tmp_path / "new" / "results.json").read_text())
    assert read == vars(row())
    assert (tmp_path / "new" / "results.md").read_text() == markdown_table([row()])
