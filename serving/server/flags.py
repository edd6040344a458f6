"""The command line, with TensorFlow Serving's flag names and meanings."""

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

_LOG = logging.getLogger(__name__)

ChannelArguments = tuple[tuple[str, int | str], ...]
_MAX_PORT = 65535
Port = Annotated[int, f"0 to {_MAX_PORT}"]

# TensorFlow Serving's flags for what this server leaves out or does anyway: they change no
# answer, so a production command line works here too.
_IGNORED = (
    "batching_parameters_file",
    "enable_batching",
    "enable_model_warmup",
    "enable_profiler",
    "flush_filesystem_caches",
    "num_load_threads",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "num_unload_threads",
    "per_process_gpu_memory_fraction",
    "prefer_tflite_model",
    "remove_unused_fields_from_bundle_metagraph",
    "rest_api_enable_cors_support",
    "rest_api_num_threads",
    "rest_api_timeout_in_ms",
    "tensorflow_session_parallelism",
)


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Flags:
    """What to serve and how; each field is a flag, explained by `--help`."""

    model_name: str = _flag("default", "the model's name in requests")
    model_base_path: str = _flag("", "folder of the version folders")
    model_config_file: str = _flag("", "text proto ModelServerConfig, instead of the two above")
    model_config_file_poll_wait_seconds: float = _flag(0.0, "rereads that file; 0: never")
    file_system_poll_wait_seconds: float = _flag(1.0, "looks for new versions; 0: once")
    max_num_load_retries: int = _flag(5, "further tries when a version fails to load")
    load_retry_interval_micros: int = _flag(60_000_000, "pause between those tries")
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "a new label may name a version that is not loaded yet"
    )
    port: Port = _flag(8500, "gRPC port; 0: a free one")  # noqa: RUF009  (an int)
    host: str = _flag("127.0.0.1", "address to bind; TensorFlow Serving has no such flag: 0.0.0.0")
    grpc_socket_path: str = _flag("", "unix socket to listen on as well")
    grpc_max_threads: int = _flag(0, "requests at once; 0: 4 a core")
    grpc_channel_arguments: ChannelArguments = _flag(  # noqa: RUF009  (of tuples)
        (), "of gRPC's server, such as grpc.max_receive_message_length=4194304; comma-separated"
    )
    tensorflow_inter_op_parallelism: int = _flag(0, "operations at once; 0: one a core")
    tensorflow_intra_op_parallelism: int = _flag(
        1, "threads of one operation; 0: one a core, which is TensorFlow Serving's default"
    )
    ssl_config_file: str = _flag("", "text proto SSLConfig, for TLS")
    enable_grpc_healthcheck_service: bool = _flag(False, "answer grpc.health.v1.Health too")
    enable_serialization_as_tensor_content: bool = _flag(False, "answer numbers as bytes")
    rest_api_port: Port = _flag(  # noqa: RUF009  (an int)
        0, "port of the metrics; there is no REST API"
    )
    monitoring_config_file: str = _flag("", "text proto MonitoringConfig, for Prometheus metrics")


def parse_flags(arguments: Sequence[str] | None = None) -> Flags:
    """Parses the command line; exits with status 2 and the usage on what it cannot use."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.server",
        description="Serves SavedModels over TensorFlow Serving's gRPC API.",
        epilog="Accepted and ignored: " + " ".join(f"--{name}" for name in _IGNORED),
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for flag in fields(Flags):
        value: dict[str, Any] = {"type": _PARSERS[flag.type]}
        if flag.type is bool:
            value |= {"nargs": "?", "const": True}
        text = flag.metadata["help"]
        parser.add_argument(f"--{flag.name}", default=flag.default, help=text, **value)
    for name in _IGNORED:
        parser.add_argument(f"--{name}", nargs="?", const="true", help=argparse.SUPPRESS)
    given = vars(parser.parse_args(arguments))
    ignored = [f"--{name}" for name in _IGNORED if given.pop(name) is not None]
    flags = Flags(**given)
    if not flags.model_base_path and not flags.model_config_file:
        parser.error("one of --model_base_path and --model_config_file is needed")
    if flags.rest_api_port and not flags.monitoring_config_file:
        ignored.append("--rest_api_port")
    if ignored:
        _LOG.warning("The embedded server ignores %s", ", ".join(ignored))
    return flags


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"must be true or false. Received: {text!r}")


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least 0. Received: {text!r}"
        )
    return int(text)


def _port(text: str) -> int:
    number = _whole_number(text)
    if number > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be at most {_MAX_PORT}. Received: {text!r}")
    return number


def _seconds(text: str) -> float:
    return float(_whole_number(text))


def _channel_arguments(text: str) -> ChannelArguments:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    for name, _, value in pairs:
        if not name or not value:
            raise argparse.ArgumentTypeError(f"must be name=value,... Received: {text!r}")
    return tuple((name, _number_or_text(value)) for name, _, value in pairs)


def _number_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: _whole_number,
    Port: _port,
    float: _seconds,
    bool: _boolean,
    ChannelArguments: _channel_arguments,
}
