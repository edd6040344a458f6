"""`python -m serving.server`: serves until SIGTERM or SIGINT.

Exit status: 0 after a signal, 1 if the first version cannot be loaded or the port is taken,
2 for a wrong command line.
"""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from serving.server.flags import parse_flags

if TYPE_CHECKING:
    from serving.server.model_server import ModelServer

_LOG = logging.getLogger("serving.server")
_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server on the main thread, in a process that has not imported TensorFlow yet.

    Args:
        arguments: the flags; None takes those of the process.

    Returns:
        The exit status.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    flags = parse_flags(arguments)
    # Threads inherit the mask. Left open, a signal may reach one of TensorFlow's or gRPC's
    # threads and not wake this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    with _silenced_stderr():
        from serving.server.manager import Watch
        from serving.server.model_server import ModelServer

    # What imports made is never garbage: keep it out of collections, which pause requests.
    gc.freeze()
    server = ModelServer(
        flags.model_name,
        flags.model_base_path,
        port=flags.port,
        host=flags.host,
        watch=Watch(
            poll_wait_seconds=flags.file_system_poll_wait_seconds,
            max_load_retries=flags.max_num_load_retries,
            load_retry_seconds=flags.load_retry_interval_micros / 1e6,
        ),
        threads=flags.grpc_max_threads,
        health_check=flags.enable_grpc_healthcheck_service,
    )
    return _serve(server)


def _serve(server: "ModelServer") -> int:
    from serving.server.manager import LoadError

    stopped = threading.Event()

    def wait_for_signal() -> None:
        signal.sigwait(_SIGNALS)
        stopped.set()
        server.cancel_start()

    threading.Thread(target=wait_for_signal, daemon=True).start()
    try:
        if server.start():
            print(f"ready: {server.name} on {server.target}", flush=True)
        stopped.wait()
    except (LoadError, OSError) as error:
        _LOG.error("%s", error)
        return 1
    finally:
        server.stop()
    return 0


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Hides what TensorFlow's C++ prints while it is imported, before its log level counts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "w") as devnull:  # noqa: PTH123  (a device, not a path of ours)
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


if __name__ == "__main__":
    sys.exit(main())
