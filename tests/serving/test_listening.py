"""TLS, unix socket, health, metrics, tensor_content: what flags make of a server's face."""

import re
import socket
import urllib.error
import urllib.request

import grpc
import pytest
from certificates import Authority
from fake_recommender import save_fake_recommender
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from peers import Peer, flags
from serving_models import half_request, publish
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.client import RecommenderClient, RecommenderError, Request
from serving.server.config import MonitoringConfig, SSLConfig
from serving.server.model_server import ModelServer
from serving.server.status import StatusError

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def served(half_plus, base_path):
    publish(half_plus(1), base_path, 1)
    return base_path


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    root = tmp_path_factory.mktemp("tls")
    save_fake_recommender(root / "model")
    publish(root / "model", root / "served", 1)
    return root / "served"


def code_of(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.StatusCode:
    options = {"model_name": "half", "timeout_seconds": 3.0}
    try:
        with RecommenderClient(target, credentials=credentials, **options) as client:
            client.recommend([Request("u")])
    except RecommenderError as error:
        return error.code
    return grpc.StatusCode.OK


def test_tls_answers_only_those_who_know_it(recommender, tmp_path):
    authority = Authority()
    config = authority.ssl_config(tmp_path / "ssl.config", client_verify=False)
    with ModelServer(flags(recommender, ssl_config_file=config)) as server:
        assert code_of(server.target, authority.credentials()) == grpc.StatusCode.OK
        assert code_of(server.target, None) != grpc.StatusCode.OK
        assert code_of(server.target, Authority().credentials()) == UNAVAILABLE


def test_mutual_tls_asks_for_the_clients_certificate(recommender, tmp_path):
    authority = Authority()
    config = authority.ssl_config(tmp_path / "ssl.config", client_verify=True)
    with ModelServer(flags(recommender, ssl_config_file=config)) as server:
        assert code_of(server.target, authority.mutual_credentials()) == grpc.StatusCode.OK
        assert code_of(server.target, authority.credentials()) == UNAVAILABLE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server_kee: 'x'", "Error parsing text-format tensorflow.serving.SSLConfig"),
        ("client_verify: true", "client_verify needs custom_ca"),
    ],
)
def test_an_ssl_config_that_cannot_be_used_ends_the_start(served, tmp_path, text, message):
    path = tmp_path / "ssl.config"
    path.write_text(text)
    with (
        pytest.raises(StatusError, match=message),
        ModelServer(flags(served, ssl_config_file=str(path))),
    ):
        pass


def test_a_unix_socket_answers_beside_the_port(served, tmp_path):
    path = tmp_path / "grpc.sock"
    with ModelServer(flags(served, grpc_socket_path=str(path))) as server:
        for target in (f"unix:{path}", server.target):
            with grpc.insecure_channel(target) as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                assert stub.Predict(half_request(0.0), timeout=10).outputs["y"].float_val[0] == 1


def test_health_is_served_when_asked_for(served):
    request = health_pb2.HealthCheckRequest()
    with ModelServer(flags(served, enable_grpc_healthcheck_service=True)) as server:
        stub = health_pb2_grpc.HealthStub(Peer(server).channel)
        assert stub.Check(request).status == health_pb2.HealthCheckResponse.SERVING
    with ModelServer(flags(served)) as server, pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(Peer(server).channel).Check(request)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_outputs_in_typed_fields_unless_enable_serialization_as_tensor_content(served):
    with ModelServer(flags(served, enable_serialization_as_tensor_content=True)) as server:
        output = Peer(server).predict(half_request(2.0)).outputs["y"]
    assert (output.tensor_content, list(output.float_val)) == (b"\x00\x00\x00\x40", [])


def test_prometheus_metrics_are_on_the_rest_port(served, tmp_path):
    path = tmp_path / "monitoring.config"
    path.write_text('prometheus_config { enable: true path: "/metrics" }')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {"rest_api_port": port, "monitoring_config_file": str(path)}
    with ModelServer(flags(served, **options)) as server:
        peer = Peer(server)
        for name in ("half", "half", "made-up"):
            try:
                peer.predict(half_request(0.0, name=name))
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models/half")
    counts = dict(re.findall(r"^:tensorflow:serving:request_count({.*}) (\S+)$", page, re.M))
    # What clients make up does not become a series of its own.
    assert counts == {
        '{model_name="half",status="OK"}': "2.0",
        '{model_name="",status="NOT_FOUND"}': "1.0",
    }
    labels = 'API="Predict",entrypoint="GRPC",model_name="half"'
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 2.0" in page


def test_a_monitoring_config_that_does_not_enable_metrics_opens_no_port(served, tmp_path):
    path = tmp_path / "monitoring.config"
    path.write_text("prometheus_config { }")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = {"rest_api_port": taken.getsockname()[1], "monitoring_config_file": str(path)}
        with ModelServer(flags(served, **options)):
            pass


def test_the_messages_that_are_not_shipped_have_tensorflow_servings_names_and_numbers():
    ssl = text_format.Parse('server_key: "k" server_cert: "c" client_verify: true', SSLConfig())
    assert ssl.SerializeToString() == b"\x0a\x01k\x12\x01c\x20\x01"
    monitoring = text_format.Parse("prometheus_config { enable: true }", MonitoringConfig())
    assert monitoring.SerializeToString() == b"\x0a\x02\x08\x01"
