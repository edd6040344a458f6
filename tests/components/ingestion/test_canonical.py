from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from components.config import Columns, DataConfig, Events
from components.ingestion.canonical import canonicalise
from components.ingestion.formats.block import Block, BrokenRow
from components.ingestion.text import as_text
from components.ingestion.times import to_seconds

NOON = 1_577_880_000  # 2020-01-01T12:00:00Z


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (pa.array([NOON, None]), "s"),
        (pa.array([NOON * 1_000 + 999, None]), "ms"),
        (pa.array([NOON * 1_000_000 + 1, None]), "us"),
        (pa.array([NOON * 10**9 + 999_999_999, None]), "ns"),
        (pa.array([str(NOON * 10**9 + 999_999_999), None]), "ns"),
        (pa.array([f" {NOON * 10**9 + 999_999_999}.9 ", "9" * 19]), "ns"),
        (pa.array([NOON * 1e9, 1e19]), "ns"),
        (pa.array([NOON + 0.5, float("nan")]), "s"),
        (pa.array([Decimal(NOON), None]), "s"),
        (pa.array([str(NOON), "soon"]), "s"),
        (pa.array([f"{NOON}.0", ""]), "s"),
        (pa.array([f"{NOON}000", "inf"]), "ms"),
        (pa.array(["2020-01-01T12:00:00", "2020-02-30T12:00:00"]), "s"),
        (pa.array(["2020-01-01 12:00:00.25", "12:00"]), "s"),
        (pa.array(["2020-01-01T12:00:00Z", None]), "ms"),
        (pa.array(["2020-01-01T14:00:00+02:00", "2020-13-01"]), "s"),
        (pa.array([str(NOON), "now"]), "s"),
        (pa.array(["2020-01-01T12:00:00Z", "today"]), "s"),
        (pa.array([datetime(2020, 1, 1, 12, 0, 0, 7), None]), "s"),
        (pa.array([datetime(2020, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))), None]), "s"),
    ],
)
def test_to_seconds(values, unit):
    assert to_seconds(values, unit).to_pylist() == [NOON, None]


def test_dates_and_text_of_several_kinds():
    midnight = NOON - 12 * 3600
    assert to_seconds(pa.array([date(2020, 1, 1)]), "s").to_pylist() == [midnight]
    mixed = pa.array(["2020-01-01", str(NOON), "x", "2020-01-01T12:00:00+00:00"])
    assert to_seconds(mixed, "s").to_pylist() == [midnight, NOON, None, NOON]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([12, None]), ["12", None]),
        (pa.array([12.0, float("nan"), None, 1.5]), ["12", None, None, "1.5"]),
        (pa.array([float("inf"), float("-inf")]), [None, None]),
        (pa.array([b"12.0", b"v12.0", b"12.05"]), ["12", "v12.0", "12.05"]),  # as CSV is read
        (pa.array(["12.0"]), ["12.0"]),  # text stays what the source says it is
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    ],
)
def test_as_text(values, expected):
    text, is_invalid = as_text(values)
    assert text.to_pylist() == expected
    assert not is_invalid.any()


def test_bad_utf8_costs_only_its_own_row():
    text, is_invalid = as_text(pa.array([b"a", b"\xff", "é".encode(), None]))
    assert text.to_pylist() == ["a", None, "é", None]
    assert is_invalid.tolist() == [False, True, False, False]


def block(broken=(), **columns):
    columns = {field: pa.array(values) for field, values in columns.items()}
    return Block(columns, np.arange(1, 1 + len(columns["user_id"])), list(broken))


def test_each_bad_row_becomes_a_dead_letter_with_its_first_problem():
    rows = block(
        user_id=[b"u", b"", b"\xff", b"u", None, b"u", b"u", b"u"],
        item_id=[b"a", b"a", b"a", b"", b"a", b"x\ty", b"a", b"a"],
        timestamp=[b"5", b"5", b"5", b"5", b"5", b"5", b"soon", b"4102444800"],
        broken=[BrokenRow(9, "wrong number of columns", 'u,"a\nb', lines=2)],
    )
    table, letters, counts = canonicalise(rows, "log.csv", DataConfig(log="log.csv"))
    assert table.to_pylist() == [
        {"user_id": "u", "item_id": "a", "timestamp": 5, "engaged": True, "session_id": None}
    ]
    assert [(letter.row, letter.reason, letter.value) for letter in letters] == [
        (2, "user_id is empty", ""),
        (3, "user_id is not valid UTF-8", "\\xff"),
        (4, "item_id is empty", ""),
        (5, "user_id is empty", None),
        (6, "item_id contains a tab or a newline", "x\ty"),
        (7, "timestamp cannot be read as a time", "soon"),
        (8, "timestamp is outside 1970 to 2100", "4102444800"),
        (9, "wrong number of columns", 'u,"a\nb'),
    ]
    assert counts.rows_read == 8 + 2  # the last row took two lines
    assert counts.dead_letters["wrong number of columns"] == 2
    assert (counts.rows_used, counts.earliest, counts.latest) == (1, 5, 5)


@pytest.mark.parametrize(
    ("events", "expected", "bad"),
    [
        (Events(exposed=("view",), ignored=("ping",)), [True, False, True], [""]),
        (Events(engaged=("buy",), exposed=("view",)), [True, False], ["ping", "click", ""]),
    ],
)
def test_events(events, expected, bad):
    rows = block(
        user_id=["u"] * 5,
        item_id=list("abcde"),
        timestamp=range(5),
        event=["buy", "view", "ping", "click", ""],
    )
    data = DataConfig(log="log.csv", columns=Columns(event="event"), events=events)
    table, letters, counts = canonicalise(rows, "log.csv", data)
    assert table["engaged"].to_pylist() == expected
    assert [letter.value for letter in letters] == bad
    assert counts.rows_ignored == len(events.ignored)
    assert counts.rows_used + counts.rows_ignored + len(letters) == counts.rows_read == 5


def test_32_bit_floats_are_dead_letters_where_digits_count():
    coarse = pa.array([2**24, None], pa.float32())
    for field in ("user_id", "item_id", "session_id", "timestamp"):
        fields = {"user_id": ["u"] * 2, "item_id": ["a"] * 2, "timestamp": [1, 2], field: coarse}
        _, letters, _ = canonicalise(
            block(**fields), "log.tfrecord", DataConfig(log="log.tfrecord")
        )
        reason = f"{field} is a 32-bit float, which loses digits: write an int64 or text"
        assert (letters[0].row, letters[0].reason, letters[0].value) == (1, reason, "16777216.0")
    data = DataConfig(log="log.tfrecord", columns=Columns(further=("price",)))
    rows = block(user_id=["u"] * 2, item_id=["a"] * 2, timestamp=[1, 2], price=coarse)
    table, _, _ = canonicalise(rows, "log.tfrecord", data)
    assert table["price"].to_pylist() == ["16777216", ""]


def test_an_id_that_is_not_finite_is_missing():
    rows = block(user_id=["u"] * 3, item_id=[1.0, float("inf"), float("nan")], timestamp=[1, 2, 3])
    table, letters, _ = canonicalise(rows, "log.parquet", DataConfig(log="log.parquet"))
    assert table["item_id"].to_pylist() == ["1"]
    assert [(letter.reason, letter.value) for letter in letters] == [
        ("item_id is empty", "inf"),
        ("item_id is empty", "nan"),
    ]


def test_empty_session_ids_are_none():
    rows = block(user_id=["u", "u"], item_id=["a", "b"], timestamp=[1, 2], session_id=["", "s"])
    table, _, _ = canonicalise(rows, "log.csv", DataConfig(log="log.csv"))
    assert table["session_id"].to_pylist() == [None, "s"]
