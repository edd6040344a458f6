"""A SavedModel with the recommender's four signatures and answers that are easy to foresee."""

from pathlib import Path

import tensorflow as tf

import model.features as features

CATALOGUE = ("a", "b", "c", "d")  # scores 4, 3, 2, 1
MAX_K = len(CATALOGUE)
_EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")


def _seen(examples: tf.Tensor) -> tf.Tensor:
    """Item ids of each history, '' padded, string [batch, items]."""
    spec = {features.ITEM_ID: tf.io.RaggedFeature(tf.string)}
    return tf.io.parse_example(examples, spec)[features.ITEM_ID].to_tensor("")


def _is_among(ids: tf.Tensor) -> tf.Tensor:
    """Which catalogue items are among each row of ids, bool [batch, catalogue]."""
    return tf.reduce_any(tf.constant(CATALOGUE)[None, :, None] == ids[:, None, :], axis=-1)


def _top(hidden: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
    scores = tf.where(hidden, float("-inf"), tf.constant([4.0, 3.0, 2.0, 1.0]))
    best = tf.math.top_k(scores, MAX_K)
    shown = (tf.range(MAX_K) < k[:, None]) & (best.values > float("-inf"))
    return {
        "item_id": tf.where(shown, tf.gather(tf.constant(CATALOGUE), best.indices), ""),
        "score": tf.where(shown, best.values, float("-inf")),
    }


class FakeRecommender(tf.Module):
    @tf.function(input_signature=[_EXAMPLES])
    def serving_default(self, examples):
        hidden = tf.zeros([tf.size(examples), MAX_K], tf.bool)
        return _top(hidden, tf.fill([tf.size(examples)], MAX_K))

    @tf.function(
        input_signature=[
            _EXAMPLES,
            tf.TensorSpec([None], tf.int32, name="k"),
            tf.TensorSpec([None, None], tf.string, name="exclude_item_id"),
            tf.TensorSpec([None], tf.bool, name="exclude_seen"),
        ]
    )
    def recommend(self, examples, k, exclude_item_id, exclude_seen):
        hidden = exclude_seen[:, None] & _is_among(_seen(examples))
        return _top(hidden | _is_among(exclude_item_id), k)

    @tf.function(
        input_signature=[
            _EXAMPLES,
            tf.TensorSpec([None, None], tf.string, name="candidate_item_id"),
        ]
    )
    def rank(self, examples, candidate_item_id):
        length = tf.strings.length(candidate_item_id)
        return {"score": tf.cast(length, tf.float32) + 0.0 * tf.cast(tf.size(examples), tf.float32)}

    @tf.function(input_signature=[_EXAMPLES])
    def encode(self, examples):
        """Two numbers: how many items the history has, and how many sessions."""
        keys = (features.ITEM_ID, features.SESSION_LENGTH)
        types = (tf.string, tf.int64)
        spec = {key: tf.io.RaggedFeature(dtype) for key, dtype in zip(keys, types, strict=True)}
        parsed = tf.io.parse_example(examples, spec)
        counts = [tf.cast(parsed[key].row_lengths(), tf.float32) for key in keys]
        return {"embedding": tf.stack(counts, axis=1)}


def save_fake_recommender(path: Path) -> None:
    module = FakeRecommender()
    names = ("serving_default", "recommend", "rank", "encode")
    signatures = {name: getattr(module, name) for name in names}
    tf.saved_model.save(module, str(path), signatures=signatures)
