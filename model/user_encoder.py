"""From a user's sessions to the state that items are scored against (paper, steps 2 and 3)."""

from typing import NamedTuple

import tensorflow as tf

from model.catalogue import Catalogue
from model.config import ModelConfig
from model.history import History, Requests
from model.item_neighbours import FollowScorer, NeighbourScorer, TogetherScorer
from model.pair_scores import PairScores, together
from model.repeat import RepeatScorer
from model.sequence_encoders import SEQUENCE_ENCODERS
from model.session_encoders import SESSION_ENCODERS
from model.time_encoder import VisitTimeEncoder


class Reading(NamedTuple):
    """What is known of the users before any item is scored, for N requests.

    Attributes:
      vector: [N, dim].
      state: [N, dim].
      period: of the request, int64 [N].
      pairs: scores of the users' own items and of those that go with them, or None.
    """

    vector: tf.Tensor
    state: tf.Tensor
    period: tf.Tensor
    pairs: PairScores | None


class UserEncoder(tf.keras.layers.Layer):
    """ISE and SSE, and the time of the request."""

    def __init__(self, config: ModelConfig, catalogue: Catalogue, max_sessions: int):
        """Build the layers.

        Args:
          config: the model's section of the configuration.
          catalogue: the vocabulary and its popularity.
          max_sessions: longest history.
        """
        super().__init__(name="user_encoder")
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
        self._neighbours: list[NeighbourScorer] = []
        if catalogue.followers is not None:
            self._neighbours.append(FollowScorer(catalogue.count, catalogue.followers))
        if catalogue.companions is not None:
            self._neighbours.append(TogetherScorer(catalogue.count, catalogue.companions))

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
        requests: Requests,
        training: bool = False,
    ) -> Reading:
        """Read N requests.

        Args:
          history: B users.
          events: vectors of the events' items, [E, dim].
          requests: of these users.
          training: whether dropout is on.
        """
        place = requests.place
        state = tf.gather_nd(self.states(history, events, training), place)
        state += self._request(history, place, requests.is_time_known)
        latest = self._latest(requests)
        period = tf.gather_nd(history.visit_period, latest)
        vector = self._output(self._dropout(state, training=training))
        pairs = []
        if self._repeat is not None:
            now = tf.gather_nd(history.visit_time, latest)
            pairs.append(self._repeat(history, requests, now, state))
        pairs += [scorer(history, requests, state) for scorer in self._neighbours]
        return Reading(vector, state, period, together(pairs))

    def _request(self, history, place, is_time_known):
        if self._request_time is None:
            return 0.0
        at = [
            tf.gather_nd(visit, place)
            for visit in (history.visit_gap, history.visit_hour, history.visit_weekday)
        ]
        return tf.where(
            is_time_known[:, tf.newaxis], self._request_time(*at), self._no_request_time
        )

    def _latest(self, requests):
        """Places of the visits whose time is now: the request's or, unknown, the one before it."""
        position = tf.maximum(requests.position - 1, 0)
        if self._request_time is not None:
            position = tf.where(requests.is_time_known, requests.position, position)
        return requests._replace(position=position).place
