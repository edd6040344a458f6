"""The serving benchmark on a tiny catalogue: from the model's code to rows and a plot."""

import json

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from benchmarks import serving
from benchmarks.catalogues import ITEMS_PER_TOPIC, MIN_RECALL, users, world
from benchmarks.serving_trial import Server, ServerError, numpy_floor
from model import features


def test_users_engage_with_items_of_a_few_topics():
    generator = np.random.default_rng(0)
    of = world(20 * ITEMS_PER_TOPIC, True, generator)
    assert of.share.sum() == pytest.approx(1)
    for request in users(of, 20, generator):
        found = tf.train.Example.FromString(request).features.feature
        items = [int(i.decode()[5:]) for i in found[features.ITEM_ID].bytes_list.value]
        assert 1 <= len(set(of.topic[items])) <= 3
        assert sum(found[features.SESSION_LENGTH].int64_list.value) == len(items)


def test_the_floor_is_measured():
    load = numpy_floor("floor", 1000, 0.3)
    assert load.per_second == len(load.latencies) / load.seconds
    assert 0 < min(load.latencies) <= sum(load.latencies) <= load.seconds
    assert load.cpu_s > 0
    assert load.peak_mb is None


def test_a_server_that_does_not_start_is_an_error(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(ServerError, match="did not start"), Server(tmp_path):
        pass


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_benchmark_writes_rows_a_table_and_a_plot(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "UNSTRUCTURED_ITEMS", 300)
    output, models = tmp_path / "out", tmp_path / "models"
    output.mkdir()
    with (tmp_path / "log.txt").open("w") as text:
        serving.benchmark_serving([400], 1.0, models, output, "command", Console(file=text))
    rows = json.loads((output / "results.json").read_text())
    assert {row["method"] for row in rows} == {"sessionrec", "in-process", "numpy"}
    of = {(row["dataset"], row["method"], row["metric"]): row["value"] for row in rows}
    for index in ("exact", "clusters"):
        for batch in (1, 16):
            name = f"400-{index}-batch-{batch}"
            for load in ("maximum", "half"):
                assert of[f"{name}-{load}", "sessionrec", "throughput_per_s"] > 0
            assert of[f"{name}-half", "in-process", "p50_ms"] > 0
            assert of[f"{name}-half", "sessionrec", "peak_mb"] > 100
    assert of["400-clusters", "sessionrec", "recall_vs_exact@100"] > MIN_RECALL - 0.05
    assert (output / "serving.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in models.iterdir()} == {"400", "300-unstructured"}
