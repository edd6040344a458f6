"""SPM, the session prediction module (paper, step 4), and the model as a whole."""

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from model.batches import Targets
from model.candidates import CandidateSampler, is_sampled, whole_catalogue
from model.catalogue import Catalogue, is_in_catalogue
from model.config import ModelConfig
from model.distribution import sum_over_replicas
from model.history import History, Requests
from model.item_encoder import ItemEncoder
from model.losses import PADDING, retrieval_loss
from model.pair_scores import add_pairs
from model.paradigms import PARADIGMS
from model.rank_head import RankHead
from model.rank_losses import RANK_LOSSES
from model.trend import Trend
from model.user_encoder import Reading, UserEncoder
from model.validation import TopMetrics


class SessionModel(tfrs.Model):
    """Predicts the set of items of the next session from a user's sessions so far."""

    def __init__(self, config: ModelConfig, catalogue: Catalogue, max_sessions: int):
        """Build the layers.

        Args:
          config: the model's section of the configuration.
          catalogue: the vocabulary, its popularity and its features.
          max_sessions: longest history.
        """
        super().__init__()
        # The metrics that a step reports are of all replicas already.
        self.distribute_reduction_method = "first"
        self.max_sessions = max_sessions
        self.arrange = PARADIGMS[config.paradigm]
        self.vocabulary_size = len(catalogue.item_ids)
        self._config = config
        self._row = tf.constant(catalogue.row)
        self.items = ItemEncoder(config, self.vocabulary_size, catalogue.table)
        self.scored_items = self.items
        if not config.shared_embedding:
            self.scored_items = ItemEncoder(
                config, self.vocabulary_size, catalogue.table, name="scored_item_encoder"
            )
        self.item_bias = tf.Variable(_log_popularity(catalogue.count), name="item_bias")
        self.trend = None
        if config.trend:
            self.trend = Trend(catalogue.period_count[:, 1:-1])
        self.users = UserEncoder(config, catalogue, max_sessions)
        self.rank_head = None
        if config.rank_weight:
            self.rank_head = RankHead(config.dim, _exposures(catalogue))
        self._sampler = None
        if is_sampled(config.retrieval_loss, self.vocabulary_size):
            self._sampler = CandidateSampler(config, catalogue.count)
        self._rank_task = tfrs.tasks.Ranking(
            loss=RANK_LOSSES[config.rank_loss](reduction=tf.keras.losses.Reduction.SUM)
        )
        self._loss = tf.keras.metrics.Mean(name="loss")
        self._top = TopMetrics()
        self._ndcg, self._recall = self._top.ndcg, self._top.recall

    def item_vectors(self) -> list[tf.Tensor]:
        """Vectors of all vocabulary indices, [V + 2, dim]; V + 1 is an item without features.

        The first are what histories are read with, the last what is scored: the same if shared.
        """
        every = tf.range(self.vocabulary_size + 2, dtype=tf.int64)
        encoders = dict.fromkeys((self.items, self.scored_items))
        return [encoder(every, self._row) for encoder in encoders]

    def read(
        self,
        history: History,
        vectors: list[tf.Tensor] | None,
        requests: Requests,
        training: bool = False,
    ) -> Reading:
        """What items are scored with at N requests.

        Args:
          history: B users.
          vectors: `item_vectors()`; without them, only those of the history are computed.
          requests: of these users.
          training: whether dropout is on.
        """
        events = self.items.lookup(vectors and vectors[0], history.index, history.row)
        return self.users(history, events, requests, training=training)

    def scores(self, reading: Reading, index: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Scores [N, C] of the items of vocabulary indices [C], ascending, and vectors [C, dim]."""
        # One product for all terms: a tensor [N, C] each is what takes the time of a step.
        of_requests = [reading.vector, tf.ones_like(reading.vector[:, :1])]
        of_items = [items, tf.gather(self.item_bias, index)[:, tf.newaxis]]
        if self.trend is not None:
            of_request, of_item = self.trend(reading.period, reading.state, index)
            of_requests.append(of_request)
            of_items.append(of_item)
        logits = tf.matmul(tf.concat(of_requests, 1), tf.concat(of_items, 1), transpose_b=True)
        if reading.pairs is None:
            return logits
        return add_pairs(logits, reading.pairs, index)

    def compute_loss(self, inputs: tuple[History, Targets], training: bool = False) -> tf.Tensor:
        """Retrieval loss plus `rank_weight` times rank loss, mean over target sessions.

        In a step of several replicas it is this replica's part of the mean over all of them.
        """
        history, targets = inputs
        index, label = targets.index, targets.label  # [N, T]
        in_catalogue = is_in_catalogue(index, self.vocabulary_size)
        is_positive = tf.logical_and(in_catalogue, tf.equal(label, 1))
        if training and self._sampler is not None:
            reading = self.read(history, None, targets.requests, training)
            candidates = self._sampler(index, is_positive, reading.pairs, targets.seed)
            items = self.scored_items(candidates.index, tf.gather(self._row, candidates.index))
        else:
            vectors = self.item_vectors()
            reading = self.read(history, vectors, targets.requests, training)
            candidates = whole_catalogue(index, self.vocabulary_size)
            items = vectors[-1][1:-1]
        logits = self.scores(reading, candidates.index, items)
        # Not `batch_dims`, whose gradient is slow.
        row = tf.range(tf.shape(index, tf.int64)[0])[:, tf.newaxis]
        place = tf.stack([tf.broadcast_to(row, tf.shape(index)), candidates.column], axis=-1)
        listed = tf.gather_nd(logits, place)  # [N, T]
        # The weight of a session's own items is 1.
        weighted = logits + candidates.log_weight
        loss = tf.reduce_sum(retrieval_loss(weighted, candidates.column, listed, is_positive))
        if self.rank_head is not None:
            listed += self.rank_head(reading.vector, index, tf.gather(items, candidates.column))
            listed_label = tf.where(in_catalogue, label, PADDING)
            loss += self._config.rank_weight * self._rank_task(listed_label, listed)
        count = tf.reduce_sum(tf.cast(tf.reduce_any(is_positive, axis=1), tf.float32))
        self._loss.update_state(loss / tf.maximum(count, 1.0), count)
        if not training:
            self._top.update_state(logits, index, tf.equal(label, 1))
        return loss / tf.maximum(sum_over_replicas(count), 1.0)

    # No Python branch reads a tensor, and AutoGraph's conversion is a fifth of the time to trace.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, inputs: tuple[History, Targets]) -> dict:
        """One step of the optimizer; reports the mean loss of the epoch so far."""
        super().train_step(inputs)
        return {"loss": self._loss.result()}

    @tf.autograph.experimental.do_not_convert
    def test_step(self, inputs: tuple[History, Targets]) -> dict:
        """Adds a batch to the validation metrics and reports them."""
        super().test_step(inputs)
        return {metric.name: metric.result() for metric in self.metrics}


def make_weights(model: SessionModel, batches: tf.data.Dataset) -> None:
    """Build all layers, by a loss that nothing follows from."""
    model.distribute_strategy.run(model.compute_loss, args=(next(iter(batches)),))


def _exposures(catalogue: Catalogue) -> np.ndarray:
    """Exposures of each index, [V + 2]; one rare item is taken to have the median's."""
    count = catalogue.exposed_count.copy()
    count[-1] = np.median(count[1:-1])
    return count


def _log_popularity(item_count: np.ndarray) -> np.ndarray:
    """Log of each index's share of engagements over the mean share, [V + 2].

    V + 1 counts all rare items together; one of them is taken to have none.
    """
    count = item_count.astype(np.float64)
    count[-1] = 0.0
    return np.log(count / max(count[1:-1].mean(), 1.0) + 0.01).astype(np.float32)
