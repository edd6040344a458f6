"""What each container runs: TFX's executor, after what open-source Kubeflow Pipelines does not do.

TFX's executors read their artifacts with TensorFlow, which knows gs:// but neither s3:// nor
minio://. Kubeflow's launcher has downloaded inputs to folders below /s3 and /minio and uploads
outputs from there, so those take the place of the URIs. Kubeflow also leaves out the types of input
artifacts, which the component's own definition has.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

SCHEMES = ("s3", "minio")
# Before the launcher's folders, which are at the root.
MOUNTS = ""


def to_folder(uri: str) -> str:
    """The launcher's folder of an artifact; the URI itself where TensorFlow can read that."""
    scheme, separator, path = uri.partition("://")
    return f"{MOUNTS}/{scheme}/{path}" if separator and scheme in SCHEMES else uri


def to_uri(folder: str) -> str:
    """The reverse of `to_folder`."""
    for scheme in SCHEMES:
        prefix = f"{MOUNTS}/{scheme}/"
        if folder.startswith(prefix):
            return f"{scheme}://{folder.removeprefix(prefix)}"
    return folder


def localise(
    given: pipeline_spec_pb2.ExecutorInput, definitions: pipeline_spec_pb2.ComponentInputsSpec
) -> None:
    """Fill in the types of inputs, put folders for URIs, and make those of outputs.

    Args:
      given: changed in place.
      definitions: the component's inputs.
    """
    for name, artifacts in given.inputs.artifacts.items():
        for artifact in artifacts.artifacts:
            if artifact.type.WhichOneof("kind") is None:
                artifact.type.CopyFrom(definitions.artifacts[name].artifact_type)
    _rewrite(given.inputs.artifacts, to_folder)
    _rewrite(given.outputs.artifacts, to_folder)
    for artifacts in given.outputs.artifacts.values():
        for artifact in artifacts.artifacts:
            if "://" not in artifact.uri:
                Path(artifact.uri).mkdir(parents=True, exist_ok=True)


def _rewrite(artifacts, change: Callable[[str], str]) -> None:
    for found in artifacts.values():
        for artifact in found.artifacts:
            artifact.uri = change(artifact.uri)


def main(argv: list[str]) -> None:
    """Run the executor that the arguments name; see TFX's `kubeflow_v2_run_executor`."""
    flags, beam_args = kubeflow_v2_run_executor._parse_flags(argv)
    given = json_format.Parse(
        flags.json_serialized_invocation_args,
        pipeline_spec_pb2.ExecutorInput(),
        ignore_unknown_fields=True,
    )
    definitions = json_format.Parse(
        flags.json_serialized_inputs_spec_args, pipeline_spec_pb2.ComponentInputsSpec()
    )
    localise(given, definitions)
    flags.json_serialized_invocation_args = json_format.MessageToJson(given)
    kubeflow_v2_run_executor.main((flags, beam_args))
    path = Path(given.outputs.output_file)
    output = json_format.Parse(path.read_text(), pipeline_spec_pb2.ExecutorOutput())
    _rewrite(output.artifacts, to_uri)
    path.write_text(json_format.MessageToJson(output))


if __name__ == "__main__":
    main(sys.argv)
