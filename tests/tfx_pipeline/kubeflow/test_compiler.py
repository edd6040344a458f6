"""What the compiled pipeline says: every container, parameter and limit, as Kubeflow reads them."""

from pathlib import Path

import kfp
import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from local_cluster import load

from tfx_pipeline.config import ConfigError
from tfx_pipeline.kubeflow.compiler import compile_pipeline

ROOT = Path(__file__).parents[3]
GS = "gs://shop/sessionrec"
ON_VOLUME = (
    "data.log=/data/log.csv",
    "data.item_table.path=/data/items.csv",
    "pipeline.root=/data/out",
    "kubeflow.volume_claim=models",
)


@pytest.fixture(scope="module")
def compiled(package):
    return load(package)


def tasks(spec):
    return dict(spec.root.dag.tasks)


def container(compiled, component):
    spec, deployment = compiled
    return deployment.executors[spec.components[component].executor_label].container


def test_kubeflows_own_reader_takes_it(package):
    component = kfp.components.load_component_from_file(str(package))
    assert component.name == "my-shop"
    assert set(component.component_spec.inputs) == {"data_path", "span", "epochs", "serving_folder"}


def test_only_containers_of_one_image_run(compiled):
    spec, deployment = compiled
    assert len(tasks(spec)) == 11
    for name in tasks(spec):
        executor = deployment.executors[spec.components[name].executor_label]
        assert executor.WhichOneof("spec") == "container", name
        assert executor.container.image == "registry/sessionrec:1"
        assert list(executor.container.command) == ["python", "-m", "tfx_pipeline.kubeflow.entry"]
        assert [(v.name, v.value) for v in executor.container.env] == [("TF_USE_LEGACY_KERAS", "1")]
        assert not executor.container.HasField("lifecycle")


def test_nothing_of_this_machine_is_in_it(package):
    assert str(ROOT) not in package.read_text()
    assert package.read_text().count("/home/") == 0


def test_parameters_reach_the_components_that_use_them(compiled):
    spec, _ = compiled
    defaults = {
        name: json_format.MessageToDict(definition.default_value)
        for name, definition in spec.root.input_definitions.parameters.items()
    }
    assert defaults == {
        "data_path": "gs://shop/logs/{YYYY}-{MM}-{DD}/*.parquet",
        "span": "",
        "epochs": 7,
        "serving_folder": f"{GS}/serving/my_shop",
    }
    assert all(d.is_optional for d in spec.root.input_definitions.parameters.values())
    used = {
        (task, key, source.component_input_parameter)
        for task, found in tasks(spec).items()
        for key, source in found.inputs.parameters.items()
        if source.WhichOneof("kind") == "component_input_parameter"
    }
    assert used == {
        ("SessionExampleGen", "input_base", "data_path"),
        ("SessionExampleGen", "newest_span", "span"),
        ("Trainer", "epochs", "epochs"),
        ("LatestBlessedModel", "serving_folder", "serving_folder"),
        ("Pusher", "serving_folder", "serving_folder"),
    }


def test_resources_and_retries_of_each_component(compiled):
    limits = container(compiled, "Trainer").resources
    assert (limits.cpu_request, limits.cpu_limit) == (8, 8)
    assert (limits.memory_request, limits.memory_limit) == (30, 30)
    assert not tasks(compiled[0])["Trainer"].HasField("retry_policy")
    assert container(compiled, "Transform").resources.memory_limit == 8
    assert tasks(compiled[0])["Transform"].retry_policy.max_retry_count == 2


@pytest.mark.parametrize("cache", [True, False])
def test_the_last_model_is_looked_up_anew_and_the_cache_can_be_turned_off(shop, tmp_path, cache):
    path = tmp_path / "shop.yaml"
    path.write_text(compile_pipeline(shop(f"kubeflow.cache={str(cache).lower()}"), "image", GS))
    cached = {n for n, task in tasks(load(path)[0]).items() if task.caching_options.enable_cache}
    assert cached == (set(tasks(load(path)[0])) - {"LatestBlessedModel"} if cache else set())


def test_a_volume_is_mounted_in_every_container(shop, tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(compile_pipeline(shop(*ON_VOLUME), "image", "minio://mlpipeline/v2"))
    spec, _ = load(path)
    assert spec.default_pipeline_root == "minio://mlpipeline/v2"
    parameters = spec.root.input_definitions.parameters
    assert parameters["serving_folder"].default_value.string_value == "/data/out/serving/my_shop"
    _, platform = yaml.safe_load_all(path.read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == {c.executor_label for c in spec.components.values()}
    for content in executors.values():
        known = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        [mount] = json_format.ParseDict(content, known).pvc_mount
        assert (mount.constant, mount.mount_path) == ("models", "/data")
    assert kfp.components.load_component_from_file(str(path)).platform_spec.platforms


@pytest.mark.parametrize(
    ("overrides", "root", "message"),
    [
        (
            (),
            "/mnt/root",
            "--pipeline-root must begin with gs://, s3://, minio://. Received: '/mnt",
        ),
        (("data.log=clicks.csv",), GS, "No container reaches data.log = 'clicks.csv'"),
        (("data.log=s3://shop/log.csv",), GS, "No container reaches data.log = 's3://shop"),
        (("data.item_table.path=items.csv",), GS, "reaches data.item_table.path = 'items.csv'"),
        (("data.log=/srv/log.csv",), GS, "No container reaches data.log = '/srv/log.csv'"),
        ((*ON_VOLUME, "data.log=/srv/log.csv"), GS, "No container reaches data.log = '/srv/log"),
        ((), "s3://shop/root", "No container reaches pipeline.root = 'output'"),
        (("pipeline.root=/srv",), "s3://shop/root", "No container reaches pipeline.root = '/srv'"),
        (("pipeline.root=/srv",), GS, "No container reaches pipeline.root = '/srv'"),
        (("kubeflow.components.Trainr.cpu=1",), GS, "no component 'Trainr'; did you mean 'Train"),
    ],
)
def test_what_the_cluster_could_not_run_is_refused(shop, overrides, root, message):
    with pytest.raises(ConfigError) as caught:
        compile_pipeline(shop(*overrides), "image", root)
    assert message in str(caught.value)


def test_the_same_configuration_gives_the_same_file(shop, package):
    again = compile_pipeline(shop(), "registry/sessionrec:1", GS)
    assert again == package.read_text()


def test_the_specification_is_what_this_kubeflow_reads(compiled):
    assert isinstance(compiled[0], pipeline_spec_pb2.PipelineSpec)
    assert compiled[0].schema_version == "2.1.0"
