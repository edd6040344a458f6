"""What a step of the history is: a session (NSPP) or, to compare, an item (NIPP; paper).

For NIPP each engaged item becomes a session of its own, so the same encoders and losses read a
flat history and predict one item after each item. Exposures are no part of it.
"""

import tensorflow as tf

from model import features, preprocessing
from model.ordering import order_by

_EVENTS = (features.ITEM_INDEX, features.ITEM_ROW, features.ENGAGED, preprocessing.EVENT_TIME)


def flatten_sessions(inputs: dict) -> dict:
    """Transform's output with one session per engaged item; an item has its session's visit.

    Items of one time are shuffled, the same way every time: a basket has no order, and the order of
    ids, which ingestion gives it, would be learned instead of what comes next. The request stays
    the last visit, and targets are as they were.
    """
    inputs = dict(inputs)
    order = _order(inputs[preprocessing.EVENT_TIME])
    for name in _EVENTS:
        inputs[name] = inputs[name].with_flat_values(tf.gather(inputs[name].flat_values, order))
    is_engaged = tf.equal(inputs[features.ENGAGED], 1)
    items = tf.reduce_sum(tf.cast(is_engaged, tf.int64), axis=2)  # [batch, sessions]
    flat = dict(inputs)
    for name in _EVENTS:
        kept = tf.ragged.boolean_mask(inputs[name], is_engaged).merge_dims(1, 2)
        one_each = tf.RaggedTensor.from_row_lengths(kept.values, tf.ones_like(kept.values))
        flat[name] = kept.with_values(one_each)  # [batch, items, 1]
    count = tf.reduce_sum(items, axis=1)  # [batch]
    for name in preprocessing.VISITS:
        visit = inputs[name]
        repeated = tf.repeat(visit[:, :-1].flat_values, items.flat_values)
        repeated = tf.RaggedTensor.from_row_lengths(repeated, count)
        flat[name] = tf.concat([repeated, visit[:, -1:]], axis=1)
    return flat


def _order(time: tf.RaggedTensor) -> tf.Tensor:
    """Places of the flat values by session and time, drawn where both are the same: [events]."""
    session = time.values.value_rowids()
    draw = tf.random.stateless_uniform(tf.shape(session), [0, 0])
    return order_by(session, time.flat_values, draw)


PARADIGMS = {"next-session": lambda inputs: inputs, "next-item": flatten_sessions}
