"""What TensorFlow Serving calls: raw ids in, raw ids out, all in the graph."""

import tensorflow as tf
import tensorflow_transform as tft

from model import features
from model.catalogue import Catalogue
from model.cluster_index import ClusterIndex
from model.history import at_the_end, from_transformed
from model.index import ExactIndex
from model.pair_scores import scores_of
from model.session_model import SessionModel
from model.user_encoder import Reading

EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
OUT_OF_CATALOGUE = float("-inf")


class Servable:
    """The four signatures over a trained model; every tensor's dimension 0 is the batch."""

    def __init__(
        self,
        model: SessionModel,
        transform: tft.TFTransformOutput,
        catalogue: Catalogue,
        max_k: int,
        index: ExactIndex | ClusterIndex,
    ):
        """Fix the lookup tables.

        Args:
          model: trained.
          transform: Transform's output, whose graph and vocabulary serve.
          catalogue: the items that can be recommended.
          max_k: the length of a recommendation list.
          index: finds the best items by the model's scores.
        """
        self.model = model
        self.max_k = max_k
        self._transform_layer = transform.transform_features_layer()
        spec = transform.raw_feature_spec()
        self._spec = {name: spec[name] for name in spec if name in features.REQUEST_FEATURES}
        # The same lists, not cut into sessions.
        dtypes = {name: spec[name].dtype for name in features.EVENT_FEATURES}
        self._flat_spec = {
            f"flat_{name}": tf.io.RaggedFeature(dtype, name, row_splits_dtype=tf.int64)
            for name, dtype in {**dtypes, features.SESSION_LENGTH: tf.int64}.items()
        }
        self._index = index
        self._scores = index.scores
        path = transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)
        whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        self._index_of = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(path, tf.string, whole, tf.int64, line),
            len(catalogue.item_ids),
        )
        self._item_of = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(path, tf.int64, line, tf.string, whole),
            features.PADDING_ITEM_ID,
        )
        self._row_of = catalogue.table.lookup()
        self._table = catalogue.table

    @tf.function(input_signature=[EXAMPLES], autograph=False)
    def serving_default(self, examples: tf.Tensor) -> dict:
        """The `max_k` best items: `item_id` string [B, max_k], `score` float [B, max_k]."""
        _, reading = self._read(examples)
        return self._best(reading, tf.zeros([tf.shape(examples)[0], 0], tf.int64))

    @tf.function(
        input_signature=[
            EXAMPLES,
            tf.TensorSpec([None], tf.int32, name="k"),
            tf.TensorSpec([None, None], tf.string, name="exclude_item_id"),
            tf.TensorSpec([None], tf.bool, name="exclude_seen"),
        ],
        autograph=False,
    )
    def recommend(self, examples, k, exclude_item_id, exclude_seen) -> dict:
        """The `k` best items that are not excluded; slots past `k` are '' and -inf.

        Args:
          examples: string [B].
          k: int32 [B].
          exclude_item_id: string [B, X]; '' pads.
          exclude_seen: whether to leave out all items of the history, bool [B].
        """
        seen, reading = self._read(examples)
        seen = tf.where(exclude_seen[:, tf.newaxis], seen, features.PADDING_INDEX)
        excluded = tf.concat([self._index_of.lookup(exclude_item_id) + 1, seen], axis=1)
        best = self._best(reading, excluded)
        return self._keep(best, tf.range(self.max_k) < k[:, tf.newaxis])

    @tf.function(
        input_signature=[
            EXAMPLES,
            tf.TensorSpec([None, None], tf.string, name="candidate_item_id"),
        ],
        autograph=False,
    )
    def rank(self, examples, candidate_item_id) -> dict:
        """`score` float [B, C] of each candidate [B, C], were it shown; '' pads and scores -inf.

        An item outside the vocabulary scores through its features, or as an unknown item.
        """
        _, reading = self._read(examples)
        index = self._index_of.lookup(candidate_item_id) + 1  # [B, C]
        row = tf.reshape(self._row_of.lookup(candidate_item_id), [-1])
        vectors = self.model.scored_items.lookup(self._scores.vectors, tf.reshape(index, [-1]), row)
        vectors = tf.reshape(vectors, tf.concat([tf.shape(index), tf.shape(vectors)[1:]], 0))
        score = self._scores.of(reading, index, vectors)
        score += scores_of(reading.pairs, index, self.model.vocabulary_size)
        if self.model.rank_head is not None:
            score += self.model.rank_head(reading.vector, index, vectors)
        is_item = tf.not_equal(candidate_item_id, features.PADDING_ITEM_ID)
        return {"score": tf.where(is_item, score, OUT_OF_CATALOGUE)}

    @tf.function(input_signature=[EXAMPLES], autograph=False)
    def encode(self, examples: tf.Tensor) -> dict:
        """The user vector that items are scored against: `embedding` float [B, dim]."""
        _, reading = self._read(examples)
        return {"embedding": reading.vector}

    def save(self, folder: str) -> None:
        """Write a SavedModel of the signatures and what they read.

        Not of this object, whose functions would be traced and kept a second time, nor of the
        model: its optimizer's state and a trace of each layer would go as well.
        """
        names = ("serving_default", "recommend", "rank", "encode")
        signatures = {name: getattr(self, name).get_concrete_function() for name in names}
        state = tf.Module()
        state.weights = self.model.variables
        # What weights of item features are of, for a training that starts from them.
        table = self._table
        state.feature_columns, *state.categories = (
            tf.Variable(names, trainable=False, dtype=tf.string)
            for names in (table.columns, *table.categories)
        )
        state.resources = [
            self._transform_layer,
            self._index,
            self._index_of,
            self._item_of,
            self._row_of,
        ]
        tf.saved_model.save(state, folder, signatures=signatures)

    @tf.function(input_signature=[EXAMPLES], autograph=False)
    def _read(self, examples: tf.Tensor) -> tuple[tf.Tensor, Reading]:
        """Vocabulary indices of each user's whole history, [B, E], 0 pads; and the reading."""
        transformed = self._transform_layer(self._parse(examples))
        history = from_transformed(self.model.arrange(transformed), self.model.max_sessions)
        requests = at_the_end(history, transformed)
        seen = transformed[features.ITEM_INDEX].merge_dims(1, 2)
        reading = self.model.read(history, self._scores.read_vectors, requests)
        return seen.to_tensor(features.PADDING_INDEX), reading

    def _parse(self, examples: tf.Tensor) -> dict:
        """The request's features.

        The parser cuts the events of the whole batch by the session lengths of the whole batch:
        unchecked, an event too many of one user would be read as the next one's.
        """
        parsed = tf.io.parse_example(examples, self._spec | self._flat_spec)
        *events, lengths = [parsed.pop(name) for name in self._flat_spec]
        count = tf.stack([of_users.row_lengths() for of_users in events], axis=1)  # [B, features]
        # Of lengths up to the number of all events no sum overflows.
        most = tf.size(events[0].flat_values, tf.int64)
        is_length = tf.logical_and(lengths.flat_values > 0, lengths.flat_values <= most)
        is_sum = tf.equal(count, tf.reduce_sum(lengths, axis=1, keepdims=True))
        check = tf.debugging.Assert(
            tf.logical_and(tf.reduce_all(is_length), tf.reduce_all(is_sum)),
            [
                "No session_length may be less than 1, and a user's must add up to the number of "
                f"values of {', '.join(features.EVENT_FEATURES)}."
            ],
        )
        with tf.control_dependencies([check]):
            return tf.nest.map_structure(tf.identity, parsed, expand_composites=True)

    def _best(self, reading: Reading, excluded: tf.Tensor) -> dict:
        k = min(self.max_k, self.model.vocabulary_size)
        index, score = self._index.search(reading, excluded, k)
        item_id = self._item_of.lookup(index - 1)
        missing = [[0, 0], [0, self.max_k - k]]
        best = {
            "item_id": tf.pad(item_id, missing, constant_values=features.PADDING_ITEM_ID),
            "score": tf.pad(score, missing, constant_values=OUT_OF_CATALOGUE),
        }
        return self._keep(best, tf.math.is_finite(best["score"]))

    def _keep(self, best: dict, is_kept: tf.Tensor) -> dict:
        return {
            "item_id": tf.where(is_kept, best["item_id"], features.PADDING_ITEM_ID),
            "score": tf.where(is_kept, best["score"], OUT_OF_CATALOGUE),
        }
