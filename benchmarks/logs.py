"""Interaction logs of any size to measure ingestion with."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

EVENTS_PER_FILE = 1_000_000
ITEMS = 50_000
ZIPF_EXPONENT = 1.05
EVENTS_PER_SESSION, SESSIONS_PER_USER = 20, 4
GAP = 1_800
DAYS = 30
START = 1_700_000_000
EVENTS = ("view", "click", "purchase")
EVENT_SHARES = (0.8, 0.15, 0.05)
SEED = 7


def write_log(folder: Path, events: int, suffix: str) -> None:
    """Write a log of about `events` rows as files of up to a million.

    Items are drawn from a Zipf law, session lengths from a geometric one; gaps within a session are
    short, one in a hundred of just less than half an hour, just that or just more. Rows lie in the
    order in which they arrive, on average an hour late, and each file holds sessions of all users
    and days.

    Args:
      folder: is made, and gets part-*.parquet or part-*.csv.
      events: how many rows, give or take the last session of each file.
      suffix: .parquet or .csv.
    """
    folder.mkdir(parents=True)
    files = -(-events // EVENTS_PER_FILE)
    users = max(1, events // (EVENTS_PER_SESSION * SESSIONS_PER_USER))
    for number in range(files):
        rng = np.random.default_rng([SEED, number])
        rows = _rows(rng, events // files, users)
        path = folder / f"part-{number:05d}{suffix}"
        if suffix == ".parquet":
            pq.write_table(rows, path, row_group_size=1 << 17)
        else:
            pacsv.write_csv(rows, path)


def _rows(rng: np.random.Generator, events: int, users: int) -> pa.Table:
    length = rng.geometric(1 / EVENTS_PER_SESSION, max(1, events // EVENTS_PER_SESSION))
    total = int(length.sum())
    gap = rng.exponential(60, total).astype(np.int64).clip(0, GAP - 1)
    is_near_limit = rng.random(total) < 0.01
    gap[is_near_limit] = GAP + rng.integers(-1, 2, int(is_near_limit.sum()))
    first = np.cumsum(length) - length
    gap[first] = 0
    since = np.cumsum(gap)
    start = START + rng.integers(0, DAYS * 86_400, len(length))
    time = np.repeat(start - since[first], length) + since
    user = np.repeat(rng.integers(0, users, len(length)), length)
    weights = np.arange(1, ITEMS + 1) ** -ZIPF_EXPONENT
    item = np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(total))
    event = pa.array(rng.choice(len(EVENTS), total, p=EVENT_SHARES))
    arrival = np.argsort(time + rng.exponential(3_600, total))
    table = pa.table(
        {
            "user_id": _named("u", user),
            "item_id": _named("i", item),
            "timestamp": pa.array(time),
            "event": pa.array(EVENTS).take(event),
        }
    )
    return table.take(pa.array(arrival))


def _named(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")
