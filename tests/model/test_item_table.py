"""Item tables from Parquet and CSV, as their users' tools write them."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.config import Columns, ItemTable
from components.ingestion.log_reader import check_log, read_blocks
from components.ingestion.text import as_text
from model.item_file import digest
from model.item_table import EMPTY, read_item_table, read_titles
from model.preprocessing import load_item_table

FEATURES = ("price", "size", "brand")
CSV = "id,brand,price\nb,acme,2\na,,1\n007,zeta,2\n"


@pytest.fixture
def csv(tmp_path):
    def write(text: str = CSV) -> str:
        path = tmp_path / "items.csv"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def parquet(tmp_path):
    def write(**columns) -> str:
        path = tmp_path / "items.parquet"
        pq.write_table(pa.table(columns), path)
        return str(path)

    return write


def test_csv(csv):
    table = read_item_table(csv(), "id", ("brand",), categorical=("price",))
    assert table.item_ids == ("b", "a", "007")
    # Brands: 1 acme, 2 zeta; prices: 1 is '1', 2 is '2'; 0 is missing.
    assert table.codes.tolist() == [[0, 0], [1, 2], [0, 1], [2, 2]]
    assert table.codes.dtype == np.int32
    assert table.categories == (("acme", "zeta"), ("1", "2"))
    assert table.numbers.shape == (4, 0)


def test_numbers_of_a_csv(csv):
    table = read_item_table(
        csv("id,price,size,brand\na,1,,x\n007,5,2.5,\nc,3,2.5,x\n"), "id", FEATURES
    )
    # Prices 1, 5, 3: mean 3, deviation sqrt(8/3). Sizes are all the same.
    far = np.sqrt(3 / 2)
    expected = [[np.nan, np.nan], [-far, np.nan], [far, 0], [0, 0]]
    np.testing.assert_allclose(table.numbers, expected, rtol=1e-6)
    assert table.numbers.dtype == np.float32
    assert table.item_ids == ("a", "007", "c")
    assert table.codes.tolist() == [[0], [1], [0], [1]]


@pytest.mark.parametrize(
    ("column", "is_numeric"),
    [
        (pa.array([1, 3], pa.int8()), True),
        (pa.array([1.0, 3.0], pa.float32()), True),
        (pa.array([1, 3], pa.decimal128(5, 2)), True),
        (pa.array(["1", "3"]), False),
        (pa.array([False, True]), False),
        (pa.array(["1", "3"]).dictionary_encode(), False),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_the_type_of_a_column_decides(parquet, column, is_numeric):
    path = parquet(item_id=["a", "b"], feature=column)
    table = read_item_table(path, "item_id", ("feature",))
    if is_numeric:
        np.testing.assert_array_equal(table.numbers, [[np.nan], [-1], [1]])
    else:
        assert table.codes.tolist() == [[0], [1], [2]]
    forced = read_item_table(path, "item_id", (), categorical=("feature",))
    assert forced.codes.tolist() == [[0], [1], [2]]
    both = read_item_table(path, "item_id", ("feature",), categorical=("feature",))
    assert (both.codes.tolist(), both.numbers.shape) == (forced.codes.tolist(), (3, 0))


def test_numbers_that_are_none(parquet):
    size = pa.array([np.nan, np.inf, None, 2.0, 4.0])
    path = parquet(item_id=list("abcde"), size=size, depth=pa.nulls(5, pa.float64()))
    numbers = read_item_table(path, "item_id", ("size", "depth")).numbers
    nan = np.nan
    np.testing.assert_array_equal(numbers[1:], [[nan, nan]] * 3 + [[-1, nan], [1, nan]])


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([1, 20_000_000], pa.int64()), ("1", "20000000")),
        (pa.array([1.0, 2e7], pa.float64()), ("1", "20000000")),
        (pa.array([1.5, 1e300], pa.float64()), ("1.5", "1e+300")),
        (pa.array(["1", "20000000"]), ("1", "20000000")),
        (pa.array(["1.0", "20000000.0"]), ("1.0", "20000000.0")),
        (pa.array([b"1.0", b"v1.0"]), ("1", "v1.0")),
        (pa.array(["1.0", "20000000"]).dictionary_encode(), ("1.0", "20000000")),
    ],
    ids=lambda ids: str(getattr(ids, "type", ids)),
)
def test_parquet_ids_of_any_type_are_read_as_ingestion_writes_them(parquet, ids, expected):
    assert tuple(as_text(ids)[0].to_pylist()) == expected
    path = parquet(item_id=ids, title=["x", None])
    assert read_item_table(path, "item_id", ()).item_ids == expected
    assert read_titles(path, "item_id", "title") == {expected[0]: "x", expected[1]: None}


def test_ids_of_a_csv_are_read_as_ingestion_writes_them(csv):
    path = csv("item_id,user_id,timestamp\n5.0,u,1\n007,u,2\n5.05,u,3\n\u5bff,u,4\n")
    [part] = check_log([path], Columns())
    [block] = read_blocks(part, Columns())
    ingested = as_text(block.columns["item_id"])[0].to_pylist()
    assert read_item_table(path, "item_id", ()).item_ids == tuple(ingested)
    assert ingested == ["5", "007", "5.05", "\u5bff"]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (
            pa.array([1, 2], pa.float32()),
            "Received: column 'item_id' of the item table .* of float",
        ),
        (pa.array([np.float16(1)]), "64-bit floats. Received: .* of halffloat"),
        (pa.array([b"\xff"]), "text in UTF-8.* Received: .* of binary"),
        (pa.array([["a"]]), "Received: .* of list"),
        (pa.array([1.0, np.inf]), "has a row without 'item_id'"),
    ],
    ids=lambda ids: str(getattr(ids, "type", "")),
)
def test_ids_that_cannot_be_used(parquet, ids, message):
    with pytest.raises(ValueError, match=message):
        read_item_table(parquet(item_id=ids), "item_id", ())


@pytest.mark.parametrize("ending", ["parquet", "pq", "csv", "csv.gz", "csv.zst"])
def test_the_forms_of_logs(tmp_path, ending):
    path = str(tmp_path / f"items.{ending}")
    rows = pa.table({"item_id": ["a", "b"], "price": [1.0, 3.0]})
    if "csv" in ending:
        with pa.output_stream(path) as file:  # compresses by the name
            pacsv.write_csv(rows, file)
    else:
        pq.write_table(rows, path)
    table = read_item_table(path, "item_id", ("price",))
    assert table.item_ids == ("a", "b")
    assert table.numbers[1:].tolist() == [[-1], [1]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("items.tsv", r"of no form .*: \*.parquet, \*.pq, \*.csv, \*.csv.gz, \*.csv.zst"),
        ("items.csv.gz", "items.csv.gz cannot be read: zlib inflate failed"),
        ("items.pq", "items.pq cannot be read: Parquet"),
        ("items.csv", "items.csv cannot be read: .* Expected 2 columns, got 1"),
    ],
)
def test_files_of_another_form_than_their_name_says(tmp_path, name, message):
    (tmp_path / name).write_text("item_id,price\na\n")
    with pytest.raises(ValueError, match=message):
        read_item_table(str(tmp_path / name), "item_id", ())


def test_one_value_that_is_no_number_makes_a_column_of_a_csv_categorical(csv):
    table = read_item_table(csv("id,price\na,1.5\nb,2\nc,NA\nd,\n"), "id", ("price",))
    assert table.categories == (("1.5", "2", "NA"),)
    assert table.codes[:, 0].tolist() == [0, 1, 2, 3, 0]


def test_null_features(parquet):
    path = parquet(
        item_id=["a", "b", "c"],
        brand=pa.array([None, "x", "x"]).dictionary_encode(),
        size=pa.array([3, None, 1]),
        colour=pa.nulls(3, pa.string()),
    )
    table = read_item_table(path, "item_id", ("brand", "colour"), categorical=("size",))
    assert table.codes.tolist() == [[0, 0, 0], [0, 0, 2], [1, 0, 0], [1, 0, 1]]
    assert table.categories == (("x",), (), ("1", "3"))


def test_as_the_components_name_it(csv):
    spec = ItemTable(path=csv(), item_id="id", features=("brand",), categorical=("price",))
    found = load_item_table({"item_table": spec.model_dump_json()})
    assert found.codes.tolist() == [[0, 0], [1, 2], [0, 1], [2, 2]]
    spec = spec.model_copy(update={"features": ("brand", "price"), "categorical": ()})
    assert load_item_table({"item_table": spec.model_dump_json()}).numbers.shape == (4, 1)


def test_lookup_of_rows(csv):
    rows = read_item_table(csv(), "id", ()).lookup()
    assert rows.lookup(tf.constant([["a", "b"], ["", "c"]])).numpy().tolist() == [[2, 1], [0, 0]]


def test_the_empty_table_knows_no_item():
    assert EMPTY.lookup().lookup(tf.constant(["a", ""])).numpy().tolist() == [0, 0]
    assert EMPTY.codes.shape == (1, 0)


@pytest.mark.parametrize(
    ("text", "features", "message"),
    [
        ("id,brand\na,x\n", ("colour",), r"no column 'colour'; it has \['id', 'brand'\]"),
        ("item,brand\na,x\n", (), r"no column 'id'"),
        ("id,brand\na,x\na,y\n", (), "one row an item; 'id' repeats"),
        ("id,brand\n,x\n", (), "has a row without 'id'"),
        ("id,brand,brand\na,x,y\n", ("brand",), r"items.csv has 2 columns 'brand'; rename or"),
        ("id,id,brand\na,b,y\n", ("brand",), "has 2 columns 'id'"),
    ],
)
def test_tables_that_cannot_be_used(csv, text, features, message):
    with pytest.raises(ValueError, match=message):
        read_item_table(csv(text), "id", features)


def test_a_name_that_stands_twice_is_refused_where_it_is_used(csv, tmp_path):
    text = csv("id,brand,note,note\na,x,1,2\n")
    pq.write_table(pacsv.read_csv(text), tmp_path / "items.parquet")
    for path in (text, str(tmp_path / "items.parquet")):
        assert read_item_table(path, "id", ("brand",)).categories == (("x",),)
        assert read_titles(path, "id", "brand") == {"a": "x"}
        with pytest.raises(ValueError, match="has 2 columns 'note'; rename or remove all but one"):
            read_item_table(path, "id", ("note",))
        with pytest.raises(ValueError, match="has 2 columns 'note'"):
            read_titles(path, "id", "note")
        with pytest.raises(ValueError, match="has no column 'name'"):
            read_titles(path, "id", "name")


def test_a_feature_of_a_type_that_cannot_be_one(parquet):
    path = parquet(item_id=["a"], tags=[["x", "y"]])
    with pytest.raises(ValueError, match=r"Received: column 'tags' of the item table .* of list"):
        read_item_table(path, "item_id", ("tags",))


def test_a_table_that_changed_since_the_run_began(csv):
    path = csv()
    expected = digest(path)
    assert read_item_table(path, "id", (), expected).item_ids
    csv(CSV + "c,acme,9\n")
    with pytest.raises(ValueError, match="changed while the run was going"):
        read_item_table(path, "id", (), expected)
