"""Whatever is sent, the answer has the right status and the server goes on."""

import random
from collections import Counter

import grpc
import numpy as np
import psutil
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers import Peer
from serving_models import MODEL, half_request, predict_request
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
# gRPC itself answers bytes that are no PredictRequest, and methods that do not exist.
INTERNAL, UNIMPLEMENTED = grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED
PREDICT = "/tensorflow.serving.PredictionService/Predict"
ONE = np.ones(1, np.float32)
OTHER_DTYPES = (np.float64, np.int8, np.int32, np.int64, np.uint8, np.bool_, np.complex64)
ROUNDS, KINDS = 500, 20


def unicode_text(rng: random.Random, longest: int) -> str:
    """Text of any planes, which is no name of ours."""
    letters = [chr(rng.choice([0, 10, 0xE9, 0x4E2D, 0x1F600]) + rng.randrange(64)) for _ in "123"]
    return "?" + "".join(rng.choices(letters, k=rng.randrange(longest)))


def huge_tensor(rng: random.Random) -> tensor_pb2.TensorProto:
    """A few bytes that claim to be more elements than there is memory for."""
    sizes = rng.choice([[2**40], [2**62], [2**31, 2**31], [2**20, 2**20, 2**20], [2**63 - 1, 2]])
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
    shape = tensor_shape_pb2.TensorShapeProto(dim=dims)
    return tensor_pb2.TensorProto(
        dtype=types_pb2.DT_FLOAT, tensor_shape=shape, tensor_content=rng.randbytes(8)
    )


def damaged_tensor(rng: random.Random) -> tensor_pb2.TensorProto:
    proto = tf.make_tensor_proto(np.ones(rng.randrange(2, 9), np.float32))
    proto.tensor_content = proto.tensor_content[: -rng.randrange(1, 8)]
    return proto


def labelled(label: str) -> predict_pb2.PredictRequest:
    request = half_request(1.0)
    request.model_spec.version_label = label
    return request


def filtered(*aliases: str) -> predict_pb2.PredictRequest:
    request = half_request(1.0)
    request.output_filter.extend(aliases)
    return request


def malformed(rng: random.Random) -> list[tuple[str, bytes, grpc.StatusCode]]:
    """One request of each kind: (method, message, the status it must get)."""
    text = unicode_text(rng, 50)
    long_name = unicode_text(rng, 2) * 2000
    negative = tf.make_tensor_proto(ONE)
    negative.tensor_shape.dim[0].size = -rng.randrange(1, 2**40)
    requests = [
        (predict_pb2.PredictRequest(), INVALID),
        (half_request(1.0, name=""), INVALID),
        (half_request(1.0, name=text), NOT_FOUND),
        (half_request(1.0, name=long_name), NOT_FOUND),
        (half_request(1.0, version=rng.randrange(2, 2**63)), NOT_FOUND),
        (labelled(text), INVALID),
        (half_request(1.0, signature=text), PRECONDITION),
        (half_request(1.0, signature=long_name), PRECONDITION),
        (predict_request({}), INVALID),
        (predict_request({text: ONE}), INVALID),
        (predict_request({"x": ONE, text: ONE}), INVALID),
        (filtered(text), INVALID),
        (filtered("y", "y"), INVALID),
        (predict_request({"x": np.ones(3, rng.choice(OTHER_DTYPES))}), INVALID),
        (predict_request({"x": [rng.randbytes(9)]}), INVALID),
        (predict_request({"x": rng.choice([tensor_pb2.TensorProto(), negative])}), INVALID),
        (predict_request({"x": rng.choice([huge_tensor, damaged_tensor])(rng)}), INVALID),
        # `pair` wants two numbers.
        (half_request(*[1.0] * rng.randrange(3, 9), signature="pair"), INVALID),
    ]
    # No message begins with wire type 7.
    garbage = b"\xff" + rng.randbytes(rng.randrange(200))
    return [
        *((PREDICT, request.SerializeToString(), code) for request, code in requests),
        (PREDICT, garbage, INTERNAL),
        (f"/tensorflow.serving.PredictionService/X{rng.randrange(10**6)}", b"", UNIMPLEMENTED),
    ]


def status_of(peer: Peer, method: str, message: bytes) -> grpc.StatusCode:
    try:
        peer.channel.unary_unary(method)(message, timeout=30.0)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def send_rounds(peer: Peer, rng: random.Random, rounds: int) -> Counter:
    """Sends a request of each kind so often; counts those that got another status."""
    wrong: Counter = Counter()
    for _ in range(rounds):
        kinds = malformed(rng)
        assert len(kinds) == KINDS
        for kind, (method, message, code) in enumerate(kinds):
            got = status_of(peer, method, message)
            wrong[kind, code, got] += got != code
    return +wrong


def test_each_kind_gets_its_status(peer):
    assert send_rounds(peer, random.Random(1), 3) == Counter()
    assert peer.predict(half_request(0.0)).outputs["y"].float_val[0] == 1.0


@pytest.mark.slow
def test_ten_thousand_malformed_requests_leave_no_trace(peer):
    rng = random.Random(0)
    process = psutil.Process()
    assert send_rounds(peer, rng, ROUNDS // 5) == Counter()
    before_mb = process.memory_info().rss / 2**20
    assert send_rounds(peer, rng, ROUNDS - ROUNDS // 5) == Counter()
    assert process.memory_info().rss / 2**20 < before_mb + 16
    assert peer.predict(half_request(0.0)).outputs["y"].float_val[0] == 1.0


NAMES = st.sampled_from([MODEL, "", "x", "serving_default", "join", "pair", "left", "right"])
TEXTS = NAMES | st.text(max_size=20)
SIZES = st.integers(-2, 3) | st.sampled_from([2**40, 2**62])
SMALL = st.integers(0, 3)


@st.composite
def tensor_protos(draw) -> tensor_pb2.TensorProto:
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=draw(SIZES)) for _ in range(draw(SMALL))]
    shape = tensor_shape_pb2.TensorShapeProto(dim=dims, unknown_rank=draw(st.booleans()))
    return tensor_pb2.TensorProto(
        dtype=draw(st.sampled_from(types_pb2.DataType.values())),
        tensor_shape=shape,
        tensor_content=draw(st.binary(max_size=9)),
        float_val=draw(st.lists(st.floats(width=32), max_size=3)),
        string_val=draw(st.lists(st.binary(max_size=3), max_size=3)),
        int64_val=draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)),
    )


@settings(
    max_examples=400,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.just(MODEL) | TEXTS,
    signature=TEXTS,
    inputs=st.dictionaries(TEXTS, tensor_protos(), max_size=3),
    output_filter=st.lists(TEXTS, max_size=2),
)
def test_random_requests(peer, name, signature, inputs, output_filter):
    request = predict_request(inputs, name=name, signature=signature)
    request.output_filter.extend(output_filter)
    try:
        peer.predict(request)
    except grpc.RpcError as error:
        assert error.code() in {INVALID, NOT_FOUND, PRECONDITION}, (error.details(), request)


def test_large_requests_are_served(peer):
    x = np.arange(2_000_000, dtype=np.float32)  # 8 MB, twice gRPC's default limit
    channel = grpc.insecure_channel(
        peer.server.target,
        options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)],
    )
    call = channel.unary_unary(
        PREDICT,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=predict_pb2.PredictResponse.FromString,
    )
    response = call(predict_request({"x": x}), timeout=60.0)
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), x / 2 + 1)
