"""One model: brings the versions that are loaded in line with those that are wanted."""

import gc
import logging
import math
import threading
import time
from pathlib import Path

import grpc
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from serving.server.flags import Flags
from serving.server.servable import Servable
from serving.server.status import StatusError, status_of
from serving.server.versions import State, Version, choose, version_folders

_LOG = logging.getLogger(__name__)


class Model:
    """The versions of one model, and those that its configuration wants of them.

    `step` is called again and again by one thread; whatever changes what is wanted (the folder,
    a new configuration, the end of the server) only changes `wanted`, and `step` does the rest:
    a wanted version is loaded and warmed, newest first; one no longer wanted is unloaded once a
    wanted one is available, after the last request that uses it.

    Args:
        name: the model's name in requests.
        flags: say how its folder is watched and loads are retried.
        changed: guards everything here, and is notified of every change.
    """

    def __init__(self, name: str, flags: Flags, changed: threading.Condition):
        self.name = name
        self.config: ModelConfig | None = None  # None: no version is wanted
        self.is_new = False  # wanted, and not yet known whether any version can be loaded
        self.versions: dict[int, Version] = {}
        self._flags = flags
        self._changed = changed
        self._wanted: dict[int, Path] = {}
        self._look_at = math.inf  # monotonic seconds
        self._scan_error = ""

    def configure(self, config: ModelConfig | None) -> None:
        """Takes a new configuration, which the next step follows."""
        self.is_new = config is not None and (self.is_new or self.config is None)
        self.config = config
        self._look_at = 0.0

    def step(self) -> float:
        """Looks at the folder when it is time to, loads and unloads.

        Returns:
            When something is due next, in monotonic seconds.
        """
        if time.monotonic() >= self._look_at:
            pause = self._flags.file_system_poll_wait_seconds or math.inf
            self._look_at = time.monotonic() + pause
            self._look()
        for number in sorted(self._wanted, reverse=True):
            version = self.versions[number]
            is_new = version.state in (State.START, State.LOADING)
            if is_new and time.monotonic() >= version.retry_at:
                self._load(version, self._wanted[number])
                self._unload_unwanted()
        self._unload_unwanted()
        self._settle()
        retries = [
            self.versions[n].retry_at
            for n in self._wanted
            if self.versions[n].state in (State.START, State.LOADING)
        ]
        return min([self._look_at, *retries])

    def available(self) -> dict[int, Version]:
        """The versions that answer requests, by number."""
        return {n: v for n, v in self.versions.items() if v.state == State.AVAILABLE}

    def is_idle(self) -> bool:
        """Whether every version has ended."""
        return all(version.state == State.END for version in self.versions.values())

    def is_ready(self, config: ModelConfig) -> bool:
        """Whether it serves what `config` wants, or did before its folder changed.

        Raises:
            StatusError: ABORTED if it has another configuration by now, UNKNOWN if none of the
                versions wanted can be loaded.
        """
        if self.config != config:
            raise StatusError(
                grpc.StatusCode.ABORTED,
                f"Another configuration has changed model {self.name} meanwhile",
            )
        wanted = [self.versions[number] for number in self._wanted]
        if not self.is_new and wanted and all(version.given_up for version in wanted):
            newest = max(wanted, key=lambda version: version.number)
            raise StatusError(
                grpc.StatusCode.UNKNOWN,
                "1 model(s) did not become available: "
                f"{{{{{{name: {self.name} version: {newest.number}}} "
                f"due to error: {newest.error}}}, }}",
            )
        return not self.is_new

    def _look(self) -> None:
        """Finds out which versions are wanted; a folder that cannot be read changes nothing."""
        wanted: dict[int, Path] = {}
        config = self.config  # another thread may replace it meanwhile
        if config is not None:
            try:
                folders = version_folders(Path(config.base_path))
            except OSError as error:
                if str(error) != self._scan_error:
                    _LOG.warning("Could not find base path of model %s: %s", self.name, error)
                self._scan_error = str(error)
                return
            self._scan_error = ""
            wanted = choose(config.model_version_policy, folders)
        with self._changed:
            for number in self._wanted.keys() - wanted.keys():
                self.versions[number].given_up = False
            self._wanted = wanted
            self._renew()

    def _renew(self) -> None:
        """Starts wanted versions that are new or that had ended without an error."""
        for number in self._wanted:
            version = self.versions.get(number)
            if version is None or (version.state == State.END and not version.given_up):
                self.versions[number] = Version(number)

    def _load(self, version: Version, folder: Path) -> None:
        self._set(version, State.LOADING)
        servable = None
        try:
            servable = Servable(self.name, version.number, folder, self._session_config())
            servable.warm_up()
        except Exception as error:  # a model can fail to load in any way
            if servable is not None:
                servable.close()
            _LOG.warning("Loading version %d of %s failed: %s", version.number, self.name, error)
            version.error = status_of(error)
            version.failed_loads += 1
            version.retry_at = time.monotonic() + self._flags.load_retry_interval_micros / 1e6
            version.given_up = version.failed_loads > self._flags.max_num_load_retries
            self._set(version, State.END if version.given_up else State.LOADING)
        else:
            version.servable = servable
            version.error = None
            self._set(version, State.AVAILABLE)

    def _session_config(self) -> ConfigProto:
        return ConfigProto(
            inter_op_parallelism_threads=self._flags.tensorflow_inter_op_parallelism,
            intra_op_parallelism_threads=self._flags.tensorflow_intra_op_parallelism,
        )

    def _unload_unwanted(self) -> None:
        is_covered = not self._wanted or self.available().keys() & self._wanted.keys()
        for number, version in list(self.versions.items()):
            if number in self._wanted:
                continue
            if version.state == State.AVAILABLE and is_covered:
                self._set(version, State.UNLOADING)
            elif version.state in (State.START, State.LOADING):
                self._set(version, State.END)
        for version in list(self.versions.values()):
            if version.state == State.UNLOADING and not version.in_flight:
                self._close(version)

    def _settle(self) -> None:
        """Ends being new once each wanted version was tried, and one loaded or none ever will."""
        with self._changed:
            wanted = [self.versions[number] for number in self._wanted]
            loaded = self.available().keys() & self._wanted.keys()
            is_tried = all(version.failed_loads or version.number in loaded for version in wanted)
            is_hopeless = bool(wanted) and all(version.given_up for version in wanted)
            is_followed = self._look_at > 0.0  # no configuration came meanwhile
            if is_followed and ((loaded and is_tried) or is_hopeless):
                self.is_new = False
                self._changed.notify_all()

    def _close(self, version: Version) -> None:
        assert version.servable is not None  # until it has ended
        version.servable.close()
        version.servable = None
        gc.collect()  # a graph is full of reference cycles
        self._set(version, State.END)
        with self._changed:
            self._renew()

    def _set(self, version: Version, state: int) -> None:
        with self._changed:
            version.state = state
            self._changed.notify_all()
