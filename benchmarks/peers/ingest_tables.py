"""What the ingestion peers share: the task, and tables of lists to the shard of a split."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.shards import ShardWriter
from model import features

_KINDS = {
    features.USER_ID: pa.large_binary(),
    features.ITEM_ID: pa.large_binary(),
    features.ENGAGED: pa.int64(),
    features.TIMESTAMP: pa.int64(),
    features.SESSION_LENGTH: pa.int64(),
    features.REQUEST_TIMESTAMP: pa.int64(),
    features.TARGET_ITEM_ID: pa.large_binary(),
    features.TARGET_ENGAGED: pa.int64(),
}


def write_splits(tables: Mapping[str, pa.Table], uri: str) -> None:
    """Write each split's users, one a row: plain values or lists, null lists empty."""
    for split, table in tables.items():
        names = [name for name in _KINDS if name in table.column_names]
        columns = [_lists(table[name].combine_chunks(), _KINDS[name]) for name in names]
        with ShardWriter(uri, split, 0, 1) as writer:
            writer.write(pa.RecordBatch.from_arrays(columns, names))


def _lists(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_nested(column.type):
        return pa.LargeListArray.from_arrays(
            pa.array(np.arange(len(column) + 1)), _cast(column, kind)
        )
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = np.append(0, np.cumsum(lengths, dtype=np.int64))
    return pa.LargeListArray.from_arrays(pa.array(offsets), _cast(pc.list_flatten(column), kind))


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    return values.cast(kind)
