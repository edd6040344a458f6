"""From a user's sessions to the state that items are scored against (paper, steps 2 and 3)."""

from typing import NamedTuple

import tensorflow as tf

from model.catalogue import Catalogue
from model.config import ModelConfig
from model.follow import FollowScorer
from model.history import History
from model.pair_scores import PairScores, together
from model.repeat import RepeatScorer
from model.sequence_encoders import SEQUENCE_ENCODERS
from model.session_encoders import SESSION_ENCODERS
from model.time_encoder import VisitTimeEncoder
from model.trend import Trend


class Reading(NamedTuple):
    """What is known of the users before any item is scored, for N = B users x K requests.

    Attributes:
      vector: [N, dim].
      state: [B, K, dim].
      period: of the request, int64 [B, K].
      pairs: scores of the users' own items and of what follows their latest, or None.
    """

    vector: tf.Tensor
    state: tf.Tensor
    period: tf.Tensor
    pairs: PairScores | None


class UserEncoder(tf.keras.layers.Layer):
    """ISE and SSE, and the time of the request."""

    def __init__(
        self, config: ModelConfig, catalogue: Catalogue, max_sessions: int, trend: Trend | None
    ):
        """Build the layers.

        Args:
          config: the model's section of the configuration.
          catalogue: the vocabulary and its popularity.
          max_sessions: longest history.
          trend: shifts the state by the period of the request.
        """
        super().__init__(name="user_encoder")
        self._dim = config.dim
        self._session_encoder = SESSION_ENCODERS[config.session_encoder](config)
        self._session_time = VisitTimeEncoder(config.dim, name="session_time")
        self._request_time = None
        if config.request_time:
            self._request_time = VisitTimeEncoder(config.dim, name="request_time")
            self._no_request_time = tf.Variable(tf.zeros([config.dim]), name="no_request_time")
        self._start = tf.Variable(tf.zeros([1, 1, config.dim]), name="start_token")
        self._sequence_encoder = SEQUENCE_ENCODERS[config.sequence_encoder](
            config, max_sessions + 1
        )
        self._output = tf.keras.layers.Dense(config.dim, name="query")
        self._dropout = tf.keras.layers.Dropout(config.dropout)
        self._repeat = RepeatScorer(catalogue.count) if config.repeat else None
        self._follow = None
        if config.follow:
            assert catalogue.followers is not None
            self._follow = FollowScorer(catalogue.count, catalogue.followers)
        self._trend = trend

    def states(self, history: History, events: tf.Tensor, training: bool = False) -> tf.Tensor:
        """State after each number of sessions, [B, S + 1, dim]; step t has seen t sessions.

        Args:
          history: B users with at most S sessions and E events in all.
          events: vectors of the events' items, [E, dim].
          training: whether dropout is on.
        """
        sessions = self._session_encoder(
            events,
            history.is_engaged,
            history.is_last,
            history.session,
            tf.size(history.user),
            training=training,
        )
        steps = history.to_steps(sessions)  # [B, S, dim]
        steps += self._session_time(
            history.visit_gap[:, :-1], history.visit_hour[:, :-1], history.visit_weekday[:, :-1]
        )
        start = tf.tile(self._start, [tf.shape(steps)[0], 1, 1])
        # The start token stands at the first visit.
        visit_time = tf.concat([history.visit_time[:, :1], history.visit_time[:, :-1]], 1)
        return self._sequence_encoder(tf.concat([start, steps], 1), visit_time, training=training)

    def call(
        self,
        history: History,
        events: tf.Tensor,
        position: tf.Tensor,
        is_time_known: tf.Tensor,
        training: bool = False,
    ) -> Reading:
        """Read K requests of each user; arguments as of `states`, and those of a request.

        Args:
          history: B users.
          events: vectors of the events' items, [E, dim].
          position: how many sessions came before the request, int64 [B, K].
          is_time_known: whether the time of the request may be used, bool [B, K].
          training: whether dropout is on.
        """
        state = tf.gather(self.states(history, events, training), position, batch_dims=1)
        state += self._request(history, position, is_time_known)
        visit = self._visit(position, is_time_known)
        period = tf.gather(history.visit_period, visit, batch_dims=1)
        if self._trend is not None:
            state += self._trend.shift(period)
        vector = self._output(self._dropout(state, training=training))  # [B, K, dim]
        vector = tf.reshape(vector, [-1, self._dim])  # [N, dim]
        pairs = []
        if self._repeat is not None:
            now = tf.gather(history.visit_time, visit, batch_dims=1)
            pairs.append(self._repeat(history, position, now, state))
        if self._follow is not None:
            pairs.append(self._follow(history, position, state))
        return Reading(vector, state, period, together(pairs))

    def _request(self, history, position, is_time_known):
        if self._request_time is None:
            return 0.0
        at = [
            tf.gather(visit, position, batch_dims=1)
            for visit in (history.visit_gap, history.visit_hour, history.visit_weekday)
        ]
        known = is_time_known[..., tf.newaxis]
        return tf.where(known, self._request_time(*at), self._no_request_time)

    def _visit(self, position, is_time_known):
        """The visit whose time is now: the request's or, unknown, the one before it, [B, K]."""
        if self._request_time is None:
            is_time_known = tf.zeros_like(is_time_known)
        return tf.where(is_time_known, position, tf.maximum(position - 1, 0))
