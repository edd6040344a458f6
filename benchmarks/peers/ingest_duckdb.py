"""Ingestion by DuckDB, in one process with all cores: the same records."""

import duckdb

from benchmarks.peers.ingest_tables import write_splits
from components.ingestion.ingest import IngestConfig
from components.ingestion.splits import cut_times

_LOG = """
CREATE TABLE log AS
SELECT *, sum(is_start) OVER (PARTITION BY user_id ORDER BY timestamp, item_id, engaged DESC
                              ROWS UNBOUNDED PRECEDING) AS session
FROM (
  SELECT *, coalesce(timestamp - lag(timestamp) OVER (PARTITION BY user_id
                                                      ORDER BY timestamp, item_id, engaged DESC)
                     >= {gap}, true)::BIGINT AS is_start
  FROM (
    SELECT "{user_id}"::VARCHAR AS user_id, "{item_id}"::VARCHAR AS item_id,
           "{timestamp}" AS timestamp, ("{event}" NOT IN {exposed})::BIGINT AS engaged
    FROM {source}
  )
)
"""
_MERGED = """
SELECT user_id, session, item_id, min(timestamp) AS timestamp, max(engaged) AS engaged
FROM log WHERE {condition} GROUP BY ALL
"""
_HISTORIES = """
CREATE TABLE histories_{cut} AS
WITH recent AS (
  SELECT *, dense_rank() OVER (PARTITION BY user_id ORDER BY session DESC) AS from_last
  FROM ({merged})
  QUALIFY from_last <= {max_sessions}
), events AS (
  SELECT * FROM recent
  QUALIFY row_number() OVER (PARTITION BY user_id, session
                             ORDER BY engaged DESC, timestamp DESC, item_id DESC) <= {max_items}
), lists AS (
  SELECT user_id, list(item_id ORDER BY {order}) AS item_id,
         list(engaged ORDER BY {order}) AS engaged, list(timestamp ORDER BY {order}) AS timestamp
  FROM events GROUP BY user_id
), lengths AS (
  SELECT user_id, list(length ORDER BY session) AS session_length
  FROM (SELECT user_id, session, count(*) AS length FROM events GROUP BY ALL) GROUP BY user_id
)
SELECT * FROM lists JOIN lengths USING (user_id)
"""
_TARGETS = """
WITH starts AS (
  SELECT user_id, session, min(timestamp) AS request_timestamp,
         max(engaged) FILTER (timestamp < {end}) AS is_engaged
  FROM log GROUP BY ALL
), targets AS (
  SELECT user_id, min_by(session, session) AS session,
         min_by(request_timestamp, session) AS request_timestamp
  FROM starts WHERE request_timestamp >= {cut} AND is_engaged = 1 GROUP BY user_id
), events AS (SELECT * FROM ({merged}) JOIN targets USING (user_id, session))
SELECT user_id, request_timestamp, target_item_id, target_engaged, item_id, engaged, timestamp,
       session_length
FROM (
  SELECT user_id, any_value(request_timestamp) AS request_timestamp,
         list(item_id ORDER BY {order}) AS target_item_id,
         list(engaged ORDER BY {order}) AS target_engaged
  FROM events GROUP BY user_id
) LEFT JOIN histories_{cut} USING (user_id)
ORDER BY user_id
"""
_ORDER = "session, timestamp, item_id"


def ingest_duckdb(paths: list[str], config: IngestConfig, uri: str) -> None:
    """Write the splits of `global-time` under `uri`; `paths` are all of one kind."""
    database = duckdb.connect()
    reader = "read_parquet" if paths[0].endswith(".parquet") else "read_csv"
    names = config.data.columns.model_dump()
    gap = config.sessions.gap_minutes * 60
    exposed = "(" + ", ".join(f"'{value}'" for value in ("", *config.data.events.exposed)) + ")"
    database.execute(_LOG.format(**names, gap=gap, exposed=exposed, source=f"{reader}({paths})"))
    [[latest]] = database.execute("SELECT max(timestamp) FROM log").fetchall()
    cuts = cut_times(latest, config.split)
    eval_cut, test_cut, end = cuts["eval_cut"], cuts["test_cut"], latest + 1
    limits = config.sessions
    for cut in (eval_cut, test_cut):
        merged = _MERGED.format(condition=f"timestamp < {cut}")
        database.execute(
            _HISTORIES.format(
                cut=cut,
                merged=merged,
                max_sessions=limits.max_sessions,
                max_items=limits.max_items,
                order=_ORDER,
            )
        )
    histories = "SELECT * FROM histories_{} ORDER BY user_id"
    queries = {
        "train": histories.format(eval_cut),
        "eval": _targets(eval_cut, test_cut),
        "test": _targets(test_cut, end),
        "refit": histories.format(test_cut),
    }
    tables = {name: database.sql(query).to_arrow_table() for name, query in queries.items()}
    write_splits(tables, uri)


def _targets(cut: int, end: int) -> str:
    merged = _MERGED.format(condition=f"timestamp >= {cut} AND timestamp < {end}")
    return _TARGETS.format(cut=cut, end=end, merged=merged, order=_ORDER)
