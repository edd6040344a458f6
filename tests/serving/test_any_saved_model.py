"""SavedModels that have nothing to do with recommendations."""

import numpy as np
import pytest
import tensorflow as tf
from peers import Peer, flags
from serving_models import DTYPES, predict_request

from serving.server.model_server import ModelServer

MODEL = "anything"
SERVED = [dtype for dtype in DTYPES if dtype not in (tf.complex64, tf.complex128)]


class Anything(tf.Module):
    """Echoes tensors of every type and shape; counts in a table; adds scalars."""

    def __init__(self, vocabulary: str):
        super().__init__()
        self.path = tf.saved_model.Asset(vocabulary)
        initializer = tf.lookup.TextFileInitializer(
            self.path,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    @tf.function(input_signature=[tf.TensorSpec(None, dtype, name=dtype.name) for dtype in SERVED])
    def echo(self, *tensors):
        return {
            f"{dtype.name}_out": tf.identity(tensor)
            for dtype, tensor in zip(SERVED, tensors, strict=True)
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def index(self, word):
        return {"line": self.table.lookup(word)}

    @tf.function(
        input_signature=[tf.TensorSpec([], tf.float64, name=name) for name in ("left", "right")]
    )
    def sums(self, left, right):
        return {"sum": left + right, "difference": left - right, "is_less": left < right}


def save_in_tensorflow_1_style(path: str) -> None:
    """A graph with a session's variable, whose signature feeds inner tensors."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3])
        weight = tf.compat.v1.get_variable("w", initializer=tf.constant([[1.0], [2.0], [3.0]]))
        y = tf.matmul(x, weight)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, path, {"x": x}, {"y": y})


@pytest.fixture(scope="module")
def anything(tmp_path_factory):
    root = tmp_path_factory.mktemp("anything")
    vocabulary = root / "words.txt"
    vocabulary.write_text("red\ngreen\n")
    module = Anything(str(vocabulary))
    signatures = {"echo": module.echo, "index": module.index, "sums": module.sums}
    tf.saved_model.save(module, str(root / "served" / "1"), signatures=signatures)
    vocabulary.unlink()  # the asset's copy is what counts
    with ModelServer(flags(root / "served", MODEL)) as server:
        yield Peer(server)


def predict(peer: Peer, signature: str, inputs: dict) -> dict[str, np.ndarray]:
    response = peer.predict(predict_request(inputs, name=MODEL, signature=signature))
    return {alias: tf.make_ndarray(proto) for alias, proto in response.outputs.items()}


@pytest.mark.parametrize("shape", [(), (3,), (2, 1, 2), (0, 4)], ids=str)
def test_every_dtype_and_shape_goes_in_and_out(anything, shape):
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    sent = {dtype: tf.cast(numbers, dtype) for dtype in SERVED if dtype != tf.string}
    sent[tf.string] = tf.strings.as_string(numbers)
    arrays = {d: np.array(tensor.numpy(), d.as_numpy_dtype) for d, tensor in sent.items()}
    inputs = {dtype.name: tf.make_tensor_proto(array) for dtype, array in arrays.items()}
    outputs = predict(anything, "echo", inputs)
    for dtype, array in arrays.items():
        got = outputs[f"{dtype.name}_out"]
        assert got.shape == shape
        assert got.dtype == dtype.as_numpy_dtype
        np.testing.assert_array_equal(got, array)


def test_scalars_and_several_outputs(anything):
    outputs = predict(anything, "sums", {"left": np.float64(1.5), "right": np.float64(4.0)})
    assert {alias: value.item() for alias, value in outputs.items()} == {
        "sum": 5.5,
        "difference": -2.5,
        "is_less": True,
    }


def test_tables_read_their_assets(anything):
    lines = predict(anything, "index", {"word": [b"green", b"blue", b"red"]})["line"]
    assert lines.tolist() == [1, -1, 0]


def test_a_model_saved_in_tensorflow_1_style(tmp_path):
    save_in_tensorflow_1_style(str(tmp_path / "served" / "1"))
    with ModelServer(flags(tmp_path / "served", MODEL)) as server:
        x = np.array([[1, 0, 0], [1, 1, 1]], np.float32)
        assert predict(Peer(server), "", {"x": x})["y"].tolist() == [[1.0], [6.0]]
