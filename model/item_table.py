"""Item features: from the item table's file to the codes and numbers that the model reads."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from model.item_file import read_columns

UNKNOWN_ROW = 0


@dataclasses.dataclass(frozen=True)
class ItemTable:
    """Rows 1..M are the items of the file in its order; row 0 is any other item.

    Attributes:
      item_ids: string, [M].
      codes: categorical features, int32, [M + 1, categorical]; 0 is a missing value.
      categories: per categorical feature, the values of its codes 1, 2, ...
      numbers: numeric features, standardised over the file, float32, [M + 1, numeric]; NaN is a
        missing value.
      columns: names of the categorical features, then of the numeric ones.
    """

    item_ids: tuple[str, ...]
    codes: np.ndarray
    categories: tuple[tuple[str, ...], ...]
    numbers: np.ndarray
    columns: tuple[str, ...]

    def lookup(self) -> tf.lookup.StaticHashTable:
        """Item id -> row, in the graph: string [...] -> int64 [...]."""
        keys = tf.constant(self.item_ids or ("",), tf.string)
        rows = np.arange(len(self.item_ids)) + UNKNOWN_ROW + 1 if self.item_ids else [UNKNOWN_ROW]
        values = tf.constant(rows, tf.int64)
        return tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values), UNKNOWN_ROW
        )


EMPTY = ItemTable((), np.zeros((1, 0), np.int32), (), np.zeros((1, 0), np.float32), ())


def read_item_table(
    path: str,
    item_id: str,
    features: tuple[str, ...],
    expected_digest: str = "",
    categorical: tuple[str, ...] = (),
) -> ItemTable:
    """Read a Parquet or CSV file.

    Args:
      path: local or remote, whatever TensorFlow's file system reads.
      item_id: the column of item ids, which must be unique; they become text as those of logs do.
      features: columns by whose type a feature is numeric (numbers) or categorical (any other); a
        CSV column is of numbers if all its values are.
      expected_digest: if given, `item_file.digest(path)` must equal it.
      categorical: further columns that are categorical whatever their type.

    Raises:
      ValueError: as `item_file.read_columns`; a column cannot be a feature, or an id is missing or
        repeats.
    """
    typed = set(features) - {item_id, *categorical}
    ids, table = read_columns(path, item_id, (*features, *categorical), typed, expected_digest)
    if ids.null_count or pc.any(pc.equal(ids, "")).as_py():
        raise ValueError(f"The item table {path} has a row without {item_id!r}; remove it.")
    if pc.count_distinct(ids, mode="all").as_py() != len(ids):
        raise ValueError(f"The item table {path} must have one row an item; {item_id!r} repeats.")
    numeric = [n for n in features if n in typed and _is_number(table[n].type)]
    coded = [n for n in dict.fromkeys((*features, *categorical)) if n not in numeric]
    # Row 0 is an item outside the table, of which every feature is missing.
    codes = np.zeros((len(ids) + 1, len(coded)), np.int32)
    categories = []
    for position, name in enumerate(coded):
        values, code = _encode(table[name], f"column {name!r} of the item table {path}")
        categories.append(values)
        codes[1:, position] = code
    numbers = np.full((len(ids) + 1, len(numeric)), np.nan, np.float32)
    for position, name in enumerate(numeric):
        numbers[1:, position] = _standardise(table[name])
    columns = (*coded, *numeric)
    return ItemTable(tuple(ids.to_pylist()), codes, tuple(categories), numbers, columns)


def read_titles(path: str, item_id: str, title: str) -> dict[str, str]:
    """Titles by item id, for people to read.

    Raises:
      ValueError: as `item_file.read_columns`, or the column cannot be text.
    """
    ids, table = read_columns(path, item_id, (title,))
    titles = _as_text(table[title], f"column {title!r} of the item table {path}")
    return dict(zip(ids.to_pylist(), titles.to_pylist(), strict=True))


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _as_text(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        raise ValueError(
            f"A feature or title must be text, numbers or booleans. Received: {where} of "
            f"{column.type}; leave it out of [data.item_table] or write it in another type."
        ) from None


def _encode(column: pa.ChunkedArray, where: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The sorted values, and their codes 1.., 0 for null: int32, [M]."""
    text = _as_text(column, where)
    values = pc.unique(text.drop_null()).sort()
    codes = pc.fill_null(pc.index_in(text, values), -1).to_numpy() + 1
    return tuple(values.to_pylist()), codes


def _standardise(column: pa.ChunkedArray) -> np.ndarray:
    """Mean 0 and deviation 1 over the values there are, NaN where there is none: [M]."""
    number = column.cast(pa.float64(), safe=False).to_numpy().copy()
    number[~np.isfinite(number)] = np.nan
    known = number[np.isfinite(number)]
    if not len(known):
        return number
    return (number - known.mean()) / (known.std() or 1.0)
