"""Locks of files that several commands want: let go of when a process dies, and told when awaited.

The lock is the system's own (``flock``), on a file that stays: no link to a place that may move.
"""

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

#: Whoever waits longer says what for.
TOLD_S = 5.0
LOG = logging.getLogger("serfusion")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock; who waits for it for more than five seconds is told who has it."""
    lock = take(path)
    try:
        yield
    finally:
        let_go(path, lock)


def take(path: Path) -> FileLock:
    """Take a lock, for :func:`let_go`; none is needed where nothing can be written."""
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=TOLD_S)
    except Timeout:
        LOG.warning("waiting for %s, which holds %s", _holder(path), path)
        lock.acquire()
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return lock
    with suppress(OSError):
        _named(path).write_text(f"process {os.getpid()} on {socket.gethostname()}")
    return lock


def let_go(path: Path, lock: FileLock) -> None:
    """Let go of a lock that was taken."""
    if lock.is_locked:
        with suppress(OSError):
            _named(path).unlink()
        lock.release()


def _named(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _holder(path: Path) -> str:
    try:
        return _named(path).read_text(errors="replace")[:200] or "another process"
    except OSError:
        return "another process"
