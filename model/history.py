"""The sessions of a batch of users, flat and with the places of everything; points in them."""

from typing import NamedTuple

import tensorflow as tf

from model import features, preprocessing


class History(NamedTuple):
    """A batch of B users with at most S sessions each, G in all, holding E events.

    Attributes:
      index: vocabulary index of each event's item, int64 [E].
      row: item-table row of each event's item, int64 [E].
      is_engaged: bool [E].
      is_last: bool [E], engaged and no later engagement in its session; several of one time.
      session: which of the G sessions an event is in, ascending, int64 [E].
      user: which user a session is of, ascending, int64 [G].
      step: the session's place in the user's history, int64 [G].
      length: sessions of each user, int64 [B].
      visit_time: unix seconds, int64 [B, S + 1]; a user's visits, the request last, then padding.
      visit_gap: standardised log hours since the visit before, float [B, S + 1].
      visit_hour: UTC, int64 [B, S + 1].
      visit_weekday: 0 is Monday, int64 [B, S + 1].
      visit_period: as Transform cuts time, int64 [B, S + 1].
    """

    index: tf.Tensor
    row: tf.Tensor
    is_engaged: tf.Tensor
    is_last: tf.Tensor
    session: tf.Tensor
    user: tf.Tensor
    step: tf.Tensor
    length: tf.Tensor
    visit_time: tf.Tensor
    visit_gap: tf.Tensor
    visit_hour: tf.Tensor
    visit_weekday: tf.Tensor
    visit_period: tf.Tensor

    @property
    def shape(self) -> tuple[tf.Tensor, tf.Tensor]:
        """B and S, int64 scalars."""
        visits = tf.shape(self.visit_time, out_type=tf.int64)
        return visits[0], visits[1] - 1

    def to_steps(self, per_session: tf.Tensor) -> tf.Tensor:
        """[G, dim] -> [B, S, dim], zeros where a user has fewer sessions."""
        users, steps = self.shape
        place = tf.stack([self.user, self.step], axis=1)
        dim = tf.cast(tf.shape(per_session)[1], tf.int64)
        return tf.scatter_nd(place, per_session, tf.stack([users, steps, dim]))


class Requests(NamedTuple):
    """N points in the histories of a batch, at each of which a session is to be predicted.

    Attributes:
      user: in whose history, int64 [N].
      position: how many sessions of it came before, int64 [N].
      is_time_known: whether the time of the request may be used, bool [N].
    """

    user: tf.Tensor
    position: tf.Tensor
    is_time_known: tf.Tensor

    @property
    def place(self) -> tf.Tensor:
        """Of the visit in tensors [B, S + 1], int64 [N, 2]."""
        return tf.stack([self.user, self.position], axis=1)


def at_the_end(history: History, inputs: dict) -> Requests:
    """The request after each user's whole history, both of the same Transform's output."""
    is_time_known = tf.equal(inputs[preprocessing.REQUEST_KNOWN], 1)
    return Requests(tf.range(history.shape[0]), history.length, is_time_known)


def from_transformed(inputs: dict, max_sessions: int) -> History:
    """Read Transform's output, keeping each user's `max_sessions` most recent sessions."""
    index = inputs[features.ITEM_INDEX][:, -max_sessions:]
    row = inputs[features.ITEM_ROW][:, -max_sessions:]
    is_engaged = tf.equal(inputs[features.ENGAGED][:, -max_sessions:].flat_values, 1)
    time = inputs[preprocessing.EVENT_TIME][:, -max_sessions:].flat_values
    session = index.values.value_rowids()
    length = index.row_lengths()
    return History(
        index.flat_values,
        row.flat_values,
        is_engaged,
        _is_last(time, is_engaged, session),
        session,
        index.value_rowids(),
        tf.ragged.range(length).flat_values,
        length,
        *(inputs[name][:, -(max_sessions + 1) :].to_tensor() for name in preprocessing.VISITS),
    )


def _is_last(time: tf.Tensor, is_engaged: tf.Tensor, session: tf.Tensor) -> tf.Tensor:
    """bool [E]: engaged, at the time of its session's latest engagement."""
    time = tf.where(is_engaged, time, time.dtype.min)
    latest = tf.math.segment_max(time, session)
    return tf.logical_and(is_engaged, tf.equal(time, tf.gather(latest, session)))
