import codecs
import contextlib
import gzip
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from components.config import Columns
from components.errors import DataError
from components.ingestion.log_reader import Part, check_log, read_blocks

HEADER = "user_id,item_id,timestamp\n"
NAMES = ["user_id", "item_id", "note", "note", "timestamp"]
NOBODY = 65_534


def write(path, text):
    path.write_text(text)
    return str(path)


def check(log, columns=Columns()):  # noqa: B008
    return check_log([str(log)], columns)


def read(path, columns=Columns()):  # noqa: B008
    return [block for part in check(path) for block in read_blocks(part, columns)]


def test_no_file():
    with pytest.raises(DataError, match=r"No file matches data.log = .*nothing-\*"):
        check("nothing-*.csv")


def test_empty_file(tmp_path):
    with pytest.raises(DataError, match=r"log.csv is empty: no header and no rows"):
        check(write(tmp_path / "log.csv", ""))


def test_no_rows(tmp_path):
    with pytest.raises(DataError, match="columns but no rows"):
        check(write(tmp_path / "log.csv", HEADER))


def test_not_a_parquet_file(tmp_path):
    with pytest.raises(DataError, match=r"log.parquet cannot be read"):
        check(write(tmp_path / "log.parquet", HEADER))


def test_unknown_kind_of_file(tmp_path):
    with pytest.raises(DataError, match=r"log.json is of no form"):
        check(write(tmp_path / "log.json", "{}"))


def test_missing_column_is_named_with_its_setting(tmp_path):
    log = write(tmp_path / "log.csv", "user,product,when\nu,a,1\n")
    with pytest.raises(DataError) as error:
        check(log, Columns(user_id="user", timestamp="when"))
    message = str(error.value)
    assert "no column 'item_id', which data.columns.item_id names" in message
    assert "user, product, when" in message
    assert "log.csv" in message


@pytest.mark.parametrize(
    ("name", "write_table"), [("log.parquet", pq.write_table), ("log.csv", pacsv.write_csv)]
)
def test_a_name_that_stands_twice_is_refused_where_it_is_used(tmp_path, name, write_table):
    log = str(tmp_path / name)
    write_table(pa.table([["u"], ["a"], ["x"], ["y"], ["5"]], NAMES), log)
    [block] = read(log)
    assert set(block.columns) == {"user_id", "item_id", "timestamp"}
    message = rf"{name} has 2 columns 'note', which data.columns.item_id names; rename or remove"
    with pytest.raises(DataError, match=message):
        check(log, Columns(item_id="note"))


def test_a_column_of_lists_is_refused(tmp_path):
    columns = {"user_id": ["u"], "item_id": [["a"]], "timestamp": [1]}
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    with pytest.raises(DataError, match=r"'item_id' .* is of type list"):
        check(tmp_path / "log.parquet")


def check_types(folder, **types):
    usable = {"user_id": pa.string(), "item_id": pa.string(), "timestamp": pa.int64()}
    columns = usable | {"price": pa.float64()} | types
    rows = pa.table({name: pa.nulls(1, kind) for name, kind in columns.items()})
    pq.write_table(rows, folder / "log.parquet")
    check(folder / "log.parquet", Columns(further=("price",)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("timestamp", pa.bool_()),
        ("timestamp", pa.time32("ms")),
        ("timestamp", pa.time64("us")),
        ("timestamp", pa.duration("us")),
        ("timestamp", pa.float16()),
        ("timestamp", pa.float32()),
        ("user_id", pa.float16()),
        ("user_id", pa.float32()),
        ("item_id", pa.float32()),
        ("price", pa.float16()),
    ],
    ids=str,
)
def test_a_column_of_a_type_that_loses_or_has_no_values_is_refused(tmp_path, name, kind):
    with pytest.raises(DataError) as error:
        check_types(tmp_path, **{name: kind})
    setting = "further" if name == "price" else name
    assert f"Column '{name}' of {tmp_path / 'log.parquet'}" in str(error.value)
    assert f"data.columns.{setting} names, is of type {kind}; write it as " in str(error.value)


@pytest.mark.parametrize(
    "kind",
    [
        pa.null(),
        pa.uint8(),
        pa.float64(),
        pa.decimal128(19, 3),
        pa.timestamp("ns", "UTC"),
        pa.date32(),
        pa.string(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_types_that_can_be_used(tmp_path, kind):
    check_types(tmp_path, user_id=kind, item_id=kind, timestamp=kind, price=pa.float32())


def test_files_come_in_order(tmp_path):
    for name in ("b.csv", "a.csv"):
        write(tmp_path / name, HEADER + "u,a,1\n")
    assert check(tmp_path / "*.csv") == [
        Part(0, str(tmp_path / "a.csv"), 0, 1),
        Part(1, str(tmp_path / "b.csv"), 0, 1),
    ]


def test_row_numbers_count_broken_rows(tmp_path, monkeypatch):
    # 1 good, 2 too short, 3 good, 4 too long, 5 good, over several blocks.
    rows = "u,one,1\nu,two\nu,three,3\nu,four,4,4\nu,five,5\n" * 20
    write(tmp_path / "log.csv", HEADER + rows)
    monkeypatch.setattr("components.ingestion.formats.csv.BLOCK_BYTES", 200)
    blocks = read(tmp_path / "log.csv")
    assert len(blocks) > 3
    numbers = [n for block in blocks for n in block.row_numbers.tolist()]
    assert numbers == [n for n in range(1, 101) if n % 5 in (1, 3, 0)]
    broken = [(row.number, row.text) for block in blocks for row in block.broken]
    assert broken[:2] == [(2, "u,two"), (4, "u,four,4,4")]
    assert [number for number, _ in broken] == [n for n in range(1, 101) if n % 5 in (2, 4)]


def test_rows_broken_at_the_end_are_not_lost(tmp_path):
    write(tmp_path / "log.csv", HEADER + "u,a\nu,b\n")
    blocks = read(tmp_path / "log.csv")
    assert [row.number for block in blocks for row in block.broken] == [1, 2]


def test_parquet_is_read_in_blocks(tmp_path, monkeypatch):
    columns = {
        "user_id": ["u"] * 5,
        "item_id": list("abcde"),
        "timestamp": range(5),
        "more": [0] * 5,
    }
    pq.write_table(pa.table(columns), tmp_path / "log.parquet", row_group_size=3)
    monkeypatch.setattr("components.ingestion.formats.parquet.ROWS_PER_BLOCK", 2)
    blocks = read(tmp_path / "log.parquet")
    assert max(len(block.row_numbers) for block in blocks) == 2
    assert [n for block in blocks for n in block.row_numbers.tolist()] == [1, 2, 3, 4, 5]
    assert set(blocks[0].columns) == {"user_id", "item_id", "timestamp"}


def test_a_broken_row_that_is_not_utf_8_is_not_lost(tmp_path):
    text = HEADER.encode() + "u,é,1\n".encode() + b"u,\xff\nv,\xfe,2\n"
    (tmp_path / "log.csv").write_bytes(text)
    [block] = read(tmp_path / "log.csv")
    assert block.columns["item_id"].to_pylist() == ["é".encode(), b"\xfe"]
    assert block.row_numbers.tolist() == [1, 3]
    assert [(row.number, row.text) for row in block.broken] == [(2, "u,\\xff")]


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
@pytest.mark.parametrize("item", ["é".encode(), b"\xff"], ids=["utf-8", "other"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path, name, item):
    text = codecs.BOM_UTF8 + HEADER.encode() + b"u," + item + b",1\nv\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    [block] = read(tmp_path / name)
    assert block.columns["user_id"].to_pylist() == [b"u"]
    assert block.columns["item_id"].to_pylist() == [item]
    assert [(row.number, row.text) for row in block.broken] == [(2, "v")]


def test_a_file_that_breaks_off_within_a_character(tmp_path):
    (tmp_path / "log.csv").write_bytes(HEADER.encode() + "u,a,1\nu,é".encode()[:-1])
    [block] = read(tmp_path / "log.csv")
    assert block.row_numbers.tolist() == [1]
    assert [(row.number, row.text) for row in block.broken] == [(2, "u,\\xc3")]


def test_a_file_that_may_not_be_read():
    # Not pytest's folder, which others may not enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        log = write(Path(folder) / "log.csv", HEADER + "u,a,1\n")
        assert check(log)
        Path(log).chmod(0)
        with as_nobody(), pytest.raises(DataError, match=r"log.csv cannot be read: .*Permission"):
            check(log)


@contextlib.contextmanager
def as_nobody():
    """Without the rights of root, if the tests have them."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
