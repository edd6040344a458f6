"""What TensorFlow Serving calls: raw ids in, raw ids out, all in the graph."""

import tensorflow as tf
import tensorflow_transform as tft

from model import features
from model.catalogue import Catalogue
from model.history import from_transformed
from model.preprocessing import REQUEST_KNOWN
from model.session_model import Query, SessionModel

EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
OUT_OF_CATALOGUE = float("-inf")


class Servable(tf.Module):
    """The four signatures over a trained model; every tensor's dimension 0 is the batch."""

    def __init__(
        self,
        model: SessionModel,
        transform: tft.TFTransformOutput,
        catalogue: Catalogue,
        max_k: int,
    ):
        """Fix the item vectors and the lookup tables.

        Args:
          model: trained.
          transform: Transform's output, whose graph and vocabulary serve.
          catalogue: the items that can be recommended.
          max_k: the length of a recommendation list.
        """
        super().__init__()
        # Only its weights go into the SavedModel: were the model an attribute, its optimizer's
        # state and a trace of each layer would go as well.
        self._get_model = lambda: model
        self._weights = model.variables
        self.max_k = max_k
        self._transform_layer = transform.transform_features_layer()
        spec = transform.raw_feature_spec()
        self._spec = {name: spec[name] for name in spec if name not in features.TARGET_FEATURES}
        self._vectors = [
            tf.Variable(vectors, trainable=False, name="item_vectors")
            for vectors in model.item_vectors()
        ]
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

    @property
    def model(self) -> SessionModel:
        """The model that answers."""
        return self._get_model()

    @tf.function(input_signature=[EXAMPLES])
    def serving_default(self, examples: tf.Tensor) -> dict:
        """The `max_k` best items: `item_id` string [B, max_k], `score` float [B, max_k]."""
        _, query = self._query(examples)
        return self._best(query.logits)

    @tf.function(
        input_signature=[
            EXAMPLES,
            tf.TensorSpec([None], tf.int32, name="k"),
            tf.TensorSpec([None, None], tf.string, name="exclude_item_id"),
            tf.TensorSpec([None], tf.bool, name="exclude_seen"),
        ]
    )
    def recommend(self, examples, k, exclude_item_id, exclude_seen) -> dict:
        """The `k` best items that are not excluded; slots past `k` are '' and -inf.

        Args:
          examples: string [B].
          k: int32 [B].
          exclude_item_id: string [B, X]; '' pads.
          exclude_seen: whether to leave out all items of the history, bool [B].
        """
        seen, query = self._query(examples)
        logits = self._exclude(query.logits, self._index_of.lookup(exclude_item_id) + 1)
        hidden = tf.where(exclude_seen[:, tf.newaxis], seen, features.PADDING_INDEX)
        best = self._best(self._exclude(logits, hidden))
        return self._keep(best, tf.range(self.max_k) < k[:, tf.newaxis])

    @tf.function(
        input_signature=[EXAMPLES, tf.TensorSpec([None, None], tf.string, name="candidate_item_id")]
    )
    def rank(self, examples, candidate_item_id) -> dict:
        """`score` float [B, C] of each candidate [B, C]; '' pads and scores -inf.

        An item outside the vocabulary scores through its features, or as an unknown item.
        """
        _, query = self._query(examples)
        index = self._index_of.lookup(candidate_item_id) + 1  # [B, C]
        is_known = index <= self.model.vocabulary_size
        known = tf.gather(query.logits, tf.where(is_known, index - 1, 0), batch_dims=1)
        flat = tf.reshape(index, [-1])
        row = tf.reshape(self._row_of.lookup(candidate_item_id), [-1])
        vector = self.model.scored_items.lookup(self._vectors[-1], flat, row)
        vector = tf.reshape(vector, tf.concat([tf.shape(index), [tf.shape(vector)[1]]], 0))
        unknown = tf.einsum("bd,bcd->bc", query.vector, vector)
        unknown += tf.gather(self.model.item_bias, index)
        score = tf.where(is_known, known, unknown)
        if self.model.rank_head is not None:
            score += self.model.rank_head(query.vector, index, vector)
        is_item = tf.not_equal(candidate_item_id, features.PADDING_ITEM_ID)
        return {"score": tf.where(is_item, score, OUT_OF_CATALOGUE)}

    @tf.function(input_signature=[EXAMPLES])
    def encode(self, examples: tf.Tensor) -> dict:
        """The user vector that items are scored against: `embedding` float [B, dim]."""
        _, query = self._query(examples)
        return {"embedding": query.vector}

    def signatures(self) -> dict:
        """Signature name -> concrete function, as `tf.saved_model.save` takes them."""
        names = ("serving_default", "recommend", "rank", "encode")
        return {name: getattr(self, name).get_concrete_function() for name in names}

    def _query(self, examples: tf.Tensor) -> tuple[tf.Tensor, Query]:
        """Vocabulary indices of each user's whole history, [B, E], 0 pads; and the query."""
        transformed = self._transform_layer(tf.io.parse_example(examples, self._spec))
        history = from_transformed(self.model.arrange(transformed), self.model.max_sessions)
        is_known = tf.equal(transformed[REQUEST_KNOWN], 1)[:, tf.newaxis]
        position = history.length[:, tf.newaxis]
        seen = transformed[features.ITEM_INDEX].merge_dims(1, 2)
        query = self.model.query(history, self._vectors, position, is_known)
        return seen.to_tensor(features.PADDING_INDEX), query

    def _exclude(self, logits: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """Logits [B, V] with vocabulary indices [B, X] at -inf; 0 and V + 1 exclude nothing."""
        is_item = tf.logical_and(index >= 1, index <= self.model.vocabulary_size)
        place = tf.where(is_item)  # [excluded, 2]
        place = tf.stack([place[:, 0], tf.gather_nd(index, place) - 1], axis=1)
        low = tf.fill(tf.shape(place)[:1], OUT_OF_CATALOGUE)
        return tf.tensor_scatter_nd_update(logits, place, low)

    def _best(self, logits: tf.Tensor) -> dict:
        k = min(self.max_k, self.model.vocabulary_size)
        score, place = tf.math.top_k(logits, k)
        item_id = self._item_of.lookup(tf.cast(place, tf.int64))
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
