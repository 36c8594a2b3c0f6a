"""Where Optuna keeps studies: a journal for each fit, or a storage that many workers share."""

import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

#: A worker on a database says this often that it lives; after the longer time it is taken for dead.
HEARTBEAT_S, GRACE_S = 60, 180
#: A database is opened again so often: of several workers that make its tables at once, one fails.
ATTEMPTS = 5


class StorageError(ValueError):
    """A storage of studies cannot be opened."""


@dataclass(frozen=True, slots=True)
class StudyPlace:
    """Where a study is kept: in ``journal``, in ``storage`` under its name, or in memory.

    ``storage`` is a URL, as in ``postgresql://…``, or the path of a journal; it may hold a
    password, and is shown nowhere.
    """

    journal: Path | None = None
    storage: str | None = field(default=None, repr=False)
    name: str = "study"

    @classmethod
    def of_fit(cls, part: Path, storage: str | None) -> "StudyPlace":
        """The place of the study of a fit, whose file is named by what it depends on."""
        if storage is None:
            return cls(journal=part.with_suffix(".journal"))
        return cls(storage=storage, name=f"{part.parent.name}/{part.stem}")

    @property
    def shared(self) -> bool:
        """Whether other workers may work at it too."""
        return self.storage is not None

    @contextmanager
    def opened(self) -> Iterator[optuna.Study]:
        """The study, made if it is not there.

        Raises:
            StorageError: the storage cannot be opened.
        """
        storage = _own(self.journal) if self.storage is None else open_storage(self.storage)
        try:
            yield optuna.create_study(
                storage=storage, study_name=self.name, direction="maximize", load_if_exists=True
            )
        finally:
            _close(storage)


def _close(storage: BaseStorage) -> None:
    """Let go of a database; other storages hold nothing."""
    if hasattr(storage, "engine"):
        storage.remove_session()
        storage.engine.dispose()


def _own(journal: Path | None) -> BaseStorage:
    if journal is None:
        return InMemoryStorage()
    journal.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(journal)))


def open_storage(where: str) -> BaseStorage:
    """A storage by its URL, or a journal by its path.

    Raises:
        StorageError: it cannot be opened; a password in the URL is not told.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _database(where) if "://" in where else _own(Path(where))
    # Drivers that are absent, names of none, servers that do not answer.
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        told = " ".join(_without_password(str(error), where).split())[:300]
        raise StorageError(
            f"--storage {without_secrets(where)}: cannot be opened "
            f"({type(error).__name__}: {told}); expected a URL such as sqlite:///studies.db or "
            "postgresql://USER@HOST/NAME with its driver installed, or the path of a journal"
        ) from None


def check_storage(where: str | None) -> None:
    """Find out before hours of work whether a storage answers.

    Raises:
        StorageError: it does not.
    """
    if where is not None:
        _close(open_storage(where))


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    # Workers of one SQLite file wait for one another.
    waiting = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with warnings.catch_warnings():
                # Heartbeats are an experiment of Optuna's.
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(
                    url,
                    engine_kwargs=waiting,
                    heartbeat_interval=HEARTBEAT_S,
                    grace_period=GRACE_S,
                )
        except SQLAlchemyError:
            if attempt == ATTEMPTS or not url.startswith("sqlite"):
                raise
            time.sleep(0.5 * attempt)
    raise AssertionError("the last attempt returns or raises")


def without_secrets(url: str) -> str:
    """A URL as it may be shown: no password, no query.

    >>> without_secrets("postgresql://ada:s3:cr@t@host/db?sslpassword=x")
    'postgresql://ada:***@host/db'
    """
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url.partition("?")[0])


def _without_password(text: str, url: str) -> str:
    """A driver's words without the URL and without its password."""
    found = re.search(r"://[^:/@]*:(.*)@", url)
    text = text.replace(url, without_secrets(url))
    return text.replace(found[1], "***") if found and found[1] else text
