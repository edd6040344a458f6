"""Item features: from the item table's file to the integer codes that the model embeds."""

import dataclasses
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import tensorflow as tf

UNKNOWN_ROW = 0


@dataclasses.dataclass(frozen=True)
class ItemTable:
    """Rows 1..M are the items of the file in its order; row 0 is any other item.

    Attributes:
      item_ids: string, [M].
      codes: int32, [M + 1, features]; 0 is a missing value.
      cardinalities: per feature, the number of codes (missing included).
    """

    item_ids: tuple[str, ...]
    codes: np.ndarray
    cardinalities: tuple[int, ...]

    def lookup(self) -> tf.lookup.StaticHashTable:
        """Item id -> row, in the graph: string [...] -> int64 [...]."""
        keys = tf.constant(self.item_ids or ("",), tf.string)
        rows = np.arange(len(self.item_ids)) + UNKNOWN_ROW + 1 if self.item_ids else [UNKNOWN_ROW]
        values = tf.constant(rows, tf.int64)
        return tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values), UNKNOWN_ROW
        )


EMPTY = ItemTable((), np.zeros((1, 0), np.int32), ())


def digest(path: str) -> str:
    """SHA-256 of the file, so that a changed item table is noticed wherever it is read."""
    return hashlib.sha256(_read_bytes(path)).hexdigest()


def read_item_table(
    path: str, item_id: str, features: tuple[str, ...], expected_digest: str = ""
) -> ItemTable:
    """Read a Parquet or CSV file.

    Args:
      path: local or remote, whatever TensorFlow's file system reads.
      item_id: the column of item ids; must be unique.
      features: categorical columns.
      expected_digest: if given, `digest(path)` must equal it.

    Raises:
      ValueError: a column is missing, an id is missing or repeats, or the file changed since the
        run began.
    """
    table = _read_table(path, expected_digest)
    missing = [name for name in (item_id, *features) if name not in table.column_names]
    if missing:
        raise ValueError(
            f"The item table {path} has no column {missing[0]!r}; it has {table.column_names}. "
            "Set [data.item_table] item_id and features."
        )
    ids = _ids(table[item_id])
    if ids.null_count or pc.any(pc.equal(ids, "")).as_py():
        raise ValueError(f"The item table {path} has a row without {item_id!r}; remove it.")
    if pc.count_distinct(ids, mode="all").as_py() != len(ids):
        raise ValueError(f"The item table {path} must have one row an item; {item_id!r} repeats.")
    columns = [_encode(table[name]) for name in features]
    codes = np.zeros((len(ids) + 1, len(features)), np.int32)
    for position, column in enumerate(columns):
        codes[1:, position] = column
    sizes = tuple(int(codes[:, position].max()) + 1 for position in range(len(features)))
    return ItemTable(tuple(ids.to_pylist()), codes, sizes)


def read_titles(path: str, item_id: str, title: str) -> dict[str, str]:
    """Titles by item id, for people to read."""
    table = _read_table(path, "")
    titles = table[title].cast(pa.string()).to_pylist()
    return dict(zip(_ids(table[item_id]).to_pylist(), titles, strict=True))


def _ids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids as ingestion writes them: a whole number has no ".0", whatever holds it."""
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64())
    return pc.replace_substring_regex(column.cast(pa.string()), r"^(-?\d+)\.0$", r"\1")


def _encode(column: pa.ChunkedArray) -> np.ndarray:
    """Codes 1.. in the order of the sorted values, 0 for null: int32, [M]."""
    text = column.cast(pa.string())
    values = pc.unique(text.drop_null()).sort()
    return pc.fill_null(pc.index_in(text, values), -1).to_numpy() + 1


def _read_table(path: str, expected_digest: str) -> pa.Table:
    content = _read_bytes(path)
    if expected_digest and hashlib.sha256(content).hexdigest() != expected_digest:
        raise ValueError(f"The item table {path} changed while the run was going; run again.")
    source = pa.BufferReader(content)
    if path.endswith(".parquet"):
        return pyarrow.parquet.read_table(source)
    # As text, so that an id keeps its leading zeros; an empty field is a missing value.
    names = pyarrow.csv.open_csv(source).schema.names
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
    )
    return pyarrow.csv.read_csv(pa.BufferReader(content), convert_options=convert)


def _read_bytes(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()
