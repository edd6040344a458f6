from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config import Columns
from components.ingestion import complete_journey
from components.ingestion.log_reader import check_log

FIELDS = ["household_id", "store_id", "basket_id", "product_id", "week", "transaction_timestamp"]
# 2017-01-01 12:00 and the day after.
NOON, NEXT = datetime(2017, 1, 1, 12), datetime(2017, 1, 2, 12)
TRANSACTIONS = [
    (7, 1, 100, 11, 1, NOON),
    (7, 1, 100, 12, 1, NOON),
    (8, 2, 200, 11, 1, NEXT),
    (8, 3, 300, 11, 1, NEXT),  # nothing is promoted in store 3
]


def transactions():
    return pa.table(dict(zip(FIELDS, zip(*TRANSACTIONS, strict=True), strict=True)))


def promotions(tmp_path):
    """Store 1 promotes products 11 to 40 in week 1, store 2 only 11 and 50, both more in week 2."""
    places = [(1, 1, product) for product in range(11, 41)] + [(2, 1, 11), (2, 1, 50)]
    places += [(1, 2, 60), (2, 2, 60), (9, 1, 70)]
    columns = dict(zip(["store_id", "week", "product_id"], zip(*places, strict=True), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "promotions.parquet")
    return pq.ParquetFile(tmp_path / "promotions.parquet")


def test_purchases():
    assert complete_journey.purchases(transactions()).slice(0, 1).to_pylist() == [
        {
            "user_id": "7",
            "item_id": "11",
            "timestamp": 1_483_272_000,
            "event": "purchase",
            "session_id": "100",
        }
    ]


def test_exposures_are_ten_promoted_products_that_the_basket_does_not_hold(tmp_path):
    rows = complete_journey.exposures(transactions(), promotions(tmp_path)).to_pylist()
    of_basket = {"100": [], "200": [], "300": []}
    for row in rows:
        of_basket[row["session_id"]].append(row["item_id"])
    assert len(of_basket["100"]) == len(set(of_basket["100"])) == 10
    assert set(of_basket["100"]) <= {str(product) for product in range(13, 41)}
    assert of_basket["200"] == ["50"]  # 11 is promoted there too, and bought
    assert of_basket["300"] == []
    assert {(row["user_id"], row["timestamp"], row["event"]) for row in rows} == {
        ("7", 1_483_272_000, "exposure"),
        ("8", 1_483_358_400, "exposure"),
    }


def test_exposures_are_the_same_each_time(tmp_path):
    first = complete_journey.exposures(transactions(), promotions(tmp_path))
    assert first.equals(complete_journey.exposures(transactions(), promotions(tmp_path)))


def test_items():
    products = pa.table(
        {
            "product_id": [1, 2, 3],
            "department": ["GROCERY", "GROCERY", None],
            "brand": ["National"] * 3,
            "product_category": ["FRUIT", "FRUIT", None],
            "product_type": ["APPLE SAUCE", None, None],
            "package_size": ["50 OZ", None, None],
        }
    )
    items = complete_journey.items(products)
    assert items["item_id"].to_pylist() == ["1", "2", "3"]
    assert items["title"].to_pylist() == ["APPLE SAUCE, 50 OZ", "FRUIT", "UNKNOWN PRODUCT"]


@pytest.mark.slow
def test_write_log(tmp_path):
    complete_journey.write_log(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.parquet", "log.parquet"]
    columns = Columns(event="event", session_id="session_id")
    assert check_log([str(tmp_path / "log.parquet")], columns)
    log = pq.read_table(tmp_path / "log.parquet").to_pandas()
    bought = log[log.event == "purchase"]
    assert (len(bought), bought.user_id.nunique(), bought.item_id.nunique()) == (
        1_469_307,
        2_469,
        68_509,
    )
    shown = log[log.event == "exposure"]
    assert shown.groupby("session_id").size().eq(10).all()
    listed = pq.read_table(tmp_path / "items.parquet")["item_id"].to_pylist()
    assert len(set(log.item_id) - set(listed)) == 17  # sold, but not in the package's products
