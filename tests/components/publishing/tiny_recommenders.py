"""SavedModels with one signature and a warm-up file, as small as the servable check allows."""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

SIGNATURE = "serving_default"
REQUEST = [b"new user", b"old user"]


class Recommender(tf.Module):
    """Answers every request with the same list; a 'real' user may be given an empty one."""

    def __init__(self, items: list[bytes], real_users_answered: bool = True):
        super().__init__()
        self._items = tf.constant([items])
        self._answered = real_users_answered

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        items = tf.repeat(self._items, tf.shape(examples)[0], 0)
        scores = tf.strings.to_number(tf.strings.regex_replace(items, "[a-z]+", "0.5"))
        is_empty = tf.reshape(examples == b"real user", [-1, 1]) & (not self._answered)
        return {"item_id": tf.where(is_empty, "", items), "score": scores}


def save(path: Path, items: list[bytes], real_users_answered: bool = True) -> Recommender:
    """Writes the SavedModel without warm-up requests."""
    model = Recommender(items, real_users_answered)
    tf.saved_model.save(model, str(path), {SIGNATURE: model.serve})
    return model


def record(path: Path, answers: dict[str, list]) -> None:
    """Writes the warm-up file: one request and what was answered."""
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = SIGNATURE
    log.predict_log.request.inputs["examples"].CopyFrom(tf.make_tensor_proto(REQUEST))
    for name, value in answers.items():
        log.predict_log.response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    write_warm_up(path, [log.SerializeToString()])


def write_warm_up(path: Path, records: list[bytes]) -> None:
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for serialized in records:
            writer.write(serialized)


def save_users(folder: Path) -> str:
    """A split's folder with one gzip TFRecord of one user."""
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "data.gz"), "GZIP") as writer:
        writer.write(b"real user")
    return str(folder)
