"""The generator, and that every method that is compared writes the same records."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tiny_logs import read_records

from benchmarks.ingest_trial import METHODS, configuration, method
from benchmarks.ingestion import PEERS, benchmark_ingestion, merged
from benchmarks.logs import GAP, write_log
from benchmarks.results import Row
from components.ingestion.ingest import make_folders
from model import features


def test_a_generated_log_is_out_of_order_skewed_and_has_gaps_at_the_limit(tmp_path):
    write_log(tmp_path / "log", 40_000, ".parquet")
    log = pq.read_table(tmp_path / "log")
    assert 36_000 < log.num_rows < 44_000
    times = log["timestamp"].to_numpy()
    assert (np.diff(times) < 0).mean() > 0.1
    items = log["item_id"].value_counts().field("counts").to_numpy()
    assert items.max() > 20 * np.median(items)
    ordered = log.sort_by([("user_id", "ascending"), ("timestamp", "ascending")])
    gaps = np.diff(ordered["timestamp"].to_numpy())
    assert {GAP - 1, GAP, GAP + 1} <= set(gaps.tolist())
    write_log(tmp_path / "again", 40_000, ".parquet")
    assert pq.read_table(tmp_path / "again") == log


def test_a_folder_gathers_what_was_measured_and_replaces_what_is_measured_again():
    def row(dataset, method, value):
        return Row("ingestion", dataset, method, "cpu_s", value, value, value, None, 1.0, "")

    before = [row("zipf-20-csv", "polars", 1.0), row("zipf-5-csv", "polars", 2.0)]
    now = [row("zipf-5-csv", "polars", 3.0), row("zipf-100-csv", "sessionrec", 4.0)]
    assert [row.value for row in merged(before, now)] == [3.0, 1.0, 4.0]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_every_method_writes_the_same_records(tmp_path, suffix, monkeypatch):
    write_log(tmp_path / "log", 30_000, suffix)
    [path] = map(str, (tmp_path / "log").iterdir())
    records = {}
    for name in METHODS:
        if name in ("polars", "duckdb"):
            if not PEERS.exists():
                continue  # `make peers` installs them
            monkeypatch.syspath_prepend(str(PEERS.absolute()))
        uri = tmp_path / name
        make_folders(str(uri))
        method(name)([path], configuration(path), str(uri))
        records[name] = [sorted(read_records(uri, split)) for split in features.SPLITS]
    assert len(records["sessionrec"][0]) > 300
    for name, found in records.items():
        assert found == records["sessionrec"], name


@pytest.mark.slow
def test_the_benchmark_writes_rows_a_table_and_a_plot(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    with (tmp_path / "log.txt").open("w") as text:
        benchmark_ingestion(
            [2_000], ["csv"], ["sessionrec"], 2, tmp_path, output, "command", Console(file=text)
        )
    rows = json.loads((output / "results.json").read_text())
    assert [row["metric"] for row in rows] == ["interactions_per_s", "wall_s", "cpu_s", "peak_mb"]
    assert all(0 < row["low"] <= row["value"] <= row["high"] for row in rows)
    assert {path.name for path in Path(output).iterdir()} >= {"results.md", "ingestion-csv.png"}
