"""One ingestion by one method, in a process of its own, so that its costs can be told."""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.config import Columns, DataConfig, Events, SplitConfig
from components.ingestion.ingest import IngestConfig, SessionsConfig, ingest, make_folders
from components.ingestion.log_reader import check_log

Ingestion = Callable[[list[str], IngestConfig, str], None]
NAIVE, POLARS, DUCKDB, OURS, OURS_2 = METHODS = (
    "beam-naive",
    "polars",
    "duckdb",
    "sessionrec",
    "sessionrec-2-workers",
)
ONE_WORKER = ("--runner=FnApiRunner",)
TWO_WORKERS = (*ONE_WORKER, "--direct_num_workers=2", "--direct_running_mode=multi_processing")


def configuration(log: str) -> IngestConfig:
    """What every method does: sessions by a gap of half an hour, cuts by calendar."""
    return IngestConfig(
        data=DataConfig(log=log, columns=Columns(event="event"), events=Events(exposed=("view",))),
        sessions=SessionsConfig(),
        split=SplitConfig(eval_days=2, test_days=2),
    )


def ingest_ours(
    beam_args: tuple[str, ...], paths: list[str], config: IngestConfig, uri: str
) -> None:
    """As the component does it."""
    parts = check_log(paths, config.data.columns)
    with beam.Pipeline(options=PipelineOptions(list(beam_args))) as pipeline:
        ingest(pipeline, parts, config, uri)


def method(name: str) -> Ingestion:
    """The method; what it imports belongs to nobody's time."""
    if name == NAIVE:
        from benchmarks.peers.ingest_naive import ingest_naive

        return ingest_naive
    if name == POLARS:
        from benchmarks.peers.ingest_polars import ingest_polars

        return ingest_polars
    if name == DUCKDB:
        from benchmarks.peers.ingest_duckdb import ingest_duckdb

        return ingest_duckdb
    return partial(ingest_ours, TWO_WORKERS if name == OURS_2 else ONE_WORKER)


def main(arguments: list[str]) -> None:
    """Ingest the files of a folder and write wall and CPU seconds to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest_trial")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--uri", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True)
    given = parser.parse_args(arguments)
    run = method(given.method)
    paths = sorted(map(str, given.log.iterdir()))
    make_folders(str(given.uri))
    start, cpu = time.perf_counter(), _cpu_seconds()
    run(paths, configuration(f"{given.log}/*"), str(given.uri))
    costs = {"wall_s": time.perf_counter() - start, "cpu_s": _cpu_seconds() - cpu}
    given.result.write_text(json.dumps(costs))


def _cpu_seconds() -> float:
    """Of this process and of its workers that ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main(sys.argv[1:])
