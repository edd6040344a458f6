"""Speed and memory of ingestion: ours, per-event Beam, Polars and DuckDB, in turns."""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory

import psutil
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.ingest_trial import DUCKDB, POLARS
from benchmarks.logs import write_log
from benchmarks.plots import events_of, plot_ingestion
from benchmarks.results import (
    CPU_S,
    INTERACTIONS_PER_SECOND,
    PEAK_MB,
    WALL_S,
    Row,
    read_results,
    write_results,
)
from components.errors import DataError

BENCHMARK = "ingestion"
SUFFIXES = {"parquet": ".parquet", "csv": ".csv"}
# What only the peers need, beside the environment and not in it.
PEERS = Path(".cache/peers/dataframes")
MEBIBYTE = 2**20


@dataclass(frozen=True)
class _Costs:
    """Of one run; `peak_mb`: MiB resident in all of its processes together."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def benchmark_ingestion(
    sizes: Sequence[int],
    formats: Sequence[str],
    methods: Sequence[str],
    rounds: int,
    logs: Path,
    output: Path,
    command: str,
    console: Console,
) -> None:
    """Ingest generated logs with each method in each round.

    What `output` holds of other logs and methods stays: a large log is not for every method.

    Args:
      sizes: events a log.
      formats: `parquet` or `csv`.
      methods: of `ingest_trial.METHODS`.
      rounds: how often each method has its turn.
      logs: keeps the generated logs.
      output: folder for results.json, the table and the plot.
      command: what reproduces it.
      console: where progress goes.

    Raises:
      DataError: a peer is not installed, or a method failed.
    """
    if not PEERS.exists() and {POLARS, DUCKDB} & set(methods):
        raise DataError(f"{PEERS} is missing: run `make peers`.")
    rows = []
    for form in formats:
        for size in sizes:
            log = _log(logs / f"zipf-{size}-{form}", size, SUFFIXES[form], console)
            events = _count(log)
            costs: dict[str, list[_Costs]] = {method: [] for method in methods}
            for _ in range(rounds):
                for method in methods:
                    found = _run(method, log, output)
                    costs[method].append(found)
                    console.print(
                        f"  {log.name:<24}{method:<22}{found.wall_s:8.1f} s{found.cpu_s:8.1f} CPU s"
                        f"{found.peak_mb:8.0f} MiB"
                    )
            for method, of_method in costs.items():
                rows += _rows(log.name, method, events, of_method, command)
    rows = merged(read_results(output), rows)
    write_results(rows, output)
    plot_ingestion(rows, output)
    console.print(f"results: {output}")


def merged(before: list[Row], now: list[Row]) -> list[Row]:
    """The rows of both, by format and size; those of now for a log and method that both have."""
    measured = {(row.dataset, row.method) for row in now}
    rows = [row for row in before if (row.dataset, row.method) not in measured] + now
    return sorted(rows, key=lambda row: (row.dataset.split("-")[2], events_of(row)))


def _log(folder: Path, events: int, suffix: str, console: Console) -> Path:
    if not folder.exists():
        console.print(f"  writing {folder}")
        partial = folder.with_name(f"{folder.name}.partial")
        rmtree(partial, ignore_errors=True)
        write_log(partial, events, suffix)
        partial.rename(folder)
    return folder


def _count(log: Path) -> int:
    """Rows of all files."""
    return sum(
        pq.read_metadata(path).num_rows
        if path.suffix == ".parquet"
        else sum(batch.num_rows for batch in pacsv.open_csv(path))
        for path in log.iterdir()
    )


def _run(method: str, log: Path, output: Path) -> _Costs:
    with TemporaryDirectory(dir=output) as name:
        folder = Path(name)
        result, uri = folder / "result.json", folder / "examples"
        command = [sys.executable, "-m", "benchmarks.ingest_trial", f"--method={method}"]
        command += [f"--log={log}", f"--uri={uri}", f"--result={result}"]
        with (folder / "log.txt").open("wb+") as text:
            places = [os.environ.get("PYTHONPATH"), str(PEERS)]
            env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
            process = psutil.Popen(command, stdout=text, stderr=text, env=env)
            peak = _peak_bytes(process)
            if process.returncode or not result.exists():
                text.seek(0)
                last = text.read().decode(errors="replace").strip().splitlines()[-1:]
                raise DataError(f"{method} failed on {log}: {' '.join(last)}")
        return _Costs(**json.loads(result.read_text()), peak_mb=peak / MEBIBYTE)


def _peak_bytes(process: psutil.Popen) -> int:
    """The most that the process and its descendants had resident; waits for its end."""
    peak = 0
    while process.poll() is None:
        try:
            everyone = [process, *process.children(recursive=True)]
            peak = max(peak, sum(each.memory_info().rss for each in everyone))
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.02)
    return peak


def _rows(dataset: str, method: str, events: int, costs: list[_Costs], command: str) -> list[Row]:
    found = {
        INTERACTIONS_PER_SECOND: [events / each.wall_s for each in costs],
        WALL_S: [each.wall_s for each in costs],
        CPU_S: [each.cpu_s for each in costs],
        PEAK_MB: [each.peak_mb for each in costs],
    }
    return [
        Row(
            BENCHMARK,
            dataset,
            method,
            metric,
            value=float(median(values)),
            low=min(values),
            high=max(values),
            seed=None,
            seconds=round(sum(each.wall_s for each in costs), 3),
            command=command,
        )
        for metric, values in found.items()
    ]
