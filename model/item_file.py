"""The item table's file: what forms it may have, its columns, and ids as those of logs."""

import hashlib
from collections.abc import Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import tensorflow as tf

# The forms of logs, by the same endings (components/ingestion/formats).
PARQUET = (".parquet", ".pq")
CODECS = {".csv": None, ".csv.gz": "gzip", ".csv.zst": "zstd"}


def digest(path: str) -> str:
    """SHA-256 of the file, so that a changed item table is noticed wherever it is read."""
    return hashlib.sha256(_read_bytes(path)).hexdigest()


def read_columns(
    path: str,
    item_id: str,
    wanted: Iterable[str],
    typed: Collection[str] = (),
    expected_digest: str = "",
) -> tuple[pa.ChunkedArray, pa.Table]:
    """The ids, string [M], and the other `wanted` columns, of M rows.

    Args:
      path: local or remote, whatever TensorFlow's file system reads; its end tells the form.
      item_id: the column of ids; null is a missing one.
      wanted: the other columns.
      typed: those of them that are numbers in a CSV if all their values are; others are text.
      expected_digest: if given, `digest(path)` must equal it.

    Raises:
      ValueError: the file is of another form, cannot be read or changed since the run began; a
        column is missing, stands twice or cannot be ids.
    """
    content = _read_bytes(path)
    if expected_digest and hashlib.sha256(content).hexdigest() != expected_digest:
        raise ValueError(f"The item table {path} changed while the run was going; run again.")
    try:
        table = _parse(path, content, item_id, typed)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The item table {path} cannot be read: {error}") from error
    wanted = list(dict.fromkeys(wanted))
    for name in (item_id, *wanted):
        _check_name(path, name, table.column_names)
    ids = _ids(table[item_id], f"column {item_id!r} of the item table {path}")
    return ids, table.select(wanted)


def _parse(path: str, content: bytes, item_id: str, typed: Collection[str]) -> pa.Table:
    if path.endswith(PARQUET):
        # read_table would refuse a name that stands twice also where it is not used.
        return pyarrow.parquet.ParquetFile(pa.BufferReader(content)).read()
    for ending, codec in CODECS.items():
        if path.endswith(ending):
            plain = pa.input_stream(pa.py_buffer(content), compression=codec).read()
            return _parse_csv(plain, item_id, typed)
    raise ValueError(
        f"The item table {path} is of no form that can be read, by its name: "
        f"*{', *'.join((*PARQUET, *CODECS))}."
    )


def _parse_csv(content: bytes, item_id: str, typed: Collection[str]) -> pa.Table:
    # As text, so that a code keeps its leading zeros; an empty field is a missing value.
    names = pyarrow.csv.open_csv(pa.BufferReader(content)).schema.names
    types = {name: pa.string() for name in names if name not in typed}
    convert = pyarrow.csv.ConvertOptions(
        column_types=types | {item_id: pa.binary()}, null_values=[""], strings_can_be_null=True
    )
    return pyarrow.csv.read_csv(pa.BufferReader(content), convert_options=convert)


def _check_name(path: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise ValueError(
            f"The item table {path} has no column {name!r}; it has {names}. "
            "Set [data.item_table] item_id, features, categorical and title."
        )
    if names.count(name) > 1:
        raise ValueError(
            f"The item table {path} has {names.count(name)} columns {name!r}; rename or remove all "
            "but one."
        )


def _ids(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Ids as ingestion writes them (components/ingestion/text.py), or they would match none.

    Whole numbers of a float type or in a CSV, whose values are bytes, lose ".0"; other text stays
    as it is. A float that is not finite is null.
    """
    kind = column.type
    refusal = ValueError(
        f"Ids must be text in UTF-8, integers or 64-bit floats. Received: {where} of {kind}."
    )
    if pa.types.is_float64(kind):
        finite = pc.if_else(pc.is_finite(column), column, None)
        is_whole = pc.and_(pc.equal(finite, pc.floor(finite)), pc.less(pc.abs(finite), 2.0**53))
        digits = pc.if_else(is_whole, finite, None).cast(pa.int64()).cast(pa.string())
        return pc.coalesce(digits, finite.cast(pa.string()))
    if pa.types.is_floating(kind):
        raise refusal
    try:
        text = column.cast(pa.string())
    except pa.ArrowException:
        raise refusal from None
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pc.replace_substring_regex(text, r"^(-?\d+)\.0$", r"\1")
    return text


def _read_bytes(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()
