"""Tiny SavedModels to serve, and requests for them."""

import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

import model.features  # noqa: F401  (sets TF_USE_LEGACY_KERAS before TensorFlow is imported)

MODEL = "half"
DTYPES = (
    *(tf.float16, tf.bfloat16, tf.float32, tf.float64),
    *(tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64),
    *(tf.bool, tf.string, tf.complex64, tf.complex128),
)


class HalfPlus(tf.Module):
    """serving_default: y = x / 2 + offset; join: strings; pair: fails unless x has 2 items.

    count: takes about a microsecond for each of n.
    """

    def __init__(self, offset: float, ballast_mb: int):
        super().__init__()
        self.offset = tf.Variable(offset)
        self.ballast = tf.Variable(tf.ones([ballast_mb, 2**18]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def half(self, x):
        return {"y": x / 2.0 + self.offset, "x_again": x}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="left"),
            tf.TensorSpec([None], tf.int64, name="right"),
        ]
    )
    def join(self, left, right):
        return {"joined": left + tf.strings.as_string(right)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def pair(self, x):
        return {"y": tf.ensure_shape(x, [2])}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="n")])
    def count(self, n):
        return {"n": tf.while_loop(lambda i: i < n, lambda i: i + 1, [0])[0]}


def save_half_plus(path: Path, offset: float, ballast_mb: int = 0) -> None:
    """Saves HalfPlus with so much memory that no request needs."""
    module = HalfPlus(offset, ballast_mb)
    names = ("join", "pair", "count")
    signatures = {"serving_default": module.half, **{name: getattr(module, name) for name in names}}
    tf.saved_model.save(module, str(path), signatures=signatures)


def publish(model_path: Path, base_path: Path, version: int) -> None:
    """Puts a copy of a saved model where the server looks, all at once."""
    staged = base_path.with_name(f"staged-{version}")
    shutil.copytree(model_path, staged)
    base_path.mkdir(exist_ok=True)
    staged.rename(base_path / str(version))


def write_warm_up(model_path: Path, requests: list[predict_pb2.PredictRequest]) -> None:
    path = model_path / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def predict_request(
    inputs: dict, *, name: str = MODEL, signature: str = "", version: int | None = None
) -> predict_pb2.PredictRequest:
    """Inputs may be arrays, lists of bytes, or ready TensorProtos."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for alias, value in inputs.items():
        is_proto = hasattr(value, "tensor_shape")
        request.inputs[alias].CopyFrom(value if is_proto else tf.make_tensor_proto(value))
    return request


def half_request(*x: float, **options) -> predict_pb2.PredictRequest:
    return predict_request({"x": np.array(x, np.float32)}, **options)
