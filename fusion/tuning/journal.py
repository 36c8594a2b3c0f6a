"""Journals of studies that outlast kills, full disks, and moves of the folder that they lie in."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from encoders.files import free_name, write_atomically
from encoders.locks import LOG, TOLD_S, let_go, take

#: Optuna's own lock is a link beside the journal; one so old was left by a worker that died.
STALE_S = 30.0


class JournalLock(JournalFileOpenLock):
    """A lock beside a journal that needs no link; a line that was cut before is set aside first."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._path = journal.with_name(f"{journal.name}.flock")
        self._lock: FileLock | None = None

    def acquire(self) -> bool:
        """Wait for the lock, and for a living worker that has Optuna's own."""
        self._lock = take(self._path)
        self._await_link()
        if not _ends_whole(self._journal):
            mend(self._journal)
        return True

    def release(self) -> None:
        """Let go of it."""
        if self._lock is not None:
            let_go(self._path, self._lock)

    def _await_link(self) -> None:
        """Wait while a program with Optuna's own lock writes; a link that stays is dropped."""
        link = self._journal.with_name(f"{self._journal.name}.lock")
        stamp, since, told = None, time.monotonic(), False
        while os.path.lexists(link):
            with suppress(OSError):
                changed_s = link.lstat().st_mtime
                if changed_s != stamp:
                    stamp, since = changed_s, time.monotonic()
                # By our own clock too: the other's may be ahead.
                if max(time.time() - changed_s, time.monotonic() - since) > STALE_S:
                    link.unlink()
                    continue
                if not told and time.monotonic() - since > TOLD_S:
                    LOG.warning("waiting up to %d s for whoever made %s", STALE_S, link)
                    told = True
            time.sleep(0.05)


def opened_journal(path: Path) -> JournalStorage:
    """The studies of a journal, which is made where there is none.

    What is damaged is set aside by name; the lines before it go on. One whose lines are whole but
    no study's is set aside too, and begins anew.
    """
    journal = path.resolve()
    journal.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalLock(journal)
    lock.acquire()
    try:
        mend(journal)
    finally:
        lock.release()
    try:
        return _storage(journal, lock)
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError):
        _set_aside(journal, b"")
        return _storage(journal, lock)


def _storage(journal: Path, lock: JournalLock) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


def _ends_whole(journal: Path) -> bool:
    try:
        with journal.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    except OSError:
        return True


def mend(journal: Path) -> None:
    """Keep the lines of a journal up to the first that is damaged; its lock is held."""
    content = journal.read_bytes() if journal.exists() else b""
    whole = []
    for line in content.split(b"\n"):
        try:
            if not isinstance(json.loads(line), dict):
                break
        except ValueError:
            break
        whole.append(line + b"\n")
    kept = b"".join(whole)
    if kept != content:
        _set_aside(journal, kept)


def _set_aside(journal: Path, kept: bytes) -> None:
    aside = free_name(journal, "damaged")
    write_atomically(aside, journal.read_bytes())
    write_atomically(journal, kept)
    LOG.warning(
        "%s: was damaged (a kill or a full disk cuts lines); it goes on from its %d whole lines, "
        "and was set aside as %s",
        journal, kept.count(b"\n"), aside.name,
    )  # fmt: skip
