"""Watches a version folder: loads, warms and swaps versions while requests go on."""

import gc
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from serving.server.servable import Servable
from serving.server.status import invalid_argument, not_found, status_of
from serving.server.versions import State, Version, version_folders

_LOG = logging.getLogger(__name__)


class LoadError(RuntimeError):
    """The first version could not be loaded, so there is nothing to serve."""


@dataclass(frozen=True)
class Watch:
    """How a version folder is watched.

    Args:
        poll_wait_seconds: pause between looks at the folder; 0 looks exactly once.
        max_load_retries: further tries after a version fails to load.
        load_retry_seconds: pause between those tries.
    """

    poll_wait_seconds: float = 1.0
    max_load_retries: int = 5
    load_retry_seconds: float = 60.0


class VersionManager:
    """Keeps the newest version of one model available.

    A new version is loaded and warmed before the old one is unloaded; one that fails leaves the
    old one serving; when the newest folder goes away, the next newest is loaded. A version is
    unloaded only when the last request that uses it has finished.
    """

    def __init__(self, name: str, base_path: Path, watch: Watch):
        self.name = name
        self._base_path = base_path
        self._watch = watch
        self._versions: dict[int, Version] = {}
        self._failed: int | None = None  # not tried again while its folder is the newest
        self._scan_error = ""
        self._changed = threading.Condition()  # guards _versions and their fields
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"versions of {name}", daemon=True)

    def start(self) -> None:
        """Begins to watch, in a thread."""
        self._thread.start()

    def wait_until_available(self, timeout_seconds: float | None = None) -> bool:
        """Waits for the first version; False if time ran out or the manager was stopped.

        Raises:
            LoadError: if the first version fails.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._available() or self._failed is not None or self._stopping.is_set(),
                timeout_seconds,
            )
            if self._available():
                return True
            if self._failed is not None:
                error = self._versions[self._failed].error
                raise LoadError(
                    f"Version {self._failed} of model {self.name} in {self._base_path} "
                    f"cannot be loaded: {error}"
                )
            return False

    def interrupt(self) -> None:
        """Stops watching, without waiting for a load that is under way."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def stop(self, timeout_seconds: float) -> None:
        """Stops watching and unloads; a load that takes longer is left behind."""
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    @contextmanager
    def use(self, spec: model_pb2.ModelSpec) -> Iterator[Servable]:
        """Holds the version that `spec` asks for, which stays loaded meanwhile.

        Raises:
            StatusError: if `spec` names no model, or a model or version not available.
        """
        with self._changed:
            version = self._find(spec)
            version.in_flight += 1
            servable = version.servable
        assert servable is not None  # an available version has one
        try:
            yield servable
        finally:
            with self._changed:
                version.in_flight -= 1
                if version.in_flight == 0:
                    self._changed.notify_all()

    def statuses(self) -> list[get_model_status_pb2.ModelVersionStatus]:
        """All versions seen so far, newest first."""
        with self._changed:
            versions = sorted(self._versions.items(), reverse=True)
            return [version.to_proto() for _, version in versions]

    def _find(self, spec: model_pb2.ModelSpec) -> Version:
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        available = self._available() if spec.name == self.name else {}
        if choice == "version":
            if spec.version.value not in available:
                wanted = f"Specific({spec.name}, {spec.version.value})"
                raise not_found(f"Servable not found for request: {wanted}")
            return available[spec.version.value]
        if not available:
            raise not_found(f"Servable not found for request: Latest({spec.name})")
        return available[max(available)]

    def _available(self) -> dict[int, Version]:
        return {n: v for n, v in self._versions.items() if v.state == State.AVAILABLE}

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._reconcile()
            # None: waits until the manager is stopped.
            self._stopping.wait(self._watch.poll_wait_seconds or None)
        for version in list(self._available().values()):
            self._unload(version)

    def _reconcile(self) -> None:
        """Brings what is loaded in line with the folder."""
        folders = self._scan()
        if folders is None:
            return
        newest = max(folders, default=None)
        if newest != self._failed:
            self._failed = None
        available = self._available()
        if newest is None or newest in available:
            settled = True
        else:
            settled = newest != self._failed and self._load(newest, folders[newest])
        if settled:
            for number, version in available.items():
                if number != newest:
                    self._unload(version)

    def _scan(self) -> dict[int, Path] | None:
        """Version folders by number; None, logged once, if the folder cannot be read."""
        try:
            folders = version_folders(self._base_path)
        except OSError as error:
            if str(error) != self._scan_error:
                _LOG.warning("Could not find base path of model %s: %s", self.name, error)
            self._scan_error = str(error)
            return None
        self._scan_error = ""
        return folders

    def _load(self, number: int, folder: Path) -> bool:
        """Makes a version available; False if it failed or is no longer wanted."""
        version = Version(number)
        self._set(version, State.START)
        self._set(version, State.LOADING)
        tries_left = self._watch.max_load_retries
        while True:
            try:
                version.servable = Servable(self.name, number, folder)
                version.servable.warm_up()
            except Exception as error:  # a model can fail to load in any way
                version.error, version.servable = status_of(error), None
                _LOG.warning("Loading version %d of %s failed: %s", number, self.name, error)
            else:
                version.error = None
                self._set(version, State.AVAILABLE)
                return True
            if tries_left == 0:
                self._failed = number
            elif self._wait_to_retry(number):
                tries_left -= 1
                continue
            self._set(version, State.END)
            return False

    def _wait_to_retry(self, number: int) -> bool:
        """Waits; False as soon as the version is no longer the newest, or on a stop."""
        until = time.monotonic() + self._watch.load_retry_seconds
        while (left := until - time.monotonic()) > 0:
            if self._stopping.wait(min(left, self._watch.poll_wait_seconds or left)):
                return False
            if max(self._scan() or {}, default=None) != number:
                return False
        return True

    def _unload(self, version: Version) -> None:
        self._set(version, State.UNLOADING)
        with self._changed:
            self._changed.wait_for(lambda: version.in_flight == 0)
            version.servable = None
        gc.collect()  # a loaded model is full of reference cycles
        self._set(version, State.END)

    def _set(self, version: Version, state: int) -> None:
        with self._changed:
            version.state = state
            self._versions[version.number] = version
            self._changed.notify_all()
