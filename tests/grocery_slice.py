"""A slice of The Complete Journey, for tests that run the whole path."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingestion.complete_journey import write_log

USERS = 150


def write_slice(folder: Path) -> None:
    """The log of some users, and the item table."""
    write_log(str(folder))
    log = pq.read_table(folder / "log.parquet")
    users = pc.unique(log["user_id"]).sort()[:USERS]
    pq.write_table(log.filter(pc.is_in(log["user_id"], users)), folder / "log.parquet")
