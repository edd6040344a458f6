"""Transform: raw ids and times to indices and time features; the same graph serves.

A *visit* is a session or, after the last one, the request itself: a user with S sessions has S + 1
visits, and visit t is when the recommendation made after t sessions is used.
"""

import json

import tensorflow as tf
import tensorflow_transform as tft

from model import features
from model.item_table import EMPTY, ItemTable, read_item_table

SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86400
NEVER = tf.int64.min  # the greatest of no times

EVENT_TIME = "event_time"
VISIT_TIME = "visit_time"
VISIT_GAP = "visit_gap"
VISIT_HOUR = "visit_hour"
VISIT_WEEKDAY = "visit_weekday"
VISIT_PERIOD = "visit_period"
VISITS = (VISIT_TIME, VISIT_GAP, VISIT_HOUR, VISIT_WEEKDAY, VISIT_PERIOD)
REQUEST_KNOWN = "request_known"
TARGET_INDEX = "target_index"


def load_item_table(custom_config: dict) -> ItemTable:
    """The item table that `custom_config["item_table"]` names (JSON), or an empty one."""
    spec = json.loads(custom_config.get("item_table") or "null")
    if spec is None:
        return EMPTY
    return read_item_table(
        spec["path"],
        spec["item_id"],
        tuple(spec["features"]),
        spec.get("digest", ""),
        tuple(spec.get("categorical", ())),
    )


def preprocessing_fn(inputs: dict, custom_config: dict) -> dict:
    """TFX Transform's entry point.

    Args:
      inputs: the data contract's features, sessions as ragged [batch, sessions, items].
      custom_config: `min_sessions_per_item`, `periods`, and `item_table` as `load_item_table` reads
        it.

    Returns:
      Ragged [batch, sessions, items]: item_index (0 never occurs, 1..V the vocabulary, V + 1 any
      other item), item_row, engaged, event_time (unix seconds). Ragged [batch, sessions + 1]:
      visit_time (unix seconds), visit_gap (standardised log hours since the visit before),
      visit_hour, visit_weekday, visit_period (0..periods; each period but the last, which is after
      all training sessions, holds as many of them).
      Ragged [batch, items]: target_index, target_engaged. Dense [batch]:
      request_known, user_id.
    """
    item_id = inputs[features.ITEM_ID]
    is_engaged = tf.equal(inputs[features.ENGAGED], 1)
    # Flat: a ragged mask checks its rows, which the graph that serves would go on doing.
    vocabulary = tft.vocabulary(
        tf.boolean_mask(item_id.flat_values, is_engaged.flat_values),
        frequency_threshold=custom_config["min_sessions_per_item"],
        vocab_filename=features.ITEM_VOCABULARY,
    )
    # Tracked, so that the table is filled when the graph is loaded and not at every request.
    rows = tft.make_and_track_object(
        lambda: load_item_table(custom_config).lookup(), name=features.ITEM_ROW
    )

    def index(ids: tf.RaggedTensor) -> tf.RaggedTensor:
        return tft.apply_vocabulary(ids, vocabulary, num_oov_buckets=1) + 1

    target_id = inputs[features.TARGET_ITEM_ID]
    return {
        features.USER_ID: inputs[features.USER_ID],
        features.ITEM_INDEX: index(item_id),
        features.ITEM_ROW: tf.ragged.map_flat_values(rows.lookup, item_id),
        features.ENGAGED: inputs[features.ENGAGED],
        EVENT_TIME: inputs[features.TIMESTAMP],
        TARGET_INDEX: index(target_id),
        features.TARGET_ENGAGED: inputs[features.TARGET_ENGAGED],
        **_visit_features(
            inputs[features.TIMESTAMP],
            inputs[features.REQUEST_TIMESTAMP],
            custom_config["periods"],
        ),
    }


def _visit_features(timestamp: tf.RaggedTensor, request: tf.RaggedTensor, periods: int) -> dict:
    """Visits from event times [batch, sessions, items] and request times [batch, 0 or 1]."""
    start = tf.reduce_min(timestamp, axis=2)  # [batch, sessions]
    last_event = tf.reduce_max(timestamp.merge_dims(1, 2), axis=1)  # [batch], NEVER without any
    known = tf.cast(request.row_lengths() > 0, tf.int64)  # [batch]
    asked = tf.where(known > 0, tf.maximum(tf.reduce_max(request, axis=1), 0), last_event)
    visit = tf.concat([start, asked[:, tf.newaxis]], axis=1)  # [batch, sessions + 1]
    before = tf.concat([visit[:, :1], start], axis=1)
    time = visit.flat_values
    hours = tf.cast(time - before.flat_values, tf.float32) / SECONDS_PER_HOUR
    # No analyser's input depends on another's output: one pass over the log is enough for all.
    gap = tft.scale_to_z_score(tf.math.log1p(tf.maximum(hours, 0.0)))
    latest = tft.max(start.flat_values)
    ends = tft.quantiles(start.flat_values, periods, epsilon=0.1 / periods)  # [1, periods - 1]
    # Without any event or time, the request is taken to be made when training ends.
    time = tf.where(tf.equal(time, NEVER), latest, time)
    of_visit = {
        VISIT_TIME: time,
        VISIT_GAP: gap,
        VISIT_HOUR: time // SECONDS_PER_HOUR % 24,
        # The epoch began on a Thursday; 0 is Monday, as in ISO 8601.
        VISIT_WEEKDAY: (time // SECONDS_PER_DAY + 3) % 7,
        VISIT_PERIOD: _period(time, ends[0], latest),
    }
    ragged = {name: visit.with_flat_values(values) for name, values in of_visit.items()}
    return {**ragged, REQUEST_KNOWN: known}


def _period(visit: tf.Tensor, ends: tf.Tensor, latest: tf.Tensor) -> tf.Tensor:
    """The period of each time [N]: int64 [N].

    Args:
      visit: times.
      ends: sorted, of the log's periods but its last one; rounded, as floats are.
      latest: the log's end.
    """
    period = tf.searchsorted(ends, tf.cast(visit, ends.dtype), side="right", out_type=tf.int64)
    return tf.where(visit > latest, tf.size(ends, tf.int64) + 1, period)
