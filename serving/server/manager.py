"""All models served: follows the configuration, and finds the version that a request asks for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from serving.server.config import check_models
from serving.server.flags import Flags
from serving.server.model import Model
from serving.server.request_log import RequestLog, RequestLogs
from serving.server.servable import Servable
from serving.server.status import StatusError, invalid_argument, not_found
from serving.server.steps import Steps
from serving.server.versions import State, Version


class ModelManager:
    """Serves the models of a configuration until the next one.

    One thread (`Steps`) loads and unloads. Flags, config file and reload requests all are
    followed at once; none waits until the models of the one before are loaded.

    Args:
        flags: say how folders are watched and which labels are allowed.
    """

    def __init__(self, flags: Flags):
        self._flags = flags
        self._models: dict[str, Model] = {}  # those no longer configured stay listed
        self._labels: dict[str, dict[str, int]] = {}
        self._request_logs = RequestLogs()
        self._changed = threading.Condition()  # guards the above
        self._reloading = threading.Lock()  # held to take a configuration, not to wait for loads
        self._steps = Steps(self._models, self._changed)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begins to load and watch, in a thread."""
        self._steps.start()

    def reload(
        self,
        config: ModelServerConfig,
        timeout_seconds: float | None = None,
        is_active: Callable[[], bool] = lambda: True,
    ) -> None:
        """Serves what `config` lists from now on; returns once its new models are AVAILABLE.

        Args:
            config: what to serve.
            timeout_seconds: how long to wait; None: without end.
            is_active: whether the caller still waits; asked again on `look_again`.

        Raises:
            StatusError: as from `follow`; UNKNOWN if a new model cannot be loaded, ABORTED if
                another configuration changes a new model meanwhile, DEADLINE_EXCEEDED if the
                time ran out, CANCELLED if the caller has gone or the server is stopped.
        """
        new = self.follow(config)
        with self._changed:
            done = self._changed.wait_for(lambda: self._is_over(new, is_active), timeout_seconds)
        if not done:
            message = f"Models did not become available in time: {', '.join(new)}"
            raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, message)

    def follow(self, config: ModelServerConfig) -> dict[str, ModelConfig]:
        """Serves what `config` lists from now on, its new models as soon as they are loaded.

        Returns:
            What `config` says of each new model, by name.

        Raises:
            StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION if the configuration is
                refused, which changes nothing.
        """
        check_models(config)
        with self._reloading:
            if self._models and not config.HasField("model_config_list"):
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    "Cannot transition to requested config. It is only legal to transition "
                    "from one ModelConfigList to another.",
                )
            listed = {model.name: model for model in config.model_config_list.config}
            with self._changed:
                labels = {name: self._labels_of(model) for name, model in listed.items()}
            # Not while requests wait; the last that may be refused.
            logs = self._request_logs.open(listed)
            with self._changed:
                self._labels = labels
                self._request_logs.replace(logs)
                self._configure(listed)
                return {name: model for name, model in listed.items() if self._models[name].is_new}

    def look_again(self) -> None:
        """Has each reload that waits ask whether its caller still does."""
        with self._changed:
            self._changed.notify_all()

    def cancel(self) -> None:
        """Ends a reload that waits in another thread; the manager can then only be stopped."""
        self._stopping.set()
        self.look_again()

    def stop(self, timeout_seconds: float) -> None:
        """Unloads everything; a load that takes longer is left behind."""
        self.cancel()
        with self._changed:
            self._request_logs.replace({})
            self._configure({})
        self._steps.stop(timeout_seconds)

    @contextmanager
    def use(self, spec: model_pb2.ModelSpec) -> Iterator[Servable]:
        """Holds the version that `spec` asks for, which stays loaded meanwhile.

        Raises:
            StatusError: if `spec` names no model, or a model, version or label not available.
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
                is_last = not version.in_flight and version.state == State.UNLOADING
            if is_last:
                self._steps.wake()

    def request_log(self, name: str) -> RequestLog | None:
        """Where a model's requests are sampled to."""
        return self._request_logs.get(name)

    def names(self) -> list[str]:
        """The models of the configuration."""
        with self._changed:
            return [name for name, model in self._models.items() if model.config is not None]

    def is_served(self, name: str) -> bool:
        """Whether the configuration has ever listed a model of that name."""
        return name in self._models

    def statuses(self, spec: model_pb2.ModelSpec) -> list[get_model_status_pb2.ModelVersionStatus]:
        """One version of a model, or all seen so far, newest first.

        Raises:
            StatusError: NOT_FOUND if there is none.
        """
        with self._changed:
            versions = self._models[spec.name].versions if spec.name in self._models else {}
            if spec.WhichOneof("version_choice") == "version":
                if spec.version.value not in versions:
                    raise not_found(
                        f"Could not find version {spec.version.value} of model {spec.name}"
                    )
                return [versions[spec.version.value].to_proto()]
            if not versions:
                raise not_found(f"Could not find any versions of model {spec.name}")
            return [versions[number].to_proto() for number in sorted(versions, reverse=True)]

    def _find(self, spec: model_pb2.ModelSpec) -> Version:
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        available = self._models[spec.name].available() if spec.name in self._models else {}
        match spec.WhichOneof("version_choice"):
            case "version":
                number = spec.version.value
            case "version_label":
                labels = self._labels.get(spec.name, {})
                if spec.version_label not in labels:
                    label = spec.version_label
                    raise invalid_argument(f"Unrecognized servable version label: {label}")
                number = labels[spec.version_label]
            case _:
                if not available:
                    raise not_found(f"Servable not found for request: Latest({spec.name})")
                number = max(available)
        if number not in available:
            raise not_found(f"Servable not found for request: Specific({spec.name}, {number})")
        return available[number]

    def _labels_of(self, config: ModelConfig) -> dict[str, int]:
        """A model's new labels; those of versions not available are refused."""
        old = self._labels.get(config.name, {})
        available = self._models[config.name].available() if config.name in self._models else {}
        for label, number in config.version_labels.items():
            is_allowed = (
                self._flags.allow_version_labels_for_unavailable_models
                and old.get(label, number) == number
            )
            if number not in available and not is_allowed:
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model {config.name}, "
                    "which is not currently available for inference",
                )
        return dict(config.version_labels)

    def _configure(self, listed: dict[str, ModelConfig]) -> None:
        """Hands each model its new configuration."""
        for name in listed.keys() - self._models.keys():
            self._models[name] = Model(name, self._flags, self._changed)
        for name, model in self._models.items():
            model.configure(listed.get(name))
        self._changed.notify_all()
        self._steps.wake()

    def _is_over(self, new: dict[str, ModelConfig], is_active: Callable[[], bool]) -> bool:
        """Whether the new models are available; raises if there is no more to wait for."""
        if self._stopping.is_set():
            raise StatusError(grpc.StatusCode.CANCELLED, "The server is stopping")
        if not is_active():
            raise StatusError(grpc.StatusCode.CANCELLED, "The caller no longer waits")
        is_ready = [  # each, so that any may raise
            self._models[name].is_ready(config) for name, config in new.items()
        ]
        return all(is_ready)
