from pathlib import Path

import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfx_pipeline.cli import DEFAULT_CONFIG
from tfx_pipeline.config import load_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "serving"


def served_models():
    text = (FOLDER / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return config.model_config_list.config


def test_models_config_serves_what_the_default_pipeline_pushes():
    [model] = served_models()
    assert model.name == load_config(ROOT / DEFAULT_CONFIG).pipeline.name
    assert model.base_path == f"/models/{model.name}"
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 1


def test_compose_mounts_what_its_flags_name_and_listens_on_loopback():
    [service] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"].values()
    assert service["image"].count(":") == 1 and not service["image"].endswith("latest")
    mounts = {target: source for source, target, _ in (v.split(":") for v in service["volumes"])}
    pushed = Path(load_config(ROOT / DEFAULT_CONFIG).serving_folder)
    assert (FOLDER / mounts["/models"]).resolve() == (ROOT / pushed.parent).resolve()
    for target in ("/config/models.config", "/config/batching.config"):
        assert (FOLDER / mounts[target]).is_file()
    assert "--model_config_file=/config/models.config" in service["command"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
