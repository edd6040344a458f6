"""The same transform on several of Beam's engines."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dask.distributed import LocalCluster
from tiny_logs import run

from components.config import DataConfig, SessionsConfig, SplitConfig
from components.ingestion.ingest import IngestConfig
from model import features

LOCAL = "--runner=FnApiRunner"
DASK = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"


def written(config, uri, *beam_args):
    assert run(config, uri, beam_args).log.rows_used == 3_000
    return {
        path.relative_to(uri): path.read_bytes()
        for split in features.SPLITS
        for path in (uri / f"Split-{split}").iterdir()
    }


@pytest.mark.slow
def test_one_worker_two_processes_and_a_dask_cluster_write_the_same_files(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "log").mkdir()
    for number in range(3):
        columns = {
            "user_id": [f"u{n}" for n in rng.integers(0, 90, 1_000)],
            "item_id": [f"i{n}" for n in rng.integers(0, 50, 1_000)],
            "timestamp": rng.integers(0, 10**6, 1_000),
        }
        pq.write_table(pa.table(columns), tmp_path / "log" / f"{number}.parquet")
    config = IngestConfig(
        data=DataConfig(log=f"{tmp_path}/log/*.parquet"),
        sessions=SessionsConfig(partitions=3),
        split=SplitConfig(protocol="last-session"),
    )
    one = written(config, tmp_path / "one", LOCAL)
    assert len(one) == 12
    processes = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    assert written(config, tmp_path / "two", LOCAL, *processes) == one
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = f"--dask_client_address={cluster.scheduler_address}"
        found = written(config, tmp_path / "dask", DASK, address, "--dask_partition_size=1")
    assert found == one
