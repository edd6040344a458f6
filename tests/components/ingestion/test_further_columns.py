"""Further columns of the log, from its rows to the tf.Examples."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from pydantic import ValidationError
from tensorflow_metadata.proto.v0 import schema_pb2
from tiny_logs import read_records, read_split, run

from components.config import Columns, DataConfig, SessionsConfig, SplitConfig
from components.errors import DataError
from components.ingestion import SCHEMA
from components.ingestion.ingest import IngestConfig
from components.ingestion.log_reader import check_log
from components.ingestion.schema import schema_text
from model import features

NAMES = ("user_id", "item_id", "timestamp", "shop", "floor", "price")
FURTHER = NAMES[3:]
# Sessions end after a minute; the last two of u are the targets of eval and test.
ROWS = [
    ("u", "a", 0, "north", 1, 0.5),
    ("u", "b", 30, "", 2, None),
    ("u", "a", 40, "south", 3, 2.0),  # a again: the first row stands for it
    ("u", "c", 500, "south", None, 1.0),
    ("u", "c", 500, "east", None, 1.0),  # the same but for the shop: the first by its name
    ("u", "d", 900, "west", 4, 7.25),
    ("u", "e", 1300, None, 5, 0.0),
]
EXPECTED = {
    "shop": [["north", ""], ["east"]],
    "floor": [["1", "2"], [""]],
    "price": [["0.5", ""], ["1"]],
}


def config(log, **sessions) -> IngestConfig:
    return IngestConfig(
        data=DataConfig(log=str(log), columns=Columns(further=FURTHER)),
        sessions=SessionsConfig(gap_minutes=1, partitions=1, **sessions),
        split=SplitConfig(protocol="last-session"),
    )


def as_csv(path):
    lines = [",".join("" if v is None else str(v) for v in row) for row in (NAMES, *ROWS)]
    path.write_text("\n".join(lines) + "\n")
    return path


def as_parquet(path):
    columns = dict(zip(NAMES, zip(*reversed(ROWS), strict=True), strict=True))
    columns["shop"] = pa.array(columns["shop"]).dictionary_encode()
    pq.write_table(pa.table(columns), path)
    return path


def test_each_event_keeps_them_as_text_whatever_the_form_and_order(tmp_path):
    written = []
    for log in (as_csv(tmp_path / "log.csv"), as_parquet(tmp_path / "log.parquet")):
        out = tmp_path / f"out{log.suffix}"
        assert run(config(log), out).log.rows_used == len(ROWS)
        evaluated = read_split(out, "eval", *FURTHER)["u"]
        assert evaluated["item_id"] == [["a", "b"], ["c"]]
        assert {name: evaluated[name] for name in FURTHER} == EXPECTED
        # What the target session has in them is not known when it is asked for.
        test = read_split(out, "test", *FURTHER)["u"]
        assert test["target_item_id"] == ["e"]
        assert test["shop"] == [*EXPECTED["shop"], ["west"]]
        written.append([read_records(out, split) for split in features.SPLITS])
    assert written[0] == written[1]


def test_rows_that_differ_in_them_are_no_copies(tmp_path):
    run(config(as_csv(tmp_path / "log.csv"), dedupe="row"), tmp_path / "out")
    found = read_split(tmp_path / "out", "eval", *FURTHER)["u"]
    assert found["item_id"] == [["a", "b", "a"], ["c", "c"]]
    assert found["shop"] == [["north", "", "south"], ["east", "south"]]


def test_a_value_in_another_encoding_costs_its_row(tmp_path):
    log = as_csv(tmp_path / "log.csv")
    log.write_bytes(log.read_bytes() + b"u,f,2000,caf\xe9,1,1\n")
    summary = run(config(log), tmp_path / "out")
    assert summary.log.dead_letters == {"shop is not valid UTF-8": 1}


def test_a_column_that_the_log_does_not_have_is_named(tmp_path):
    log = as_csv(tmp_path / "log.csv")
    with pytest.raises(DataError, match=r"no column 'colour', which data\.columns\.further names"):
        check_log([str(log)], Columns(further=("shop", "colour")))


@pytest.mark.parametrize("further", [("item_id",), ("session_length",), ("event",), ("a", "a")])
def test_names_that_are_taken_are_refused(further):
    with pytest.raises(ValidationError, match=f"Received: '{further[0]}'"):
        Columns(further=further)


def test_the_schema_has_them_as_it_has_the_item_id():
    assert schema_text(()) == SCHEMA.read_text()
    schema = text_format.Parse(schema_text(("shop",)), schema_pb2.Schema())
    item_id, shop = (
        text_format.MessageToString(feature)
        for feature in schema.feature
        if feature.name in ("item_id", "shop")
    )
    assert shop == item_id.replace("item_id", "shop")
    tensors = schema.tensor_representation_group[""].tensor_representation
    expected = str(tensors["item_id"]).replace("item_id", "shop")
    assert str(tensors["shop"]) == expected
