"""Logs that are well formed and odd: each is ingested, or refused with one line that says why.

docs/faults.md has the table; what shows only in training is in tests/test_odd_data.py.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_logs import DAY, read_split, run

from components.config import Columns, DataConfig, Events, SessionsConfig, SplitConfig
from components.ingestion.checks import complaint
from components.ingestion.ingest import IngestConfig

START = 1_700_006_400  # a midnight


def ingest(
    folder: Path,
    data: DataConfig,
    rows: dict[str, list],
    split: SplitConfig = SplitConfig(eval_days=2, test_days=2),  # noqa: B008
) -> tuple[str | None, Path]:
    """Ingests columns of rows; gives the reason to refuse them, and where the splits are."""
    pq.write_table(pa.table(rows), data.log)
    chosen = IngestConfig(data=data, sessions=SessionsConfig(partitions=1), split=split)
    summary = run(chosen, folder / "examples")
    return complaint(summary, chosen), folder / "examples"


@pytest.fixture
def data(tmp_path) -> DataConfig:
    return DataConfig(log=str(tmp_path / "log.parquet"))


def daily(users, items, times=lambda day: START + day * DAY) -> dict[str, list]:
    """One row a user and day, for ten days."""
    rows = [(user, items[day % len(items)], times(day)) for day in range(10) for user in users]
    return dict(zip(("user_id", "item_id", "timestamp"), zip(*rows, strict=True), strict=True))


def test_all_exposures_and_no_engagement(tmp_path, data):
    rows = {**daily(["u", "v"], ["a", "b"]), "event": ["view"] * 20}
    viewed = {"columns": Columns(event="event"), "events": Events(exposed=("view",))}
    refused, _ = ingest(tmp_path, data.model_copy(update=viewed), rows)
    assert refused.startswith("None of the 20 rows that can be used is an engagement")


@pytest.mark.parametrize(("users", "items"), [(["u"], ["a", "b"]), (["u", "v"], ["a"])])
def test_one_user_and_one_item(tmp_path, data, users, items):
    refused, uri = ingest(tmp_path, data, daily(users, items))
    assert refused is None
    for split in ("train", "eval", "test", "refit"):
        assert sorted(read_split(uri, split)) == users


@pytest.mark.parametrize(
    "times",
    [
        lambda day: str(START + day * DAY),
        lambda day: f"{START + day * DAY}.0",
        lambda day: float(START + day * DAY),
        lambda day: f" {START + day * DAY} ",
        lambda day: f"2023-11-{15 + day:02d}T00:00:00Z",
        lambda day: f"2023-11-{15 + day:02d} 01:00:00+01:00",
    ],
)
def test_times_as_text_and_floats(tmp_path, data, times):
    refused, uri = ingest(tmp_path, data, daily(["u"], ["a"], times))
    assert refused is None
    assert read_split(uri, "test")["u"]["request_timestamp"] == [START + 8 * DAY]


@pytest.mark.parametrize("kind", [int, str, float])
@pytest.mark.parametrize(("unit", "factor"), [("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_finer_times_are_recognised_and_named(tmp_path, data, unit, factor, kind):
    rows = daily(["u"], ["a"], lambda day: kind((START + day * DAY) * factor))
    refused, _ = ingest(tmp_path, data, rows)
    assert f"set data.timestamp_unit to '{unit}' (it is 's')" in refused
    right, _ = ingest(tmp_path, data.model_copy(update={"timestamp_unit": unit}), rows)
    assert right is None


def test_a_unit_that_is_finer_than_the_one_that_is_said_is_recognised(tmp_path, data):
    rows = daily(["u"], ["a"], lambda day: (START + day * DAY) * 10**9)
    refused, _ = ingest(tmp_path, data.model_copy(update={"timestamp_unit": "ms"}), rows)
    assert "past 2100 as ms, but fit as ns: set data.timestamp_unit to 'ns' (it is 'ms')" in refused


@pytest.mark.parametrize("kind", [int, str])
def test_calendar_days_as_numbers_are_named(tmp_path, data, kind):
    rows = daily(["u"], ["a"], lambda day: kind(20240125 + day + 69 * (day > 6)))
    last = SplitConfig(protocol="last-session")
    refused, _ = ingest(tmp_path, data, rows, last)
    assert "timestamps, 20240125 to 20240203, are calendar days written as numbers" in refused
    # Not a day at one end: seconds, if odd ones.
    rows["timestamp"] = [*rows["timestamp"][:9], kind(20240299)]
    refused, _ = ingest(tmp_path, data, rows, last)
    assert "calendar days" not in refused


def test_seconds_that_are_said_to_be_finer_are_recognised(tmp_path, data):
    finer = data.model_copy(update={"timestamp_unit": "ms"})
    refused, _ = ingest(tmp_path, finer, daily(["u"], ["a"]))
    assert "set data.timestamp_unit to a coarser unit, such as 's' (it is 'ms')" in refused


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, 2.5], ["1", "2.5"]),
        ([" a", "a "], [" a", "a "]),
        (["\u5bff\u53f8", "\U0001f363"], ["\u5bff\u53f8", "\U0001f363"]),
        (["x" * 100_000, "y"], ["x" * 100_000, "y"]),
    ],
    ids=["integers", "floats", "spaces", "unicode", "long"],
)
def test_ids_of_any_kind(tmp_path, data, ids, texts):
    """Whole numbers lose ".0"; spaces and letters are kept as they are, and are part of the id."""
    refused, uri = ingest(tmp_path, data, daily(ids, ids))
    assert refused is None
    found = read_split(uri, "train")
    assert sorted(found) == sorted(texts)
    history = [item for session in found[texts[0]]["item_id"] for item in session]
    assert set(history) == set(texts)


def test_a_session_of_ten_thousand_items_keeps_its_last_ones(tmp_path, data):
    rows = daily(["u", "v"], ["a", "b"])
    for k in range(10_000):
        for column, value in zip(rows, ("u", f"k{k:05d}", START + DAY + 600), strict=True):
            rows[column] = (*rows[column], value)
    refused, uri = ingest(tmp_path, data, rows)
    assert refused is None
    longest = max(read_split(uri, "train")["u"]["item_id"], key=len)
    assert longest == [f"k{k:05d}" for k in range(9_800, 10_000)]
