"""Further columns of the log in an evaluation: what a request's last event says."""

import itertools
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.evaluation.request_arrays import read_folder

# Values of a column beyond the commonest are one slice.
MOST_VALUES = 12
_USERS_AT_A_TIME = 10_000


def last_values(lists: pa.Array) -> pa.Array:
    """The last value of each list, null where it is empty or null: [users]."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return pc.list_flatten(lists).take(pa.array(np.cumsum(lengths) - 1, mask=lengths == 0))


def common_values(split_folder: str, columns: Iterable[str]) -> dict[str, list[str]]:
    """The `MOST_VALUES` commonest values of each column at the last events of a split's users.

    Users without an event or with an empty value are not counted.
    """
    counts: dict[str, Counter[bytes]] = {name: Counter() for name in columns}
    if not counts:
        return {}
    schema = schema_pb2.Schema()
    for name in counts:
        schema.feature.add(name=name, type=schema_pb2.BYTES)
    decoder = ExamplesToRecordBatchDecoder(schema.SerializeToString())
    records = read_folder(split_folder)
    while users := list(itertools.islice(records, _USERS_AT_A_TIME)):
        batch = decoder.DecodeBatch(users)
        for name, counter in counts.items():
            counter.update(value for value in last_values(batch[name]).to_pylist() if value)
    return {name: _commonest(counter) for name, counter in counts.items()}


def _commonest(counts: Counter[bytes]) -> list[str]:
    ordered = sorted(counts, key=lambda value: (-counts[value], value))
    return [value.decode() for value in ordered[:MOST_VALUES]]
