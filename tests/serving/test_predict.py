"""Predict, GetModelMetadata and the rest, as TensorFlow Serving's sources have them."""

import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from peers import Peer, flags
from serving_models import MODEL, half_request, predict_request, publish
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server.model_server import ModelServer
from serving.server.servable import Servable

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
ONE = np.array([1.0], np.float32)


@pytest.fixture(scope="module")
def server(half_plus, tmp_path_factory):
    base_path = tmp_path_factory.mktemp("predict") / "served"
    publish(half_plus(1), base_path, 7)
    with ModelServer(flags(base_path)) as model_server:
        yield Peer(model_server)


def status_of(call, request) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=30.0)
    return caught.value.code(), caught.value.details()


def labelled(label: str) -> predict_pb2.PredictRequest:
    request = half_request(1.0)
    request.model_spec.version_label = label
    return request


def filtered(*aliases: str) -> predict_pb2.PredictRequest:
    request = half_request(1.0)
    request.output_filter.extend(aliases)
    return request


def test_answers_with_typed_fields_and_the_spec_that_was_used(server):
    response = server.predict(half_request(2.0, 4.0))
    assert list(response.outputs["y"].float_val) == [2.0, 3.0]
    assert response.outputs["y"].tensor_content == b""
    assert [dim.size for dim in response.outputs["y"].tensor_shape.dim] == [2]
    assert response.model_spec.name == MODEL
    assert response.model_spec.version.value == 7
    assert response.model_spec.signature_name == "serving_default"


def test_strings_go_in_and_out(server):
    inputs = {"left": [b"a\0", b"\xff"], "right": np.array([1, 2], np.int64)}
    response = server.predict(predict_request(inputs, signature="join", version=7))
    assert list(response.outputs["joined"].string_val) == [b"a\x001", b"\xff2"]


def test_output_filter_selects(server):
    assert list(server.predict(filtered("y")).outputs) == ["y"]
    assert sorted(server.predict(half_request(1.0)).outputs) == ["x_again", "y"]


def test_the_fed_shape_is_not_checked_against_the_signature(server):
    response = server.predict(predict_request({"x": np.ones((2, 1), np.float32)}))
    assert [dim.size for dim in response.outputs["y"].tensor_shape.dim] == [2, 1]


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (predict_pb2.PredictRequest(), INVALID, "Missing ModelSpec"),
        (half_request(1.0, name=""), INVALID, "ModelSpec has no name specified."),
        (half_request(1.0, name="m"), NOT_FOUND, "Servable not found for request: Latest(m)"),
        (
            half_request(1.0, version=9),
            NOT_FOUND,
            "Servable not found for request: Specific(half, 9)",
        ),
        (
            half_request(1.0, name="m", version=7),
            NOT_FOUND,
            "Servable not found for request: Specific(m, 7)",
        ),
        (labelled("canary"), INVALID, "Unrecognized servable version label: canary"),
        (
            half_request(1.0, signature="z"),
            PRECONDITION,
            'Serving signature key "z" not found.',
        ),
        (
            predict_request({}),
            INVALID,
            "input size does not match signature: 0!=1 len({}) != len({x}). "
            "Sent extra: {}. Missing but required: {x}.",
        ),
        (
            predict_request({"x": ONE, "b": ONE, "a": ONE}),
            INVALID,
            "input size does not match signature: 3!=1 len({a,b,x}) != len({x}). "
            "Sent extra: {a,b}. Missing but required: {}.",
        ),
        (
            predict_request({"q": ONE}),
            INVALID,
            "Signature input alias: x(feed name: serving_default_x:0) not found in request and "
            "no default value provided. Inputs expected to be in the request {q}, or default "
            "input alias set: ",
        ),
        (
            predict_request({"x": [b"text"]}),
            INVALID,
            "Expects arg[0] to be float but string is provided",
        ),
        (
            predict_request({"x": np.array([1.0])}),
            INVALID,
            "Expects arg[0] to be float but double is provided",
        ),
        (
            predict_request({"x": tensor_pb2.TensorProto()}),
            INVALID,
            "tensor parsing error: x",
        ),
        (
            filtered("q"),
            INVALID,
            "output tensor alias not found in signature: q "
            "Outputs expected to be in the set {x_again,y}.",
        ),
        (filtered("y", "y"), INVALID, "duplicate output tensor alias: y"),
    ],
    ids=[
        "no model_spec",
        "no name",
        "unknown model",
        "unknown version",
        "unknown version of an unknown model",
        "unknown label",
        "unknown signature",
        "missing input",
        "extra input",
        "wrong name",
        "string for float",
        "double for float",
        "undecodable",
        "unknown output in output_filter",
        "output_filter with a duplicate",
    ],
)
def test_predict_errors(server, request_, code, message):
    assert status_of(server.prediction.Predict, request_) == (code, message)


def test_undecodable_tensors(server):
    proto = tf.make_tensor_proto(np.array([1.0, 2.0], np.float32))
    proto.tensor_content = proto.tensor_content[:-1]
    status = status_of(server.prediction.Predict, predict_request({"x": proto}))
    assert status == (INVALID, "tensor parsing error: x")


def test_an_error_of_the_run_keeps_its_code(server):
    code, message = status_of(server.prediction.Predict, half_request(1.0, signature="pair"))
    assert code == INVALID
    assert "[1]" in message and "[2]" in message


def test_long_messages_are_cut(server):
    request = half_request(1.0, signature="s" * 2000)
    code, message = status_of(server.prediction.Predict, request)
    assert code == PRECONDITION
    assert message == ('Serving signature key "' + "s" * 2000)[:1024] + "...TRUNCATED"


def metadata_request(*fields: str, name: str = MODEL):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


def test_metadata_tells_the_signatures(server):
    response = server.prediction.GetModelMetadata(metadata_request("signature_def"))
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "join", "pair"} <= set(signatures.signature_def)
    assert signatures.signature_def["join"].inputs["right"].dtype == tf.int64.as_datatype_enum
    assert response.model_spec.version.value == 7


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (
            get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]),
            INVALID,
            "Missing ModelSpec",
        ),
        (
            metadata_request(),
            INVALID,
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (metadata_request("x"), INVALID, "Metadata field x is not supported"),
        (
            metadata_request("signature_def", name="m"),
            NOT_FOUND,
            "Servable not found for request: Latest(m)",
        ),
    ],
)
def test_metadata_errors(server, request_, code, message):
    assert status_of(server.prediction.GetModelMetadata, request_) == (code, message)


def status_request(name: str = MODEL, version: int | None = None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    return request


def test_model_status(server):
    for version in (None, 7):
        response = server.model.GetModelStatus(status_request(version=version))
        [entry] = response.model_version_status
        assert (entry.version, entry.state, entry.status.error_code) == (7, 30, 0)


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (get_model_status_pb2.GetModelStatusRequest(), INVALID, "Missing ModelSpec"),
        (status_request("m"), NOT_FOUND, "Could not find any versions of model m"),
        (status_request("m", 7), NOT_FOUND, "Could not find version 7 of model m"),
        (status_request(version=9), NOT_FOUND, "Could not find version 9 of model half"),
    ],
)
def test_model_status_errors(server, request_, code, message):
    assert status_of(server.model.GetModelStatus, request_) == (code, message)


def test_what_is_left_out_is_unimplemented(server):
    calls = [
        (server.prediction.Classify, classification_pb2.ClassificationRequest()),
        (server.prediction.Regress, regression_pb2.RegressionRequest()),
        (server.prediction.MultiInference, inference_pb2.MultiInferenceRequest()),
    ]
    for call, request in calls:
        assert status_of(call, request)[0] == UNIMPLEMENTED


def test_the_clients_deadline_bounds_a_call(server):
    request = predict_request({"n": np.int32(5_000_000)}, signature="count")
    with pytest.raises(grpc.RpcError) as caught:
        server.predict(request, timeout=0.1)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.predict(half_request(2.0)).outputs["y"].float_val[0] == 2.0


def test_initializers_are_no_signatures_to_predict_with(server):
    request = predict_request({}, signature="__saved_model_init_op")
    code, message = status_of(server.prediction.Predict, request)
    assert code == grpc.StatusCode.INTERNAL
    assert message.startswith("Expected prediction signature method_name to be one of {")


def test_a_request_above_the_limit_of_the_channel_arguments_is_refused(half_plus, tmp_path):
    publish(half_plus(1), tmp_path / "served", 1)
    limit = (("grpc.max_receive_message_length", 1000),)
    with ModelServer(flags(tmp_path / "served", grpc_channel_arguments=limit)) as model_server:
        peer = Peer(model_server)
        code, details = status_of(peer.prediction.Predict, half_request(*range(1000)))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in details
        assert peer.predict(half_request(2.0)).outputs["y"].float_val[0] == 2.0


def test_a_request_whose_client_gave_up_while_it_waited_is_not_run(
    half_plus, tmp_path, monkeypatch
):
    publish(half_plus(1), tmp_path / "served", 1)
    free, runs = threading.Event(), []
    predict = Servable.predict

    def slow(servable, request, as_content):
        runs.append(request.inputs["x"].float_val[0])
        free.wait(30)
        return predict(servable, request, as_content)

    monkeypatch.setattr(Servable, "predict", slow)
    with ModelServer(flags(tmp_path / "served", grpc_max_threads=1)) as model_server:
        peer = Peer(model_server)
        first = peer.prediction.Predict.future(half_request(1.0), timeout=30)
        while not runs:
            time.sleep(0.01)
        with pytest.raises(grpc.RpcError) as caught:
            peer.prediction.Predict(half_request(2.0), timeout=0.2)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        last = peer.prediction.Predict.future(half_request(3.0), timeout=30)
        free.set()
        assert first.result().outputs["y"].float_val[0] == 1.5
        assert last.result().outputs["y"].float_val[0] == 2.5
    assert runs == [1.0, 3.0]
