"""Item tables from Parquet and CSV, as their users' tools write them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from model.item_table import EMPTY, digest, read_item_table, read_titles

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
    table = read_item_table(csv(), "id", ("brand", "price"))
    assert table.item_ids == ("b", "a", "007")
    # Brands: 1 acme, 2 zeta; prices: 1 is '1', 2 is '2'; 0 is missing.
    assert table.codes.tolist() == [[0, 0], [1, 2], [0, 1], [2, 2]]
    assert table.codes.dtype == np.int32
    assert table.cardinalities == (3, 3)


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([1, 20_000_000], pa.int64()),
        pa.array([1.0, 2e7], pa.float64()),
        pa.array(["1", "20000000"]),
        pa.array(["1.0", "20000000.0"]),
        pa.array(["1", "20000000"]).dictionary_encode(),
    ],
    ids=lambda ids: str(ids.type),
)
def test_parquet_ids_of_any_type_are_read_as_ingestion_writes_them(parquet, ids):
    path = parquet(item_id=ids, title=["x", None])
    assert read_item_table(path, "item_id", ()).item_ids == ("1", "20000000")
    assert read_titles(path, "item_id", "title") == {"1": "x", "20000000": None}


def test_null_features(parquet):
    path = parquet(
        item_id=["a", "b", "c"],
        brand=pa.array([None, "x", "x"]).dictionary_encode(),
        size=pa.array([3, None, 1]),
        colour=pa.nulls(3, pa.string()),
    )
    table = read_item_table(path, "item_id", ("brand", "size", "colour"))
    assert table.codes.tolist() == [[0, 0, 0], [0, 2, 0], [1, 0, 0], [1, 1, 0]]
    assert table.cardinalities == (2, 3, 1)


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
    ],
)
def test_tables_that_cannot_be_used(csv, text, features, message):
    with pytest.raises(ValueError, match=message):
        read_item_table(csv(text), "id", features)


def test_a_table_that_changed_since_the_run_began(csv):
    path = csv()
    expected = digest(path)
    assert read_item_table(path, "id", (), expected).item_ids
    csv(CSV + "c,acme,9\n")
    with pytest.raises(ValueError, match="changed while the run was going"):
        read_item_table(path, "id", (), expected)
