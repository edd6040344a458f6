"""The command line: TensorFlow Serving's flag names and defaults."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
_LOG = logging.getLogger(__name__)

# TensorFlow Serving's flags for what this server leaves out or does anyway: they change no
# answer, so a production command line works here too. Those that do change answers or who may
# connect (--model_config_file, --ssl_config_file, ...) are errors.
_IGNORED_FLAGS = (
    "batching_parameters_file",
    "enable_batching",
    "enable_model_warmup",
    "enable_profiler",
    "flush_filesystem_caches",
    "grpc_channel_arguments",
    "monitoring_config_file",
    "num_load_threads",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "num_unload_threads",
    "per_process_gpu_memory_fraction",
    "prefer_tflite_model",
    "remove_unused_fields_from_bundle_metagraph",
    "rest_api_enable_cors_support",
    "rest_api_num_threads",
    "rest_api_port",
    "rest_api_timeout_in_ms",
    "tensorflow_inter_op_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_session_parallelism",
)


def parse_flags(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line; exits with status 2 and the usage on a flag it does not know."""
    flags = _parser().parse_args(arguments)
    ignored = [f"--{name}" for name in _IGNORED_FLAGS if getattr(flags, name) is not None]
    if ignored:
        _LOG.warning("The embedded server ignores %s", ", ".join(ignored))
    return flags


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving.server",
        description="Serves a model folder over TensorFlow Serving's gRPC API.",
        epilog="Accepted and ignored: " + " ".join(f"--{name}" for name in _IGNORED_FLAGS),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=int, default=8500, help="gRPC port; 0 takes a free one (default 8500)")
    add(
        "--host",
        default=DEFAULT_HOST,
        help="address to bind (default 127.0.0.1; TensorFlow Serving, without the flag, binds all)",
    )
    add("--model_name", default="default", help="the model's name in requests (default: default)")
    add("--model_base_path", type=Path, required=True, help="folder of the version folders")
    add(
        "--file_system_poll_wait_seconds",
        type=_not_negative,
        default=1,
        help="pause between looks for new versions; 0 looks once (default 1)",
    )
    add(
        "--max_num_load_retries",
        type=_not_negative,
        default=5,
        help="further tries when a version fails to load (default 5)",
    )
    add(
        "--load_retry_interval_micros",
        type=_not_negative,
        default=60_000_000,
        help="pause between those tries, in microseconds (default one minute)",
    )
    add("--grpc_max_threads", type=_positive, help="requests at once (default 4 a core)")
    add(
        "--enable_grpc_healthcheck_service",
        type=_boolean,
        nargs="?",
        const=True,
        default=False,
        help="answer grpc.health.v1.Health too",
    )
    for name in _IGNORED_FLAGS:
        add(f"--{name}", nargs="?", const="true", help=argparse.SUPPRESS)
    return parser


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"must be true or false. Received: {text!r}")


def _not_negative(text: str) -> int:
    return _at_least(0, text)


def _positive(text: str) -> int:
    return _at_least(1, text)


def _at_least(minimum: int, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least {minimum}. Received: {text!r}"
        )
    return int(text)
