"""The slicing features: for whom a model is good, and for what kind of target.

Each takes a batch of requests and gives strings [requests, values]; a request is in the slice of
every distinct value of its row.
"""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_model_analysis as tfma

from components.evaluation.further_columns import MOST_VALUES, last_values
from components.evaluation.training_items import TrainingItems, read_training_items
from model import features
from model.item_table import read_titles
from tfx_pipeline.evaluate_config import CROSS, HISTORY, POPULARITY, RECENT

# The first number of sessions in each bucket but the first, and the buckets' names.
HISTORY_STARTS, HISTORY_BUCKETS = (1, 5, 20, 100), ("0", "1-4", "5-19", "20-99", "100+")
RECENT_STARTS, RECENT_BUCKETS = (1, 3, 8), ("0", "1-2", "3-7", "8+")
RECENT_SECONDS = 28 * 86_400
NO_TARGET, NO_HISTORY, NO_VALUE, OTHER = "no target", "no history", "no value", "other"


def slice_extractor(
    slices: tuple[str, ...],
    items_path: str,
    item_table: Mapping[str, str],
    columns: Mapping[str, Sequence[str]],
) -> tfma.extractors.Extractor:
    """Adds the slicing features to batched extracts.

    It must precede TFMA's features extractor, which keeps features that are there already and not
    in the Arrow batch, but drops the batch.

    Args:
      slices: as the configuration lists them.
      items_path: of the training items.
      item_table: `path` and `item_id` column of the item table; {} if there is none.
      columns: the further columns among the slices, with their commonest values.
    """
    names = {name for each in slices for name in each.split(CROSS)}

    def add(extracts: tfma.types.Extracts) -> tfma.types.Extracts:
        batch = extracts[tfma.ARROW_RECORD_BATCH_KEY]
        items = read_training_items(items_path)
        found = {
            name: column_values(batch.column(name), columns[name])
            if name in columns
            else _values(name, batch, items, item_table)
            for name in sorted(names)
        }
        return {
            **extracts,
            tfma.FEATURES_KEY: {**extracts.get(tfma.FEATURES_KEY, {}), **found},
            # What each event says would replace what is found here.
            tfma.ARROW_RECORD_BATCH_KEY: batch.drop_columns(list(columns)),
        }

    return tfma.extractors.Extractor(stage_name="ExtractSlices", ptransform=beam.Map(add))


def _values(
    name: str, batch: pa.RecordBatch, items: TrainingItems, item_table: Mapping[str, str]
) -> np.ndarray:
    if name == HISTORY:
        return history_buckets(batch.column(features.SESSION_LENGTH))
    if name == RECENT:
        return recent_buckets(batch)
    if name == POPULARITY:
        return _of_targets(batch, lambda targets: [_middle_band(targets, items)])
    of_item = _column(item_table["path"], item_table["item_id"], name, items)
    return _of_targets(batch, lambda targets: sorted({of_item.get(t, OTHER) for t in targets}))


def history_buckets(session_length: pa.Array) -> np.ndarray:
    """Names the bucket of each request's number of sessions.

    Args:
      session_length: list<int64> [requests], one value a session; null is no history.

    Returns:
      str [requests, 1].
    """
    sessions = pc.fill_null(pc.list_value_length(session_length), 0).to_numpy(zero_copy_only=False)
    return _buckets(HISTORY_STARTS, HISTORY_BUCKETS, sessions)


def recent_buckets(batch: pa.RecordBatch) -> np.ndarray:
    """Names the bucket of sessions that began in the 28 days before the request: [requests, 1]."""
    recent = []
    for lengths, times, asked in zip(
        batch.column(features.SESSION_LENGTH).to_pylist(),
        batch.column(features.TIMESTAMP).to_pylist(),
        batch.column(features.REQUEST_TIMESTAMP).to_pylist(),
        strict=True,
    ):
        of_session = np.array(lengths or [], np.int64)
        starts = np.array(times or [], np.int64)[of_session.cumsum() - of_session]
        recent.append((starts > (asked or [0])[0] - RECENT_SECONDS).sum())
    return _buckets(RECENT_STARTS, RECENT_BUCKETS, np.array(recent))


def column_values(lists: pa.Array, common: Sequence[str]) -> np.ndarray:
    """What each request's last event says, if it is one of the `common` values.

    Args:
      lists: list<binary> [requests] of a further column, one value an event.
      common: values that are slices of their own.

    Returns:
      str [requests, 1].
    """
    known = {None: NO_HISTORY, b"": NO_VALUE} | {value.encode(): value for value in common}
    last = last_values(lists).to_pylist()
    return np.array([known.get(value, OTHER) for value in last]).reshape(-1, 1)


def _buckets(starts: tuple[int, ...], names: tuple[str, ...], counts: np.ndarray) -> np.ndarray:
    return np.array(names)[np.searchsorted(starts, counts, side="right")].reshape(-1, 1)


def _of_targets(batch: pa.RecordBatch, values: Callable[[list[bytes]], list[str]]) -> np.ndarray:
    """`values` of each request's engaged target items: str [requests, most values]."""
    rows = []
    for ids, engaged in zip(
        batch.column(features.TARGET_ITEM_ID).to_pylist(),
        batch.column(features.TARGET_ENGAGED).to_pylist(),
        strict=True,
    ):
        targets = [i for i, is_engaged in zip(ids or (), engaged or (), strict=True) if is_engaged]
        rows.append(values(targets) if targets else [NO_TARGET])
    width = max(map(len, rows), default=1)
    # TFMA wants arrays; a value that stands twice counts once.
    return np.array([row + row[:1] * (width - len(row)) for row in rows]).reshape(-1, width)


def _middle_band(targets: list[bytes], items: TrainingItems) -> str:
    """The band of the median target by popularity."""
    ordered = sorted(set(targets), key=lambda item: (items.rank.get(item, len(items.ids)), item))
    return items.band(ordered[len(ordered) // 2])


@functools.lru_cache(maxsize=8)
def _column(path: str, item_id: str, name: str, items: TrainingItems) -> dict[bytes, str]:
    """Item -> its value, of the commonest values of the column by training sessions."""
    values = {item.encode(): value for item, value in read_titles(path, item_id, name).items()}
    sessions: Counter[str] = Counter()
    for item, count in zip(items.ids, items.sessions.tolist(), strict=True):
        if item in values:
            sessions[values[item]] += count
    common = {value for value, _ in sessions.most_common(MOST_VALUES) if value is not None}
    return {item: value for item, value in values.items() if value in common}
