"""Compile the pipeline for open-source Kubeflow Pipelines: TFX's compiler, and what it leaves out.

TFX writes no default for a runtime parameter, no pipeline root, environment, resources or retries,
and a hook that runs a component's driver, which open-source Kubeflow never calls.
"""

import difflib
from pathlib import PurePosixPath
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from components.ingestion.schema import schema_text
from tfx_pipeline.config import Config, ConfigError
from tfx_pipeline.kubeflow.config import KubeflowConfig, Resources
from tfx_pipeline.pipeline import RunParameters, create_pipeline

COMMAND = ("python", "-m", "tfx_pipeline.kubeflow.entry")
ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1"}
# It looks at the serving folder, which Kubeflow's cache does not.
NEVER_CACHED = ("LatestBlessedModel",)
ROOTS = ("gs://", "s3://", "minio://")
_RETRY_AFTER_SECONDS, _RETRY_AT_MOST_SECONDS = 60, 3600


def compile_pipeline(config: Config, image: str, pipeline_root: str) -> str:
    """The pipeline as YAML of specification 2.1, with a second document where a volume is mounted.

    Args:
      config: of the pipeline.
      image: that every component runs in.
      pipeline_root: where Kubeflow keeps artifacts: gs://, s3:// or minio://.

    Raises:
      ConfigError: a container could not reach a path, or `[kubeflow.components]` names none.
    """
    config = on_cluster(config, pipeline_root)
    parameters = [
        RuntimeParameter(name, type(value), value)
        for name, value in RunParameters.of(config)._asdict().items()
    ]
    schema = schema_text(config.data.columns.further)
    pipeline = create_pipeline(config, schema, parameters=RunParameters(*parameters))
    pipeline.pipeline_info.pipeline_name = config.pipeline.name.replace("_", "-")
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            default_image=image, default_commands=list(COMMAND), use_pipeline_spec_2_1=True
        )
    )
    job = runner.run(pipeline, write_out=False)
    spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    spec.default_pipeline_root = pipeline_root
    _set_defaults(spec, parameters)
    _set_tasks(spec, config.kubeflow)
    _set_containers(spec, config.kubeflow)
    documents = [json_format.MessageToDict(spec)]
    if config.kubeflow.volume_claim is not None:
        documents.append(_mounts(spec, config.kubeflow))
    return yaml.safe_dump_all(documents)


def on_cluster(config: Config, pipeline_root: str) -> Config:
    """The configuration with paths that containers reach.

    Models and checkpoints go below `pipeline.root`; where that is a relative path, as it is by
    default, they go to a pipeline root on gs://.

    Raises:
      ConfigError: see `compile_pipeline`.
    """
    if not pipeline_root.startswith(ROOTS):
        raise ConfigError(
            f"--pipeline-root must begin with {', '.join(ROOTS)}. Received: {pipeline_root!r}"
        )
    root = config.pipeline.root
    if "://" not in root and not root.startswith("/") and pipeline_root.startswith("gs://"):
        root = pipeline_root.rstrip("/")
    paths = {"data.log": config.data.log, "pipeline.root": root}
    if config.data.item_table is not None:
        paths["data.item_table.path"] = config.data.item_table.path
    for key, path in paths.items():
        if not _is_reachable(path, config.kubeflow):
            raise ConfigError(
                f"No container reaches {key} = {path!r}: give a gs:// path, or one below "
                "kubeflow.volume_path on a volume (kubeflow.volume_claim), with --set or in the "
                "configuration."
            )
    pipeline = config.pipeline.model_copy(update={"root": root})
    return config.model_copy(update={"pipeline": pipeline})


def _is_reachable(path: str, config: KubeflowConfig) -> bool:
    is_mounted = PurePosixPath(path).is_relative_to(config.volume_path)
    return path.startswith("gs://") or (config.volume_claim is not None and is_mounted)


def _set_defaults(spec: pipeline_spec_pb2.PipelineSpec, parameters: list[RuntimeParameter]) -> None:
    for parameter in parameters:
        definition = spec.root.input_definitions.parameters[parameter.name]
        definition.is_optional = True
        json_format.ParseDict(parameter.default, definition.default_value)


def _set_tasks(spec: pipeline_spec_pb2.PipelineSpec, config: KubeflowConfig) -> None:
    tasks = spec.root.dag.tasks
    for name in config.components:
        if name not in tasks:
            near = difflib.get_close_matches(name, tasks, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(tasks)}"
            raise ConfigError(f"kubeflow.components: no component {name!r}{hint}")
    for name, task in tasks.items():
        task.caching_options.enable_cache = config.cache and name not in NEVER_CACHED
        if retries := config.of(name).retries:
            task.retry_policy.max_retry_count = retries
            task.retry_policy.backoff_factor = 2
            task.retry_policy.backoff_duration.seconds = _RETRY_AFTER_SECONDS
            task.retry_policy.backoff_max_duration.seconds = _RETRY_AT_MOST_SECONDS


def _set_containers(spec: pipeline_spec_pb2.PipelineSpec, config: KubeflowConfig) -> None:
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(json_format.MessageToDict(spec.deployment_spec), deployment)
    for name in spec.root.dag.tasks:
        container = deployment.executors[_executor(spec, name)].container
        container.ClearField("lifecycle")
        for key, value in ENVIRONMENT.items():
            container.env.add(name=key, value=value)
        _set_resources(container.resources, config.of(name))
    spec.deployment_spec.Clear()
    spec.deployment_spec.update(json_format.MessageToDict(deployment))


def _set_resources(proto: Any, resources: Resources) -> None:
    proto.cpu_request = proto.cpu_limit = resources.cpu
    proto.memory_request = proto.memory_limit = resources.memory_gb


def _mounts(spec: pipeline_spec_pb2.PipelineSpec, config: KubeflowConfig) -> dict[str, Any]:
    """Kubeflow's platform document: the volume in every container."""
    executors = {}
    for name in spec.root.dag.tasks:
        mount = kubernetes_executor_config_pb2.PvcMount(
            # Kubeflow before 2.4 reads `constant`, later ones the other.
            constant=config.volume_claim,
            mount_path=config.volume_path,
        )
        mount.pvc_name_parameter.runtime_value.constant.string_value = config.volume_claim
        executors[_executor(spec, name)] = {"pvcMount": [json_format.MessageToDict(mount)]}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _executor(spec: pipeline_spec_pb2.PipelineSpec, task: str) -> str:
    return spec.components[spec.root.dag.tasks[task].component_ref.name].executor_label
