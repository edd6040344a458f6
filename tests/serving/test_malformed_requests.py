"""Whatever is sent, the answer has a fitting status and the server goes on."""

import grpc
import numpy as np
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_models import MODEL, half_request, predict_request
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2

# The statuses that TensorFlow Serving itself gives to a request it cannot use.
EXPECTED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}
NAMES = st.sampled_from([MODEL, "", "x", "serving_default", "join", "pair", "left", "right"])
TEXTS = NAMES | st.text(max_size=20)
SIZES = st.integers(-2, 3) | st.sampled_from([2**40, 2**62])


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


SMALL = st.integers(0, 3)


@settings(
    max_examples=400,
    deadline=None,
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
        assert error.code() in EXPECTED, (error.code(), error.details(), request)


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(payload=st.binary(max_size=200))
def test_random_bytes(peer, payload):
    call = peer.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    try:
        call(payload, timeout=30.0)
    except grpc.RpcError as error:
        # gRPC itself answers bytes that are no PredictRequest.
        assert error.code() in EXPECTED | {grpc.StatusCode.INTERNAL}, error.details()
    assert peer.predict(half_request(0.0)).outputs["y"].float_val[0] == 1.0


def test_large_requests_are_served(peer):
    x = np.arange(2_000_000, dtype=np.float32)  # 8 MB, twice gRPC's default limit
    channel = grpc.insecure_channel(
        peer.server.target,
        options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)],
    )
    call = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=type(peer.predict(half_request(0.0))).FromString,
    )
    response = call(predict_request({"x": x}), timeout=60.0)
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), x / 2 + 1)
