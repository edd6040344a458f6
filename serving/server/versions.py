"""Versions of a model: which are on disk, which are wanted, and what is known of each."""

from dataclasses import dataclass
from pathlib import Path

from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)

from serving.server.servable import Servable
from serving.server.status import StatusError

State = get_model_status_pb2.ModelVersionStatus.State
_MAX_VERSION = 2**63 - 1


@dataclass
class Version:
    """One version; kept, without its servable, after it has ended.

    Args:
        number: the name of its folder.
        state: START 10, LOADING 20, AVAILABLE 30, UNLOADING 40 or END 50.
        error: why its last load failed.
        failed_loads: how many loads have failed so far.
        retry_at: when the next load is due, in monotonic seconds.
        given_up: no more loads while the version is wanted.
        servable: the loaded model, from AVAILABLE until the last request has finished.
        in_flight: how many requests use it.
    """

    number: int
    state: int = State.START
    error: StatusError | None = None
    failed_loads: int = 0
    retry_at: float = 0.0
    given_up: bool = False
    servable: Servable | None = None
    in_flight: int = 0

    def to_proto(self) -> get_model_status_pb2.ModelVersionStatus:
        """The version as GetModelStatus tells it; only END carries the error."""
        proto = get_model_status_pb2.ModelVersionStatus(version=self.number, state=self.state)
        proto.status.SetInParent()
        if self.error is not None and self.state == State.END:
            proto.status.error_code = self.error.code.value[0]
            proto.status.error_message = self.error.message
        return proto


def version_folders(base_path: Path) -> dict[int, Path]:
    """The folders of `base_path` whose names are numbers, by number.

    Raises:
        OSError: if `base_path` is not a folder that can be read.
    """
    folders = {
        int(path.name): path
        for path in base_path.iterdir()
        if path.name.isascii() and path.name.isdigit() and path.is_dir()
    }
    return {number: path for number, path in folders.items() if number <= _MAX_VERSION}


def choose(
    policy: FileSystemStoragePathSourceConfig.ServableVersionPolicy, folders: dict[int, Path]
) -> dict[int, Path]:
    """The folders that the policy wants served: the newest one unless it says otherwise."""
    match policy.WhichOneof("policy_choice"):
        case "all":
            wanted = set(folders)
        case "specific":
            wanted = folders.keys() & set(policy.specific.versions)
        case _:
            wanted = set(sorted(folders)[-max(1, policy.latest.num_versions) :])
    return {number: folders[number] for number in wanted}
