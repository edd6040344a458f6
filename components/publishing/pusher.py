"""TFX's Pusher with an atomic push: a version appears in the serving folder whole, by a rename."""

import os
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.pusher import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.publishing.latest_blessed import versions
from components.publishing.rollback import was_rolled_back

# Not a number, so that no server takes it for a version.
STAGING_FOLDER = ".staging"
FINGERPRINT_FILE = "fingerprint.pb"
SERVING_FOLDER = "serving_folder"
ROLLED_BACK = "rolled_back"


class Executor(executor.Executor):
    """Pushes to a staging folder beside the versions, then renames.

    A blessed model that is already the newest version is not pushed again, nor is one that was
    rolled back: `ROLLED_BACK` then has its version.
    """

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the base class; `exec_properties["serving_folder"]` is where versions go."""
        folder = exec_properties[SERVING_FOLDER]
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        existing = versions(folder)
        model_path = self.GetModelPath(input_dict)
        known = [v for v in existing if _same_model(model_path, os.path.join(folder, str(v)))]
        if known and self.CheckBlessing(input_dict):
            version = known[-1]
            if version == existing[-1]:
                logging.info("Version %d already is this model.", version)
                self._MarkPushed(pushed, os.path.join(folder, str(version)), str(version))
                return
            if was_rolled_back(folder, version):
                logging.info("Version %d is this model, and was rolled back.", version)
                self._MarkNotPushed(pushed)
                pushed.set_string_custom_property(ROLLED_BACK, str(version))
                return
        staging = os.path.join(folder, STAGING_FOLDER)
        _remove(staging)  # a killed push may have left a part of a model
        destination = pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=staging)
        )
        key = standard_component_specs.PUSH_DESTINATION_KEY
        staged = {**exec_properties, key: proto_utils.proto_to_json(destination)}
        super().Do(input_dict, output_dict, staged)
        for version in versions(staging):
            # The version is the time in seconds, but two pushes may fall into one second, and the
            # clock may be behind the newest version.
            final = str(max([version, *(v + 1 for v in versions(folder))]))
            path = os.path.join(folder, final)
            tf.io.gfile.rename(os.path.join(staging, str(version)), path)
            self._MarkPushed(pushed, path, final)
        _remove(staging)


def _remove(folder: str) -> None:
    if tf.io.gfile.exists(folder):
        tf.io.gfile.rmtree(folder)


def _same_model(one: str, other: str) -> bool:
    """Whether both are copies of one export; its fingerprint holds an id of its own."""
    contents = []
    for folder in (one, other):
        path = os.path.join(folder, FINGERPRINT_FILE)
        if not tf.io.gfile.exists(path):
            return False
        with tf.io.gfile.GFile(path, "rb") as file:
            contents.append(file.read())
    return contents[0] == contents[1]


class Pusher(component.Pusher):
    """Takes the inputs of TFX's Pusher, and the folder that a model server watches."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, serving_folder: str | RuntimeParameter, **inputs: types.BaseChannel):
        super().__init__(**inputs)
        self.exec_properties[SERVING_FOLDER] = serving_folder
