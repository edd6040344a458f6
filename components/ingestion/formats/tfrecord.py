"""TFRecord of tf.Examples, one a row, with one value a feature."""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.ingestion.formats.block import WHOLE, Block, BrokenRow, Contents, open_stream
from components.ingestion.records import read_records

RECORDS_PER_BLOCK = 1 << 17
# Features are optional in a tf.Example: only among so many are the columns looked for.
RECORDS_INSPECTED = 10_000


def inspect(path: str) -> Contents:
    """The features of the first records."""
    with open_stream(path) as file:
        records = list(islice(read_records(file), RECORDS_INSPECTED))
    decoded, _ = _decode([(n, record) for n, record in enumerate(records) if record is not None])
    names = dict.fromkeys(name for _, batch in decoded for name in batch.schema.names)
    return Contents([(name, None) for name in names], WHOLE, bool(records))


def read(path: str, start: int, stop: int, names: Mapping[str, str]) -> Iterator[Block]:
    """All rows: a TFRecord file is one unit.

    Args:
      path: of the file.
      start: 0.
      stop: 1.
      names: the feature of each field.
    """
    with open_stream(path) as file:
        numbered = enumerate(read_records(file), start=1)
        while some := list(islice(numbered, RECORDS_PER_BLOCK)):
            broken = [
                BrokenRow(number, "checksum of the record does not match", None)
                for number, record in some
                if record is None
            ]
            whole = [(number, record) for number, record in some if record is not None]
            decoded, undecodable = _decode(whole)
            yield from _blocks(decoded, names)
            empty = {field: pa.nulls(0, pa.large_string()) for field in names}
            yield Block(empty, np.array([], np.int64), sorted(broken + undecodable, key=_number))


def _blocks(
    decoded: list[tuple[np.ndarray, pa.RecordBatch]], names: Mapping[str, str]
) -> Iterator[Block]:
    for numbers, batch in decoded:
        counts = {
            name: pc.fill_null(pc.list_value_length(batch[name]), 0).to_numpy()
            for name in batch.schema.names
            if name in names.values() and pa.types.is_large_list(batch.schema.field(name).type)
        }
        is_broken = np.zeros(len(numbers), bool)
        broken = []
        for name, count in counts.items():
            for row in np.flatnonzero((count > 1) & ~is_broken):
                reason = "a feature has more than one value"
                broken.append(BrokenRow(int(numbers[row]), reason, f"{name}: {count[row]} values"))
            is_broken |= count > 1
        columns = {
            field: _single(batch[name], counts[name])
            if name in counts
            else pa.nulls(batch.num_rows, pa.large_string())
            for field, name in names.items()
        }
        kept = pa.array(~is_broken)
        columns = {field: values.filter(kept) for field, values in columns.items()}
        yield Block(columns, numbers[~is_broken], sorted(broken, key=_number))


def _single(values: pa.Array, counts: np.ndarray) -> pa.Array:
    """Each row's first value, null where it has none."""
    flat = pc.list_flatten(values)
    first = np.cumsum(counts) - counts
    return flat.take(pa.array(first, mask=counts == 0))


def _decode(
    records: list[tuple[int, bytes]],
) -> tuple[list[tuple[np.ndarray, pa.RecordBatch]], list[BrokenRow]]:
    """(row numbers, features) of records that agree in types, and those that are no tf.Example.

    The decoder refuses a batch as a whole: halved until it is taken, or is a single record.
    """
    if not records:
        return [], []
    try:
        batch = ExamplesToRecordBatchDecoder().DecodeBatch([record for _, record in records])
    except (RuntimeError, ValueError):
        if len(records) == 1:
            number, record = records[0]
            return [], [BrokenRow(number, "the record is no tf.Example", repr(record))]
        middle = len(records) // 2
        first, first_broken = _decode(records[:middle])
        second, second_broken = _decode(records[middle:])
        return first + second, first_broken + second_broken
    return [(np.array([number for number, _ in records], np.int64), batch)], []


def _number(row: BrokenRow) -> int:
    return row.number
