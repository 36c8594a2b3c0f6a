"""Where Optuna keeps studies: a journal for each fit, or a storage that many workers share."""

import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, InMemoryStorage

from encoders.messages import printable
from fusion.tuning.journal import opened_journal
from fusion.tuning.pruning import pruner

#: A worker on a database says this often that it lives; after the longer time it is taken for dead.
HEARTBEAT_S, GRACE_S = 60, 180
#: A database is opened again so often: of several workers that make its tables at once, one fails.
ATTEMPTS = 5
#: What Optuna writes first into a journal.
JOURNAL_STARTS = b'{"op_code":'


class StorageError(ValueError):
    """A storage of studies cannot be opened."""


@dataclass(frozen=True, slots=True)
class StudyStorage:
    """Where a study is kept: in ``journal``, in ``storage`` under its name, or in memory.

    ``storage`` is a URL, as in ``postgresql://…``, or the path of a journal; it may hold a
    password, and is shown nowhere.
    """

    journal: Path | None = None
    storage: str | None = field(default=None, repr=False)
    name: str = "study"

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
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = _own(self.journal) if self.storage is None else open_storage(self.storage)
        try:
            yield optuna.create_study(
                storage=storage,
                study_name=self.name,
                pruner=pruner(),
                direction="maximize",
                load_if_exists=True,
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
    return opened_journal(journal)


def open_storage(where: str) -> BaseStorage:
    """A storage by its URL, or a journal by its path.

    Raises:
        StorageError: it cannot be opened; a password in the URL is not told.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _check_name(where)
        return _database(where) if "://" in where else _own(_journal(Path(where)))
    # Drivers that are absent, names of none, servers that do not answer.
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        # SQLAlchemy adds its statement and a link to what the driver said.
        said = str(getattr(error, "orig", None) or error)
        message = printable(_without_password(said, where))[:300]
        raise StorageError(
            f"--storage {without_secrets(where)}: cannot be opened "
            f"({type(error).__name__}: {message}); expected a URL such as sqlite:///studies.db or "
            "postgresql://USER@HOST/NAME with its driver installed, or the path of a journal"
        ) from None


def _check_name(where: str) -> None:
    """What would keep nothing, or keep it elsewhere than was meant, is refused.

    Raises:
        ValueError: no name, a database in memory, a URL with one slash, a folder that is not there.
    """
    if not where.strip():
        raise ValueError("expected a name, got nothing")
    if re.match(r"[a-z][a-z+0-9]+:(?!//)", where):
        raise ValueError("two slashes follow the colon of a URL, three those of sqlite:///FILE")
    if not re.match(r"sqlite(\+\w+)?://", where):
        return
    name = where.partition("://")[2].removeprefix("/").partition("?")[0]
    if name in ("", ":memory:"):
        raise ValueError("a database in memory, which no other worker sees: name a file")
    if not name.startswith("file:") and not Path(name).parent.is_dir():
        raise ValueError(f"no folder {Path(name).parent}")


def _journal(path: Path) -> Path:
    """The path of a journal that is one or is yet to be made; it is appended to.

    Raises:
        ValueError: the file is something else, and stays as it is.
    """
    first = b""
    if path.exists():
        with path.open("rb") as file:
            first = file.readline(10_000)
    # Another worker may be writing it at this moment.
    if not JOURNAL_STARTS.startswith(first[: len(JOURNAL_STARTS)]):
        raise ValueError("the file is there and is no journal of studies; it was left as it is")
    return path


def check_storage(where: str | None) -> None:
    """Find out before hours of work whether a storage answers.

    Raises:
        StorageError: it does not.
    """
    if where is not None:
        _close(open_storage(where))


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError, OperationalError

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
        except DBAPIError as error:
            # Others may be making the same tables; a silent server is not asked again.
            absent = isinstance(error, OperationalError) and not url.startswith("sqlite")
            if attempt == ATTEMPTS or absent:
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
    match = re.search(r"://[^:/@]*:(.*)@", url)
    text = text.replace(url, without_secrets(url))
    # Drivers tell it as it was typed, or with its %40 read as @; within other words it is chance.
    for secret in {match[1], unquote(match[1])} - {""} if match else ():
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text
