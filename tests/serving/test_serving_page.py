"""What docs/serving.md shows works."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import tensorflow as tf
from certificates import Authority
from fake_recommender import save_fake_recommender
from google.protobuf import text_format
from peers import flags
from serving_models import publish
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from model import features
from serving.client import Event, RecommenderClient, Request
from serving.requests import encode_request
from serving.server.config import MonitoringConfig, SSLConfig, check_models
from serving.server.flags import Flags, parse_flags
from serving.server.model_server import ModelServer
from tfx_pipeline.config import ServeConfig

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text()
PROTOS = re.findall(r"```textproto\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MODEL = "shop"


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    save_fake_recommender(root / "model")
    publish(root / "model", root / "served", 1)
    return root / "served"


def test_the_server_takes_the_commands_shown():
    commands = re.findall(r"^\.venv/bin/python -m serving\.server (.*?)\n```", PAGE, re.M | re.S)
    one_model, logging = (
        parse_flags(command.replace("\\\n", "").replace('"', "").split()) for command in commands
    )
    assert one_model.model_name == "complete_journey"
    assert one_model.enable_grpc_healthcheck_service
    assert (logging.model_config_file, logging.port) == ("models.config", 8500)


def test_the_page_names_every_flag():
    table = PAGE.split("| flag | |")[1].split("\n\n")[0]
    assert set(re.findall(r"--(\w+)", table)) == {field.name for field in fields(Flags)} - {"host"}


def test_the_text_protos_are_valid():
    models, ssl, monitoring, logging = PROTOS
    for config in (models, logging):
        check_models(text_format.Parse(config, ModelServerConfig()))
    assert text_format.Parse(ssl, SSLConfig()).client_verify
    assert text_format.Parse(monitoring, MonitoringConfig()).prometheus_config.enable


def test_the_configuration_with_a_request_log_serves_and_logs(recommender, tmp_path):
    file = tmp_path / "models.config"
    here = PROTOS[-1].replace("/models/complete_journey", str(recommender))
    here = here.replace("/logs", str(tmp_path / "logs")).replace("0.01", "1")
    file.write_text(here)
    with (
        ModelServer(flags(model_config_file=str(file))) as server,
        RecommenderClient(server.target, model_name="complete_journey") as client,
    ):
        client.recommend([Request("me")])
    [log] = (tmp_path / "logs").iterdir()
    assert re.fullmatch(r"requests-\d+-\d+-0\.tfrecord", log.name)
    assert len(list(tf.data.TFRecordDataset(str(log)))) == 1


def test_the_settings_shown_are_valid():
    [settings] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    serve = ServeConfig.model_validate(tomllib.loads(settings)["serve"])
    assert serve.index == "clusters"
    assert f"`min_index_recall` ({serve.min_index_recall})" in PAGE


def test_the_client_programs_run(recommender, tmp_path):
    blocking, asynchronous, plain = PROGRAMS
    authority = Authority()
    config = authority.ssl_config(tmp_path / "ssl.config", client_verify=True)
    with ModelServer(flags(recommender, MODEL)) as server:
        names = {"TARGET": server.target, "MODEL": MODEL}
        exec(blocking, names)
        assert [item.item_id for item in names["best"]] == ["a", "b", "c", "d"]
        exec(plain, names)
        assert names["items"] == ["a", "b", "c", "d"]
    sessions = [
        [Event("995242", 1514000000), Event("1082185", 1514000000)],
        [Event("856942", 1514090000, engaged=False)],
    ]
    ours = encode_request(Request("me", sessions, 1514700000))
    assert names["example"] == tf.train.Example.FromString(ours)
    with ModelServer(flags(recommender, MODEL, ssl_config_file=config)) as server:
        credentials = authority.mutual_credentials()
        names = {"TARGET": server.target, "MODEL": MODEL, "CREDENTIALS": credentials}
        exec(asynchronous, names)
        assert len(names["answers"]) == 10


def test_the_page_names_every_feature_of_a_request():
    table = PAGE.split("| feature |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.M) == list(features.REQUEST_FEATURES)


def test_the_files_it_names_exist():
    for path in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / "docs" / path).exists(), path
    for name in re.findall(r"`(?:tests/serving/)?(test_\w+\.py)`", PAGE):
        assert (ROOT / "tests" / "serving" / name).exists(), name
    for name in re.findall(r"`(\w+\.(?:yaml|config))`", PAGE):
        assert (ROOT / "serving" / "deploy" / name).exists(), name
