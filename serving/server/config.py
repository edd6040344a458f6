"""What the files that flags name say: TensorFlow Serving's messages in protobuf's text format."""

from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory, text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from serving.server.flags import Flags
from serving.server.status import StatusError, invalid_argument

_PLATFORM = "tensorflow"
_METRICS_PATH = "/monitoring/prometheus/metrics"
_Proto = TypeVar("_Proto", bound=message.Message)

# tensorflow_serving/config/ssl_config.proto and monitoring_config.proto, which the package
# tensorflow-serving-api does not ship: names, numbers and types of their fields.
_UNSHIPPED = """
name: "serving/server/unshipped.proto" package: "tensorflow.serving" syntax: "proto3"
message_type {
  name: "SSLConfig"
  field { name: "server_key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "server_cert" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "custom_ca" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "client_verify" number: 4 type: TYPE_BOOL label: LABEL_OPTIONAL }
}
message_type {
  name: "PrometheusConfig"
  field { name: "enable" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "path" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
}
message_type {
  name: "MonitoringConfig"
  field { name: "prometheus_config" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL
          type_name: ".tensorflow.serving.PrometheusConfig" }
}
"""
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(text_format.Parse(_UNSHIPPED, descriptor_pb2.FileDescriptorProto()))


def _unshipped(name: str) -> Any:
    return message_factory.GetMessageClass(
        _POOL.FindMessageTypeByName(f"tensorflow.serving.{name}")
    )


SSLConfig = _unshipped("SSLConfig")
MonitoringConfig = _unshipped("MonitoringConfig")


def models(flags: Flags) -> ModelServerConfig:
    """The models that the flags, or their config file as it is now, name.

    Raises:
        StatusError: if the file cannot be used.
    """
    if flags.model_config_file:
        return _read(flags.model_config_file, ModelServerConfig)
    config = ModelServerConfig()
    path = str(Path(flags.model_base_path).absolute())
    config.model_config_list.config.add(
        name=flags.model_name, base_path=path, model_platform=_PLATFORM
    )
    return config


def check_models(config: ModelServerConfig) -> None:
    """Refuses what TensorFlow Serving refuses before it loads anything, and paths with a NUL.

    Raises:
        StatusError: INVALID_ARGUMENT for a model listed twice, without an absolute path that a
            folder can have, or of another platform than tensorflow.
    """
    if config.HasField("custom_model_config"):
        raise invalid_argument("ModelServer does not yet support custom model config.")
    seen = set()
    for model in config.model_config_list.config:
        if model.name in seen:
            raise invalid_argument(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        seen.add(model.name)
        _check_model(model)


def _check_model(model: ModelConfig) -> None:
    if not Path(model.base_path).is_absolute():
        raise invalid_argument(
            f"Expected model {model.name} to have an absolute path or URI; "
            f"got base_path()={model.base_path}"
        )
    if "\0" in model.base_path:
        raise invalid_argument(
            f"Expected model {model.name} to have a path without NUL characters; "
            f"got base_path()={model.base_path!r}"
        )
    if not model.model_platform and not model.model_type:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            "nor ModelServerConfig::model_platform."
        )
    if model.model_platform not in (_PLATFORM, ""):
        raise invalid_argument(
            f"Model {model.name} requests unsupported platform {model.model_platform}"
        )


def server_credentials(flags: Flags) -> grpc.ServerCredentials | None:
    """TLS, mutual if client_verify is set; None without --ssl_config_file.

    Raises:
        StatusError: if the file cannot be used.
    """
    if not flags.ssl_config_file:
        return None
    ssl = _read(flags.ssl_config_file, SSLConfig)
    if ssl.client_verify and not ssl.custom_ca:
        raise invalid_argument(f"client_verify needs custom_ca in {flags.ssl_config_file}")
    return grpc.ssl_server_credentials(
        [(ssl.server_key.encode(), ssl.server_cert.encode())],
        root_certificates=ssl.custom_ca.encode() or None,
        require_client_auth=ssl.client_verify,
    )


def metrics_path(flags: Flags) -> str | None:
    """The metrics' path on --rest_api_port; None without that or a file that enables them.

    Raises:
        StatusError: if the file cannot be used.
    """
    if not flags.monitoring_config_file or not flags.rest_api_port:
        return None
    prometheus = _read(flags.monitoring_config_file, MonitoringConfig).prometheus_config
    return (prometheus.path or _METRICS_PATH) if prometheus.enable else None


def _read(path: str, kind: type[_Proto]) -> _Proto:
    try:
        return text_format.Parse(Path(path).read_text(), kind())
    except OSError as error:
        raise StatusError(grpc.StatusCode.NOT_FOUND, str(error)) from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise invalid_argument(
            f"Error parsing text-format {kind.DESCRIPTOR.full_name}: {error} (file {path})"
        ) from None
