"""Files of ours: written whole or not at all, known again by their hash, and removed only as ours.

A file is written to a temporary name, synced and renamed; a folder likewise, with a mark that names
its files with their hashes. JSON carries the hash of its own content. Only a folder that bears such
a mark is ever removed.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from encoders.locks import held
from encoders.manifest_rows import parse_json
from encoders.weights.files import file_sha256

#: Environment variable with the folder of the cache.
CACHE_VARIABLE = "SERFUSION_CACHE"
#: In sealed JSON: the hash of all the rest.
SEAL = "sha256"
#: The file that makes a folder ours.
MARK = ".serfusion.json"
#: Below a folder of ours: files that are not all written yet.
WRITING = ".writing"


class StoreError(ValueError):
    """The store cannot hold or return what was asked."""


def make_folder(folder: Path, private: bool = False) -> None:
    """Make a folder of the cache, with those above it; a ``private`` one is its owner's alone.

    Raises:
        StoreError: nothing can be written there; names the variable that chooses another place.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
        why = None if os.access(folder, os.W_OK) else "no permission to write"
    except OSError as error:
        why = error.strerror or type(error).__name__
    if why is not None:
        raise StoreError(f"{folder}: the cache cannot be written there ({why}); {elsewhere()}")


def elsewhere() -> str:
    """What to do where the cache lies badly."""
    now = os.environ.get(CACHE_VARIABLE)
    return (
        f"set {CACHE_VARIABLE} to a folder that you can write to "
        f"(now {now if now else 'not set, which is ~/.cache/serfusion'})"
    )


# ---------------------------------------------------------------- written whole


def write_atomically(path: Path, content: bytes, private: bool = False) -> None:
    """Write to a temporary name beside ``path``, sync, rename: readers see all of it or nothing.

    A ``private`` file holds people's words, and is its owner's alone.

    Raises:
        OSError: with the path, also where the system names none (as on a full disk).
    """
    write_parts(path, (content,), private)


def write_parts(path: Path, parts: Iterable[bytes], private: bool = False) -> None:
    """:func:`write_atomically` of content that comes in parts, and may be larger than memory."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        made = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666)
        with os.fdopen(made, "wb") as handle:
            handle.writelines(parts)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename outlast a power cut, where the file system can."""
    with suppress(OSError):
        _sync(folder)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sync_all(folder: Path) -> None:
    """What is in a folder, whoever wrote it: a rename must not outlast the content it names."""
    for path in folder.rglob("*"):
        sync_folder(path) if path.is_dir() else _sync(path)
    sync_folder(folder)


# ---------------------------------------------------------------- known by their hash


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with the hash of all of it under :data:`SEAL`."""
    # As it will be read: a tuple is a list then, and a key a text.
    plain = json.loads(json.dumps({name: content[name] for name in content if name != SEAL}))
    return {**plain, SEAL: _hash(plain)}


def seal_broken(content: object) -> bool:
    """Whether an object that was read is not as :func:`sealed` left it; one without seal is not."""
    if not isinstance(content, dict) or SEAL not in content:
        return False
    return bool(content[SEAL] != _hash({k: v for k, v in content.items() if k != SEAL}))


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_sealed(path: Path) -> dict[str, Any] | None:
    """What a sealed file holds; None where it is absent, damaged, or no such file."""
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(content, dict) and SEAL in content and not seal_broken(content)
    return content if whole else None


# ---------------------------------------------------------------- folders of ours


def mark_folder(folder: Path, **about: Any) -> None:  # noqa: ANN401 - what JSON can hold
    """Say in a folder that it is ours, and with which files."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(paths)}
    write_mark(folder, {**about, "files": files})


def marked(folder: Path) -> dict[str, Any] | None:
    """What the mark of a folder of ours says; None where it has none, or one that is not whole."""
    return None if folder.is_symlink() else read_sealed(folder / MARK)


def changed_files(folder: Path) -> list[str] | None:
    """Files that the mark of a folder names and that are not as they were; None without a mark."""
    mark = marked(folder)
    if mark is None:
        return None
    return [name for name, sha256 in mark["files"].items() if not _is(folder / name, sha256)]


def _is(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False


def write_mark(folder: Path, about: Mapping[str, Any]) -> None:
    """Write the mark of a folder of ours: what it is, and the hashes of its ``files``."""
    content = json.dumps(sealed({"made_by": "serfusion", **about}), indent=1)
    write_atomically(folder / MARK, content.encode(), private=True)


def remove_own(folder: Path) -> bool:
    """Remove a folder of ours; one without our mark stays. Returns whether it is gone."""
    if marked(folder) is None:
        return False
    shutil.rmtree(folder)
    return True


def publish(
    folder: Path,
    write: Callable[[Path], None],
    about: Mapping[str, Any] = MappingProxyType({}),
    last: str = "",
) -> list[str]:
    """Write files elsewhere, then move all of them into a folder, and mark it as ours.

    ``last`` is gone while others are moved. A file that is in the way and that somebody has
    changed is kept under another name; returns those. Files of the mark before that are not
    written again are removed. What is ``about`` the files stands in the mark when all is done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    user, place = getattr(os, "getuid", int)(), hashlib.sha256(str(folder.resolve()).encode())
    # Not in the folder, where it would stay; of two equal commands one waits.
    lock = Path(tempfile.gettempdir()) / f"serfusion-{user}-{place.hexdigest()[:16]}.lock"
    with held(lock):
        return _publish(folder, write, about, last)


def _publish(
    folder: Path, write: Callable[[Path], None], about: Mapping[str, Any], last: str
) -> list[str]:
    work = folder / WRITING
    remove_own(work)
    work.mkdir(mode=0o700)
    mark_folder(work)
    write(work)
    mark_folder(work)
    _sync_all(work)
    mark, files = marked(folder) or {}, (marked(work) or {})["files"]
    ours = [mark.get("files", {}), mark.get("before", {})]
    kept = [aside for name in files if (aside := _set_aside(folder / name, name, ours))]
    # From here on a file may be that of before or that of now.
    write_mark(folder, {"files": files, "before": {**ours[1], **ours[0]}})
    (folder / last).unlink(missing_ok=True) if last else None
    for name in sorted(files, key=lambda name: name == last):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).replace(folder / name)
    for name in ours[0].keys() - files:
        if _is(folder / name, ours[0][name]):
            (folder / name).unlink()
    remove_own(work)
    for place in {folder, *((folder / name).parent for name in files)}:
        sync_folder(place)
    write_mark(folder, {**about, "files": files})
    return kept


def remark(folder: Path, names: Iterable[str]) -> None:
    """Say in the mark of a folder, where it has one, that some files were written again."""
    mark = marked(folder)
    if mark is not None:
        again = {name: file_sha256(folder / name) for name in names}
        write_mark(folder, {**mark, "files": {**mark["files"], **again}})


def _set_aside(path: Path, name: str, ours: Sequence[Mapping[str, str]]) -> str | None:
    """The new name of a file that somebody changed; None where it is as we wrote it, or empty."""
    if not path.is_file() or not path.stat().st_size:
        return None
    if file_sha256(path) in [files.get(name) for files in ours]:
        return None
    aside = free_name(path, "kept")
    path.rename(aside)
    return aside.name


def free_name(path: Path, word: str) -> Path:
    """The first ``NAME.WORD-N`` beside a file that nothing has, N from 1 on."""
    names = (path.with_name(f"{path.name}.{word}-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


@contextmanager
def own_folder(folder: Path, **about: Any) -> Iterator[Path]:  # noqa: ANN401 - what JSON can hold
    """A temporary folder, marked as ours, that becomes ``folder`` when all is written in it.

    A folder of ours that is there is replaced; what was left by a killed writer is not seen.

    Raises:
        FileExistsError: there is a folder of that name that is not ours; it stays as it is.
    """
    work = folder.with_name(f".{folder.name}.{uuid4().hex}.tmp")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work.mkdir(mode=0o700)
    try:
        mark_folder(work, **about)
        yield work
        mark_folder(work, **about)
        _sync_all(work)
        if folder.exists() and not remove_own(folder):
            raise FileExistsError(
                f"{folder}: is there and was not made by serfusion; it was left as it is: move it "
                "away or choose another name"
            )
        work.rename(folder)
        sync_folder(folder.parent)
    finally:
        if work.exists():
            remove_own(work)
