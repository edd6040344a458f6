"""`python -m serving.server`: serves until SIGTERM or SIGINT.

Exit status: 0 after a signal, 1 if a model or file cannot be loaded or a port is taken,
2 for a wrong command line.
"""

import gc
import logging
import signal
import sys
import threading
from collections.abc import Sequence
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
    import serving.quiet_tensorflow  # noqa: F401  (before the server imports it)
    from serving.server.model_server import ModelServer

    # What imports made is never garbage: keep it out of collections, which pause requests.
    gc.freeze()
    # A request that waits for a load's or another request's Python code gets its turn after half a
    # millisecond, not the usual five.
    sys.setswitchinterval(0.0005)
    return _serve(ModelServer(flags), flags.model_config_file_poll_wait_seconds)


def _serve(server: "ModelServer", poll_seconds: float) -> int:
    """Serves until a signal, rereading the config file at that pace; 0: never."""
    from serving.server.status import StatusError

    stopped = threading.Event()

    def wait_for_signal() -> None:
        signal.sigwait(_SIGNALS)
        stopped.set()
        server.cancel()

    threading.Thread(target=wait_for_signal, daemon=True).start()
    try:
        server.start()
        print(f"ready: {', '.join(server.models)} on {server.target}", flush=True)
        while not stopped.wait(min(poll_seconds, threading.TIMEOUT_MAX) or None):
            _reload(server)
    except (StatusError, OSError) as error:
        if not stopped.is_set():
            _LOG.error("%s", error)
            return 1
    finally:
        server.stop()
    return 0


def _reload(server: "ModelServer") -> None:
    """Follows the config file; one that cannot be used is logged, and changes nothing."""
    from serving.server.status import StatusError

    try:
        server.reload()
    except StatusError as error:
        _LOG.error("The model config file is not followed: %s", error)


if __name__ == "__main__":
    sys.exit(main())
