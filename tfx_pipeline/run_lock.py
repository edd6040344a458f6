"""One run, or one rollback, at a time."""

import contextlib
import datetime
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path


class BusyError(RuntimeError):
    """Another process does the same; the message says which."""


@contextlib.contextmanager
def only_one(what: str, folder: Path) -> Iterator[None]:
    """Hold the lock on what is done in a folder, which the system releases however a process ends.

    Args:
      what: 'run' say, of which the folder bears one at a time.
      folder: where the lock is kept, as `what.lock`.

    Raises:
      BusyError: another process holds it.
    """
    with (folder / f"{what}.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BusyError(
                f"Another {what} is under way in {folder}: "
                f"{file.read() or 'one that just started'}. Wait for its end."
            ) from None
        file.truncate(0)
        now = datetime.datetime.now().astimezone()
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now:%d %b %H:%M}")
        file.flush()
        yield
