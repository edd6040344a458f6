"""Ingestion by Polars, in one process with all cores: the same records."""

import polars as pl
import pyarrow as pa

from benchmarks.peers.ingest_tables import write_splits
from components.ingestion.ingest import IngestConfig
from components.ingestion.splits import cut_times


def ingest_polars(paths: list[str], config: IngestConfig, uri: str) -> None:
    """Write the splits of `global-time` under `uri`; `paths` are all of one kind."""
    scan = pl.scan_parquet if paths[0].endswith(".parquet") else pl.scan_csv
    names = config.data.columns
    rows = scan(paths).select(
        pl.col(names.user_id).cast(pl.String).alias("user_id"),
        pl.col(names.item_id).cast(pl.String).alias("item_id"),
        pl.col(names.timestamp).alias("timestamp"),
        (~pl.col(names.event).is_in(config.data.events.exposed)).alias("engaged"),
    )
    ordered = rows.sort(
        "user_id", "timestamp", "item_id", "engaged", descending=[False, False, False, True]
    )
    gap = config.sessions.gap_minutes * 60
    is_start = (pl.col("user_id") != pl.col("user_id").shift()) | (
        pl.col("timestamp") - pl.col("timestamp").shift() >= gap
    )
    log = ordered.with_columns(session=is_start.fill_null(True).cum_sum()).collect()
    cuts = cut_times(log["timestamp"].max(), config.split)
    end = log["timestamp"].max() + 1
    before_eval = _histories(log, cuts["eval_cut"], config)
    before_test = _histories(log, cuts["test_cut"], config)
    splits = {
        "train": before_eval,
        "eval": _targets(log, cuts["eval_cut"], cuts["test_cut"]).join(
            before_eval, on="user_id", how="left"
        ),
        "test": _targets(log, cuts["test_cut"], end).join(before_test, on="user_id", how="left"),
        "refit": before_test,
    }
    write_splits({name: _arrow(frame) for name, frame in splits.items()}, uri)


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.sort("user_id").to_arrow(compat_level=pl.CompatLevel.oldest())


def _merged(rows: pl.DataFrame) -> pl.DataFrame:
    """One event per session and item, in the order of the rows."""
    return rows.group_by("user_id", "session", "item_id", maintain_order=True).agg(
        pl.col("timestamp").first(), pl.col("engaged").max().cast(pl.Int64)
    )


def _histories(log: pl.DataFrame, cut: int, config: IngestConfig) -> pl.DataFrame:
    limits = config.sessions
    events = _merged(log.filter(pl.col("timestamp") < cut)).with_columns(
        from_last=pl.col("session").rank("dense", descending=True).over("user_id"),
    )
    events = events.filter(pl.col("from_last") <= limits.max_sessions)
    size = pl.len().over("session")
    if events.select((size > limits.max_items).any()).item():
        best = pl.struct(-pl.col("engaged"), -pl.int_range(pl.len())).rank("ordinal")
        events = events.filter(best.over("session") <= limits.max_items)
    sessions = events.group_by("user_id", "session", maintain_order=True).len("session_length")
    return (
        events.group_by("user_id", maintain_order=True)
        .agg("item_id", "engaged", "timestamp")
        .join(sessions.group_by("user_id", maintain_order=True).agg("session_length"), on="user_id")
    )


def _targets(log: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    known = log.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end))
    starts = log.group_by("session").agg(
        pl.col("user_id").first(), request_timestamp=pl.col("timestamp").first()
    )
    engaged = known.group_by("session").agg(pl.col("engaged").any())
    targets = (
        starts.join(engaged.filter("engaged"), on="session")
        .filter(pl.col("request_timestamp") >= start)
        .sort("session")
        .unique("user_id", keep="first")
    )
    events = _merged(known.join(targets.select("session"), on="session", how="semi"))
    lists = events.group_by("session", maintain_order=True).agg(
        target_item_id="item_id", target_engaged="engaged"
    )
    return targets.select("user_id", "session", "request_timestamp").join(lists, on="session")
