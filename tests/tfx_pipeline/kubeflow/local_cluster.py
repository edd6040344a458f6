"""Plays open-source Kubeflow's part around each container, as its driver and launcher do it.

A bucket is a folder. A task runs in a container of its own, with the files of its input artifacts
copied below /minio, the volume, and nothing else of the tasks before it; what it left in its output
folders is copied back. As there, empty folders are lost, and input artifacts come without their
type.
"""

import graphlib
import os
import shutil
import subprocess
from pathlib import Path

import yaml
from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from scripts.image import ENVIRONMENT, container, in_container

SCHEME = "minio"
USER = 1000
OUTPUT_FILE = "tmp/kfp_outputs/output_metadata.json"


class LocalCluster:
    """Runs a compiled pipeline, one container after the other.

    Attributes:
      outputs: ExecutorOutput of each task that has run.
    """

    def __init__(self, package: Path, folder: Path, volume: Path):
        """Put the bucket and the tasks into `folder`; containers have `volume` at /data."""
        self.spec, self.deployment = load(package)
        self.folder = folder
        self.volume = volume
        self.outputs: dict[str, pipeline_spec_pb2.ExecutorOutput] = {}

    def run(self, **arguments: str | int) -> None:
        """Run all tasks in their order; `arguments` are for the pipeline's parameters."""
        given = struct_pb2.Struct()
        given.update(arguments)
        parameters = self.spec.root.input_definitions.parameters
        assert set(given.fields) <= set(parameters)
        values = {name: p.default_value for name, p in parameters.items()} | dict(given.fields)
        tasks = self.spec.root.dag.tasks
        graph = {name: set(task.dependent_tasks) for name, task in tasks.items()}
        for name in graphlib.TopologicalSorter(graph).static_order():
            self._run_task(name, values)

    def folder_of(self, task: str, output: str) -> Path:
        """Where an output artifact lies in the bucket."""
        [artifact] = self.outputs[task].artifacts[output].artifacts
        return self._object(artifact.uri)

    def _object(self, uri: str) -> Path:
        scheme, _, path = uri.partition("://")
        assert scheme == SCHEME, uri
        return self.folder / "bucket" / path

    def _run_task(self, name: str, parameters: dict[str, struct_pb2.Value]) -> None:
        home = self.folder / "tasks" / name
        mounts = home / "mounts"
        (mounts / SCHEME).mkdir(parents=True)
        (home / OUTPUT_FILE).parent.mkdir(parents=True)
        given = self._executor_input(name, parameters)
        for artifacts in given.inputs.artifacts.values():
            for artifact in artifacts.artifacts:
                _copy_files(self._object(artifact.uri), _mounted(mounts, artifact.uri))
        for artifacts in given.outputs.artifacts.values():
            for artifact in artifacts.artifacts:
                _mounted(mounts, artifact.uri).parent.mkdir(parents=True, exist_ok=True)
        self._run_container(name, given, home)
        output = json_format.Parse(
            (home / OUTPUT_FILE).read_text(), pipeline_spec_pb2.ExecutorOutput()
        )
        for key, artifacts in given.outputs.artifacts.items():
            [artifact], [made] = artifacts.artifacts, output.artifacts[key].artifacts
            assert made.uri == artifact.uri
            _copy_files(_mounted(mounts, artifact.uri), self._object(artifact.uri))
        self.outputs[name] = output

    def _executor_input(
        self, name: str, parameters: dict[str, struct_pb2.Value]
    ) -> pipeline_spec_pb2.ExecutorInput:
        task = self.spec.root.dag.tasks[name]
        component = self.spec.components[task.component_ref.name]
        given = pipeline_spec_pb2.ExecutorInput()
        for key, source in task.inputs.parameters.items():
            if source.WhichOneof("kind") == "component_input_parameter":
                value = parameters[source.component_input_parameter]
            else:
                value = source.runtime_value.constant
            given.inputs.parameter_values[key].CopyFrom(value)
        for number, (key, source) in enumerate(task.inputs.artifacts.items(), 1):
            producer = source.task_output_artifact
            [made] = (
                self.outputs[producer.producer_task]
                .artifacts[producer.output_artifact_key]
                .artifacts
            )
            given.inputs.artifacts[key].artifacts.add(
                name=str(number), uri=made.uri, metadata=made.metadata
            )
        for key, definition in component.output_definitions.artifacts.items():
            given.outputs.artifacts[key].artifacts.add(
                name=key,
                uri=f"{self.spec.default_pipeline_root}/run/{name}/{key}",
                type=definition.artifact_type,
            )
        given.outputs.output_file = f"/{OUTPUT_FILE}"
        return given

    def _run_container(self, name: str, given: pipeline_spec_pb2.ExecutorInput, home: Path) -> None:
        task = self.spec.root.dag.tasks[name]
        label = self.spec.components[task.component_ref.name].executor_label
        of_task = self.deployment.executors[label].container
        text = json_format.MessageToJson(given)
        args = [text if argument == "{{$}}" else argument for argument in of_task.args]
        mounts = {
            home / "mounts" / SCHEME: f"/{SCHEME}",
            home / "tmp": "/tmp",
            self.volume: "/data",
        }
        hand_over(home)
        environment = {variable.name: variable.value for variable in of_task.env}
        with container(of_task.image) as made:
            done = subprocess.run(
                in_container(made, [*of_task.command, *args], mounts, **environment),
                env=ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        assert done.returncode == 0, f"{name}:\n{done.stdout[-5000:]}"


def hand_over(folder: Path) -> None:
    """Let the image's user write in a folder, as a volume's owner does."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)


def load(
    package: Path,
) -> tuple[pipeline_spec_pb2.PipelineSpec, pipeline_spec_pb2.PipelineDeploymentConfig]:
    """The pipeline and its containers; a field that the specification does not know is an error."""
    document = next(yaml.safe_load_all(package.read_text()))
    spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
    deployment = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec),
        pipeline_spec_pb2.PipelineDeploymentConfig(),
    )
    return spec, deployment


def _mounted(mounts: Path, uri: str) -> Path:
    return mounts / uri.replace("://", "/")


def _copy_files(source: Path, target: Path) -> None:
    """As an object store has it: files, and no empty folders."""
    for path in source.rglob("*"):
        if path.is_file():
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
