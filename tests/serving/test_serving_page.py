"""What docs/serving.md shows works."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from certificates import Authority
from fake_recommender import save_fake_recommender
from google.protobuf import text_format
from peers import flags
from serving_models import publish
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.config import MonitoringConfig, SSLConfig, check_models
from serving.server.flags import Flags, parse_flags
from serving.server.model_server import ModelServer

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


def test_the_server_takes_the_command_shown():
    [command] = re.findall(r"^\.venv/bin/python -m serving\.server (.*?)\n```", PAGE, re.M | re.S)
    shown = parse_flags(command.replace("\\\n", "").replace('"', "").split())
    assert shown.model_name == "complete_journey"
    assert shown.enable_grpc_healthcheck_service


def test_the_page_names_every_flag():
    table = PAGE.split("| flag | |")[1].split("\n\n")[0]
    assert set(re.findall(r"--(\w+)", table)) == {field.name for field in fields(Flags)} - {"host"}


def test_the_text_protos_are_valid():
    models, ssl, monitoring = PROTOS
    check_models(text_format.Parse(models, ModelServerConfig()))
    assert text_format.Parse(ssl, SSLConfig()).client_verify
    assert text_format.Parse(monitoring, MonitoringConfig()).prometheus_config.enable


def test_the_client_programs_run(recommender, tmp_path):
    blocking, asynchronous = PROGRAMS
    authority = Authority()
    config = authority.ssl_config(tmp_path / "ssl.config", client_verify=True)
    with ModelServer(flags(recommender, MODEL)) as server:
        names = {"TARGET": server.target, "MODEL": MODEL}
        exec(blocking, names)
        assert [item.item_id for item in names["best"]] == ["a", "b", "c", "d"]
    with ModelServer(flags(recommender, MODEL, ssl_config_file=config)) as server:
        credentials = authority.mutual_credentials()
        names = {"TARGET": server.target, "MODEL": MODEL, "CREDENTIALS": credentials}
        exec(asynchronous, names)
        assert len(names["answers"]) == 10


def test_the_files_it_names_exist():
    for path in re.findall(r"\]\((?!http)([^)]+)\)", PAGE):
        assert (ROOT / "docs" / path).exists(), path
    for name in re.findall(r"`(?:tests/serving/)?(test_\w+\.py)`", PAGE):
        assert (ROOT / "tests" / "serving" / name).exists(), name
    for name in re.findall(r"`(\w+\.(?:yaml|config))`", PAGE):
        assert (ROOT / "serving" / "deploy" / name).exists(), name
