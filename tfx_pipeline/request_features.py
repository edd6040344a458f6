"""What requests are like: the features by which served ones are compared with others."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from tensorflow_data_validation import StatsOptions
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.evaluation.training_items import TrainingItems
from model import features
from tfx_pipeline.demonstration import decode_user

SECONDS_PER_HOUR = 3600
SESSIONS, ITEMS, HOURS = NUMBERS = (
    "history_sessions",
    "items_per_session",
    "log2_hours_since_last_event",
)
UNKNOWN = "unknown_items"


def request_features(examples: Sequence[bytes], items: TrainingItems) -> dict[str, list[list]]:
    """What requests are like, a list of values for each request.

    Args:
      examples: serialized tf.Examples.
      items: of the training sessions.

    Returns:
      `item_id`; `history_sessions`; `items_per_session`; `log2_hours_since_last_event`, which is
      log2(1 + hours), of requests with a time and a history; `unknown_items`: 1 for an item of the
      history that training did not have, else 0.
    """
    found: dict[str, list[list]] = {name: [] for name in (features.ITEM_ID, *NUMBERS, UNKNOWN)}
    for example in examples:
        request = decode_user(example).request
        ids = [event.item_id.encode() for session in request.sessions for event in session]
        hours = []
        if request.sessions and request.request_timestamp is not None:
            seconds = request.request_timestamp - request.sessions[-1][-1].timestamp
            hours = [float(np.log2(1 + max(seconds, 0) / SECONDS_PER_HOUR))]
        found[features.ITEM_ID].append(ids)
        found[SESSIONS].append([float(len(request.sessions))])
        found[ITEMS].append([float(len(session)) for session in request.sessions])
        found[HOURS].append(hours)
        found[UNKNOWN].append([float(item not in items.rank) for item in ids])
    return found


def statistics(columns: dict[str, list[list]]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """TFDV's statistics of `request_features`."""
    arrays = [
        pa.array(values, pa.list_(pa.binary() if name == features.ITEM_ID else pa.float64()))
        for name, values in columns.items()
    ]
    batch = pa.RecordBatch.from_arrays(arrays, list(columns))
    return stats_impl.generate_statistics_in_memory(batch, StatsOptions())


def mean(values: list[list]) -> float:
    """The mean of all values of all requests; 0 if there are none."""
    flat = [value for row in values for value in row]
    return float(np.mean(flat)) if flat else 0.0
