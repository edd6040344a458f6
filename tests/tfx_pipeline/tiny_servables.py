"""Hand-made requests and servables that answer every request with the same list."""

from pathlib import Path

import tensorflow as tf

from model import features

# Sessions of history, target items, whether they were engaged.
REQUESTS = [
    (0, ["a", "b"], [1, 1]),
    (2, ["a", "x"], [1, 0]),
    (6, ["b"], [1]),
    (6, ["a"], [0]),  # Nothing engaged: counts nowhere.
]
GOOD_LIST = ["a", "b", "c"]
BAD_LIST = ["z", "y", "a"]


def example(
    user_id: str, sessions: int, target: list[str], engaged: list[int], shops: list[str] = ()
) -> bytes:
    def ints(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def texts(values):
        values = [value.encode() for value in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    feature = {
        features.USER_ID: texts([user_id]),
        features.ITEM_ID: texts(["a", "b"] * sessions),
        features.ENGAGED: ints([1, 1] * sessions),
        features.TIMESTAMP: ints([1, 2] * sessions),
        features.SESSION_LENGTH: ints([2] * sessions),
        features.REQUEST_TIMESTAMP: ints([3]),
        features.TARGET_ITEM_ID: texts(target),
        features.TARGET_ENGAGED: ints(engaged),
        "shop": texts([shop for shop in shops for _ in range(2)]),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


class FixedList(tf.Module):
    """A servable that ignores its input."""

    def __init__(self, items: list):
        super().__init__()
        self._items = tf.constant([items])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(self, examples):
        batch = tf.shape(examples)[0]
        return {
            "item_id": tf.repeat(self._items, batch, 0),
            "score": tf.zeros([batch, self._items.shape[1]]),
        }

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="examples"),
            tf.TensorSpec([None, None], tf.string, name="candidate_item_id"),
        ]
    )
    def rank(self, examples, candidate_item_id):
        is_first = tf.equal(candidate_item_id, tf.strings.as_string(self._items)[:, :1])
        return {"score": tf.cast(is_first, tf.float32)}


def save_servable(folder: Path, items: list) -> str:
    """Writes a model artifact's folder and returns it."""
    module = FixedList(items)
    signatures = {"serving_default": module.serving_default, "rank": module.rank}
    tf.saved_model.save(module, str(folder / "Format-Serving"), signatures)
    return str(folder)


def save_examples(folder: Path, copies: int = 1, requests: list = REQUESTS) -> str:
    """Writes requests as the splits `test` and `refit` of an Examples artifact; returns its folder.

    Args:
      folder: of the artifact.
      copies: how often each request is there.
      requests: sessions, target, engaged and, as a further column, the shop of each session, as
        `example` takes them; users are numbered.
    """
    for split in (features.TEST_SPLIT, features.REFIT_SPLIT):
        (folder / f"Split-{split}").mkdir(parents=True)
        path = folder / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for number, request in enumerate(requests * copies):
                writer.write(example(str(number), *request))
    return str(folder)
