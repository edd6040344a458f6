"""Imports TensorFlow without the notices that its C++ prints before its log level counts."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import serving  # noqa: F401  (settings that have to come first)


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "w") as devnull:  # noqa: PTH123  (a device, not a path of ours)
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


if "tensorflow" not in sys.modules:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _silenced_stderr():
        import tensorflow  # noqa: F401
