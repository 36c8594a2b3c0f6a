"""Locks of what is kept in the cache, so that of two equal commands one waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encoders.locks import held


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock of something kept; a process that dies lets go of it."""
    with held(path.with_suffix(".lock")):
        yield
