"""The same transform on several of Beam's engines."""

import gzip
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dask.distributed import LocalCluster
from tiny_logs import run

from components.config import DataConfig, SessionsConfig, SplitConfig
from components.ingestion.ingest import IngestConfig
from model import features

ROOT = Path(__file__).parents[3]
LOCAL = "--runner=FnApiRunner"
DASK = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"


def written(config, uri, *beam_args):
    """By file, what it holds: compressed, it may differ with the processor that isal finds."""
    assert run(config, uri, beam_args).log.rows_used == 3_000
    return {
        path.relative_to(uri): gzip.decompress(path.read_bytes())
        for split in features.SPLITS
        for path in (uri / f"Split-{split}").iterdir()
    }


@contextmanager
def started(module: str, port_flag: str) -> Iterator[str]:
    """A server of Beam's in a process of its own; gives its address once it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The pool of workers starts `python`.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", module, f"--{port_flag}={port}"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None and time.monotonic() < deadline, module
            time.sleep(0.2)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def config(tmp_path) -> IngestConfig:
    rng = np.random.default_rng(0)
    (tmp_path / "log").mkdir()
    for number in range(3):
        columns = {
            "user_id": [f"u{n}" for n in rng.integers(0, 90, 1_000)],
            "item_id": [f"i{n}" for n in rng.integers(0, 50, 1_000)],
            "timestamp": rng.integers(0, 10**6, 1_000),
        }
        pq.write_table(pa.table(columns), tmp_path / "log" / f"{number}.parquet")
    return IngestConfig(
        data=DataConfig(log=f"{tmp_path}/log/*.parquet"),
        sessions=SessionsConfig(partitions=3),
        split=SplitConfig(protocol="last-session"),
    )


@pytest.mark.slow
def test_one_worker_two_processes_and_a_dask_cluster_write_the_same_records(config, tmp_path):
    one = written(config, tmp_path / "one", LOCAL)
    assert len(one) == 12
    processes = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    assert written(config, tmp_path / "two", LOCAL, *processes) == one
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = f"--dask_client_address={cluster.scheduler_address}"
        found = written(config, tmp_path / "dask", DASK, address, "--dask_partition_size=1")
    assert found == one


@pytest.mark.slow
def test_a_job_service_with_external_workers_writes_the_same_files(config, tmp_path):
    """As Flink and Spark are spoken to, which put another engine behind the job service."""
    one = written(config, tmp_path / "one", LOCAL)
    service = "apache_beam.runners.portability.local_job_service_main"
    workers = "apache_beam.runners.worker.worker_pool_main"
    with started(service, "port") as jobs, started(workers, "service_port") as pool:
        environment = ("--environment_type=EXTERNAL", f"--environment_config={pool}")
        portable = ("--runner=PortableRunner", f"--job_endpoint={jobs}", *environment)
        assert written(config, tmp_path / "portable", *portable) == one
