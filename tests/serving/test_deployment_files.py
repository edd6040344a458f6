"""The files for TensorFlow Serving fit their schemas, each other and what the pipeline pushes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from google.protobuf import text_format
from kubernetes import client as kubernetes
from tensorflow_serving.config import model_server_config_pb2

from serving.server.config import MonitoringConfig
from serving.server.flags import parse_flags
from tfx_pipeline.command_line import DEFAULT_CONFIG
from tfx_pipeline.config import load_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "serving" / "deploy"
CONFIG_FILES = ["models.config", "batching.config", "monitoring.config"]
KINDS = {
    "Deployment": "V1Deployment",
    "Service": "V1Service",
    "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
}
# tensorflow_serving/servables/tensorflow/session_bundle_config.proto, not shipped either.
BATCHING_FIELDS = {
    *("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"),
}


def pipeline_name() -> str:
    return load_config(ROOT / DEFAULT_CONFIG).pipeline.name


def served_models():
    text = (FOLDER / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return config.model_config_list.config


@pytest.fixture(scope="module")
def objects() -> dict[str, dict]:
    documents = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


def serving_container(objects: dict[str, dict]) -> dict:
    [container] = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def compose_service() -> dict:
    [service] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"].values()
    return service


def through_the_client(document: dict, model: str) -> dict:
    """The document as the Kubernetes client's model of it has it; unknown fields are lost."""
    api = kubernetes.ApiClient()
    parsed = api.deserialize(SimpleNamespace(data=json.dumps(document)), model)
    return api.sanitize_for_serialization(parsed)


def test_models_config_serves_what_the_default_pipeline_pushes():
    [model] = served_models()
    assert model.name == pipeline_name()
    assert model.base_path == f"/models/{model.name}"
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 1


def test_monitoring_config_enables_prometheus():
    text = (FOLDER / "monitoring.config").read_text()
    config = text_format.Parse(text, MonitoringConfig()).prometheus_config
    assert (config.enable, config.path) == (True, "/monitoring/prometheus/metrics")


def test_batching_config_has_only_known_fields():
    text = (FOLDER / "batching.config").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    fields = [re.fullmatch(r"(\w+) \{ value: [1-9]\d* \}", line) for line in lines]
    assert all(fields), lines
    assert {field[1] for field in fields if field} == BATCHING_FIELDS


def test_one_pinned_image_everywhere(objects):
    images = {compose_service()["image"], serving_container(objects)["image"]}
    [image] = images
    version = re.fullmatch(r"tensorflow/serving:(\d+\.\d+\.\d+)", image)
    assert version
    kserve = yaml.safe_load((FOLDER / "kserve.yaml").read_text())
    assert kserve["spec"]["predictor"]["model"]["runtimeVersion"] == version[1]


def test_the_embedded_server_takes_the_same_flags(objects, caplog):
    for arguments in (compose_service()["command"], serving_container(objects)["args"]):
        flags = parse_flags([*arguments, "--rest_api_port=8501"])
        assert flags.model_config_file == "/config/models.config"
        assert flags.monitoring_config_file == "/config/monitoring.config"
        assert flags.enable_grpc_healthcheck_service
    assert not caplog.records  # nothing was ignored


def test_compose_fits_the_compose_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema=vendor.compose-spec"]
    done = subprocess.run(
        [*command, FOLDER / "compose.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_compose_mounts_what_its_flags_name_and_listens_on_loopback():
    service = compose_service()
    mounts = {target: source for source, target, _ in (v.split(":") for v in service["volumes"])}
    pushed = Path(load_config(ROOT / DEFAULT_CONFIG).serving_folder)
    assert (FOLDER / mounts["/models"]).resolve() == (ROOT / pushed.parent).resolve()
    for name in CONFIG_FILES:
        assert (FOLDER / mounts[f"/config/{name}"]).is_file()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("kind", KINDS)
def test_kubernetes_objects_fit_the_clients_models(objects, kind):
    assert through_the_client(objects[kind], KINDS[kind]) == objects[kind]


def test_the_clients_models_notice_a_mistake(objects):
    wrong = json.loads(json.dumps(objects["Service"]).replace("targetPort", "targetPrt"))
    assert through_the_client(wrong, "V1Service") != wrong
    del wrong["spec"]["ports"][0]["port"]
    with pytest.raises(ValueError, match="`port`, must not be `None`"):
        through_the_client(wrong, "V1Service")


def test_kubernetes_objects_fit_each_other(objects):
    deployment, service = objects["Deployment"], objects["Service"]
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in serving_container(objects)["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert serving_container(objects)[probe]["grpc"]["port"] == ports["grpc"]
    target = objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    [models, config] = pod["spec"]["volumes"]
    mounts = {m["name"]: m["mountPath"] for m in serving_container(objects)["volumeMounts"]}
    assert mounts == {models["name"]: "/models", config["name"]: "/config"}


def test_kustomization_makes_the_config_map_that_the_deployment_mounts(objects):
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert kustomization["resources"] == ["kubernetes.yaml"]
    [generator] = kustomization["configMapGenerator"]
    assert generator["files"] == CONFIG_FILES
    assert all((FOLDER / name).is_file() for name in CONFIG_FILES)
    [_, config] = objects["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert config["configMap"]["name"] == generator["name"]


def test_kserve_serves_the_same_folder_over_grpc():
    service = yaml.safe_load((FOLDER / "kserve.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    # KServe's model is a Kubernetes container with a format, a version and a place on top.
    model = service["spec"]["predictor"]["model"]
    assert model.pop("modelFormat") == {"name": "tensorflow"}
    assert model.pop("runtimeVersion")
    assert model.pop("storageUri") == f"pvc://sessionrec-models/{pipeline_name()}"
    assert [port["name"] for port in model["ports"]] == ["h2c"]
    container = {"name": "kserve-container", **model}
    assert through_the_client(container, "V1Container") == container
