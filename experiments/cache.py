"""Housekeeping of the embedding store."""

import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.asr.transcription import read_transcript
from encoders.extraction import default_store
from encoders.files import (
    SEAL,
    changed_files,
    make_folder,
    read_sealed,
    remove_own,
    seal_broken,
    write_parts,
)
from encoders.manifest_rows import did_you_mean, parse_json
from encoders.messages import cut
from encoders.provenance import trained_spec
from encoders.store import (
    IMPORTED,
    PARTS,
    SPACE,
    Space,
    damaged_keys,
    foreign_format,
    shard_keys,
    shard_names,
)
from fusion.training.fit_cache import read_fit

#: A temporary file younger than this may belong to a writer at work.
LEFTOVER_S = 3600.0
#: Names that a store gives its shards: 32 hexadecimal digits of their hash.
SHARD = re.compile(rf"(?:{IMPORTED})?([0-9a-f]{{32}})\.safetensors")
#: Names of what is kept of a fit, and of a transcript.
FIT = re.compile(r".+-[0-9a-f]{32}\.(scores|heads|journal)(\..+)?")
TRANSCRIPT = re.compile(r"[0-9a-f]{64}\.json")
#: Names of files in work.
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")
#: Where files of ours lie in the cache, temporary ones too.
PLACES = (".", "*-*", "fits", "fits/*", "transcripts/*")
#: Files that say which recording has which content.
REMEMBERED = ("hints.json", "noise.json")
#: Folder of encoders that were fine-tuned here.
TRAINED = "finetuned"
#: What stands in it; one of an earlier version has no seal.
DESCRIBED = {"format", "spec", "provenance", SEAL}
#: A description of an encoder is a page; what is larger is none.
SPEC_BYTES = 1 << 20
#: A shard holds 64 utterances; what is larger than this is none.
SHARD_BYTES = 8 << 30
#: Bytes that are copied at once.
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class SpaceRow:
    """One line of ``cache ls``."""

    space: str
    encoder: str
    embeddings: int
    shards: int
    mb: float


def describe() -> list[SpaceRow]:
    """All spaces of the default store; one that is damaged or of another format, as that."""
    rows = []
    for space in default_store().spaces():
        shards = space.shards()
        size = sum(path.stat().st_size for path in shards) / 1e6
        unreadable = foreign_format(space.folder)
        encoder = unreadable or _encoder(space.folder)
        embeddings = 0 if unreadable else len(space)
        rows.append(SpaceRow(space.folder.name, encoder, embeddings, len(shards), size))
    return rows


def kept_fits() -> list[Path]:
    """Files of trained heads and of what they scored, kept for all commands that would repeat them.

    Earlier versions had folders there, one for each run.
    """
    every = default_store().root.glob("fits/**/*")
    return sorted(path for path in every if FIT.fullmatch(path.name) and path.is_file())


def kept_transcripts() -> list[Path]:
    """Files of what was recognised: people's words."""
    every = default_store().root.glob("transcripts/*/*.json")
    return sorted(path for path in every if TRANSCRIPT.fullmatch(path.name) and path.is_file())


def size_mb(places: Sequence[Path]) -> float:
    """Megabytes of some files, and of all files below some folders."""
    files = (path for place in places for path in (place, *place.rglob("*")) if path.is_file())
    return sum(path.stat().st_size for path in files) / 1e6


def forget_fits() -> int:
    """Remove every kept fit; the next command trains again. Returns how many files they were."""
    return _forget(kept_fits(), ".lock")


def forget_transcripts() -> int:
    """Remove every kept transcript; the next command recognises again. Returns how many."""
    return _forget(kept_transcripts(), ".lock")


def forget_embeddings(names: Sequence[str]) -> int:
    """Remove spaces by their names in ``cache ls``, of "all" every one; returns how many files.

    Raises:
        ValueError: there is no such space.
    """
    spaces = {space.folder.name: space for space in default_store().spaces()}
    chosen = [*spaces] if "all" in names else list(dict.fromkeys(names))
    if unknown := [name for name in chosen if name not in spaces]:
        raise ValueError(f"{', '.join(unknown)}: no such space; {did_you_mean(unknown[0], spaces)}")
    files = [path for name in chosen for path in spaces[name].shards()]
    return sum(map(_removed, files))


def _forget(files: Sequence[Path], beside: str) -> int:
    """Remove files of ours with the locks beside them; what else lies there stays."""
    for path in files:
        path.unlink(missing_ok=True)
        path.with_suffix(beside).unlink(missing_ok=True)
    return len(files)


def trained_encoders() -> list[Path]:
    """Folders of encoders that were fine-tuned in a fold of some run."""
    folders = default_store().root.glob(f"{TRAINED}/*")
    return sorted(path for path in folders if _is_folder(path) and not path.name.startswith("."))


def forget_encoders() -> int:
    """Remove every fine-tuned encoder that is ours; the next command trains again."""
    return sum(map(remove_own, trained_encoders()))


def damaged() -> Iterator[tuple[Path, str]]:
    """Files and fine-tuned encoders that cannot be read or hold changed bytes, with what is wrong.

    Spaces of another format are left to the version that wrote them.
    """
    for space in default_store().spaces():
        if not foreign_format(space.folder):
            yield from _space_damage(space)
    for files, intact, then in (
        (kept_fits(), _fit_intact, "trained"),
        (kept_transcripts(), read_transcript, "recognised"),
        ([default_store().root / name for name in REMEMBERED], _hints_intact, "heard"),
    ):
        for path in files:
            if not intact(path):
                yield path, f"is not what was written; what it holds is {then} again"
    for folder in trained_encoders():
        what = _encoder_damage(folder)
        if what is not None:
            yield folder, what


def _fit_intact(path: Path) -> bool:
    # Journals are looked at, and mended, when their study goes on.
    return path.suffix not in (".scores", ".heads") or read_fit(path) is not None


def _hints_intact(path: Path) -> bool:
    return not path.exists() or read_sealed(path) is not None


def _space_damage(space: Space) -> Iterator[tuple[Path, str]]:
    for path in sorted(space.folder.glob("*.safetensors")):
        what = _damage(path)
        if what is not None:
            yield path, what
    try:
        _spec(space.folder)
    except (ValueError, OSError) as error:
        yield space.folder / "spec.json", str(error)


def collect_garbage() -> list[Path]:
    """Remove what is damaged, old temporary files and shards whose every key another one holds.

    The next run writes a description again that was removed. What cannot be removed stays, and
    does not keep the rest from going.
    """
    store = default_store()
    old = _now(store.root) - LEFTOVER_S
    left = [path for place in PLACES for path in store.root.glob(f"{place}/.*.tmp")]
    removed = [path for path in left if TEMPORARY.fullmatch(path.name) and _older(path, old)]
    removed += [path for path, _ in damaged() if not path.is_dir()]
    for space in store.spaces():
        if foreign_format(space.folder):
            continue
        seen: set[str] = set()
        for path in space.shards():
            keys = set(shard_keys(path)) if path not in removed else set()
            if keys and keys <= seen:
                removed.append(path)
            seen |= keys
    gone = [path for path in dict.fromkeys(removed) if _removed(path)]
    return [*gone, *_clear_training(store.root / TRAINED, old)]


def _now(root: Path) -> float:
    """The time by the clock of the disk, which stamps what other machines write there."""
    try:
        with tempfile.NamedTemporaryFile(dir=root) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _older(path: Path, than: float) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_mtime < than


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


# ---------------------------------------------------------------- from one place to another


def copy_shards(source: Path, target: Path, *, imported: bool = False) -> int:
    """Copy descriptions and intact shards that the target lacks; returns how many files.

    Everything is checked before anything is copied: names, descriptions, that files are files
    (a link would bring along what it points to), and that shards hold what their names say.
    ``imported`` ones get names that come after all others: what was encoded here is read first.

    Raises:
        ValueError: the source is no store, or something in it is not what a store writes.
    """
    spaces = [path for path in sorted(source.glob("*")) if SPACE.fullmatch(path.name)]
    if not spaces:
        raise ValueError(
            f"{source}: no embedding store (expected <family>-<fingerprint>/spec.json)"
        )
    files = [path for space in spaces for path in _lacking(space, target / space.name)]
    for path in files:
        name = path.name
        if imported and SHARD.fullmatch(name):
            name = IMPORTED + name.removeprefix(IMPORTED)
        make_folder(target / path.parent.name)
        # Checked as it is read, once more; the name of the copy in work is its own.
        write_parts(target / path.parent.name / name, _content(path))
    return len(files)


def _lacking(space: Path, target: Path) -> list[Path]:
    """Description and shards that the target lacks, each found to be what it should."""
    _spec(space)
    for folder in (space, target):
        unreadable = foreign_format(folder)
        if unreadable is not None:
            raise ValueError(f"{folder}: {unreadable}")
    files = [space / "spec.json", *sorted(space.glob("*.safetensors"))]
    known = {path.name.removeprefix(IMPORTED) for path in target.glob("*")}
    files = [path for path in files if path.name.removeprefix(IMPORTED) not in known]
    for path in files:
        for _ in _content(path):
            pass
        what = _damage(path) if path.suffix == ".safetensors" else None
        if what is not None:
            raise ValueError(f"{path}: {what}; 'serfusion cache gc' removes damaged shards")
    return files


def _content(path: Path) -> Iterator[bytes]:
    """The bytes of a file, in pieces; a ValueError at the end if they are not what it is named."""
    _expect_file(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if path.name != "spec.json":
            _expect_shard(path, file.fileno())
        while piece := file.read(PIECE):
            digest.update(piece)
            yield piece
    named = SHARD.fullmatch(path.name)
    if path.name != "spec.json" and (named is None or digest.hexdigest()[:32] != named[1]):
        raise ValueError(
            f"{path}: its bytes have changed since they were written, or it is no shard: expected "
            "a name made of the first 32 digits of their sha256; take it out ('serfusion cache gc' "
            "removes damaged shards of the cache)"
        )


def _expect_shard(path: Path, opened: int) -> None:
    """Refuse what would fill the disk: a file of no sensible size, or one that is mostly holes."""
    size = os.fstat(opened).st_size
    if size > SHARD_BYTES:
        raise ValueError(f"{path}: of {size} bytes, expected {SHARD_BYTES} at most; take it out")
    hole = os.lseek(opened, 0, os.SEEK_HOLE) if size and hasattr(os, "SEEK_HOLE") else size
    os.lseek(opened, 0, os.SEEK_SET)
    if hole < size:
        raise ValueError(f"{path}: a sparse file, which no store writes; take it out")


def _expect_file(path: Path) -> None:
    for place, kind, what in ((path.parent, stat.S_ISDIR, "folder"), (path, stat.S_ISREG, "file")):
        try:
            fits = kind(place.lstat().st_mode)
        except OSError as error:
            raise ValueError(f"{place}: expected a {what} ({error.strerror})") from error
        if not fits:
            raise ValueError(f"{place}: expected a {what} itself, found a link or something else")


def _spec(space: Path) -> dict[str, Any]:
    """What a description says of an encoder; a ValueError where it is none, or another's."""
    path = space / "spec.json"
    _expect_file(path)
    if path.stat().st_size > SPEC_BYTES:
        raise ValueError(f"{path}: damaged (larger than {SPEC_BYTES} bytes)")
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: damaged (not JSON: {error})") from error
    if seal_broken(content) or (isinstance(content, dict) and not content.keys() <= DESCRIBED):
        raise ValueError(f"{path}: damaged (its content has changed since it was written)")
    spec = content.get("spec") if isinstance(content, dict) and "format" in content else None
    family = spec.get("family") if isinstance(spec, dict) else None
    named = SPACE.fullmatch(space.name)
    if not isinstance(spec, dict) or not isinstance(family, str):
        raise ValueError(f'{path}: damaged (expected {{"format": ..., "spec": {{"family": ...}}}})')
    if named is None or family != named[1]:
        raise ValueError(f"{path}: describes {cut(family)}, in a folder of another name")
    return spec


def _encoder(space: Path) -> str:
    try:
        spec = _spec(space)
    except (ValueError, OSError):
        return "damaged spec.json (gc removes it, the next run writes it again)"
    name = spec.get("checkpoint") or spec["family"]
    return cut(f"{name}, {spec.get('storage', '?')}") + ", untrained" * bool(spec.get("untrained"))


def _clear_training(folder: Path, old: float) -> list[Path]:
    """Remove what killed trainings left, and damaged encoders; a training writes at its end."""
    left = [path for path in folder.glob(".*.tmp") if _is_folder(path)]
    removed = [path for path in left if path.lstat().st_mtime < old]
    removed += [path for path in trained_encoders() if _encoder_damage(path) is not None]
    return [path for path in removed if remove_own(path)]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _encoder_damage(folder: Path) -> str | None:
    """What is wrong with a fine-tuned encoder: weights or record are absent, or no pair."""
    try:
        trained_spec(folder)
    except (ValueError, OSError) as error:
        return str(error)
    changed = changed_files(folder)
    return f"changed since it was written: {', '.join(map(cut, changed))}" if changed else None


def _damage(path: Path) -> str | None:
    try:
        names = shard_names(path)
        bad = damaged_keys(path)
    # safetensors raises its own error type for headers, OSError for files cut short.
    except Exception as error:
        return f"cannot be read ({error})"
    if len(names) != PARTS * sum("." not in name for name in names):
        return "holds what no store writes"
    return f"{len(bad)} of its entries changed since they were written" if bad else None
