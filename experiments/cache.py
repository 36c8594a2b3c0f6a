"""Housekeeping of the embedding store."""

import hashlib
import re
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.extraction import default_store
from encoders.manifest_rows import parse_json
from encoders.messages import cut
from encoders.provenance import trained_spec
from encoders.store import damaged_keys, foreign_format, make_folder, shard_keys, write_atomically

#: A temporary file younger than this may belong to a writer at work.
LEFTOVER_S = 3600.0
#: Names that a store gives its folders and shards: a family, and 32 hexadecimal digits of a hash.
SPACE = re.compile(r"([a-z][a-z0-9_-]*)-[0-9a-f]{32}")
SHARD = re.compile(r"([0-9a-f]{32})\.safetensors")
#: Folder of encoders that were fine-tuned here.
TRAINED = "finetuned"
#: A description of an encoder is a page; what is larger is none.
SPEC_BYTES = 1 << 20


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
    return sorted(path for path in every if path.is_file() and path.suffix != ".lock")


def size_mb(places: Sequence[Path]) -> float:
    """Megabytes of some files, and of all files below some folders."""
    files = (path for place in places for path in (place, *place.rglob("*")) if path.is_file())
    return sum(path.stat().st_size for path in files) / 1e6


def forget_fits() -> int:
    """Remove every kept fit; the next command trains again. Returns how many files they were."""
    count = len(kept_fits())
    shutil.rmtree(default_store().root / "fits", ignore_errors=True)
    return count


def trained_encoders() -> list[Path]:
    """Folders of encoders that were fine-tuned in a fold of some run."""
    folders = default_store().root.glob(f"{TRAINED}/*")
    return sorted(path for path in folders if _is_folder(path) and not path.name.startswith("."))


def forget_encoders() -> int:
    """Remove every fine-tuned encoder; the next command trains again. Returns how many."""
    folders = trained_encoders()
    for folder in folders:
        shutil.rmtree(folder)
    return len(folders)


def damaged() -> Iterator[tuple[Path, str]]:
    """Shards and descriptions that cannot be read or hold changed bytes, with what is wrong.

    Spaces of another format are left to the version that wrote them.
    """
    root = default_store().root
    for path in sorted(root.glob("*/*.safetensors")):
        what = None if foreign_format(path.parent) else _damage(path)
        if what is not None:
            yield path, what
    for path in sorted(root.glob("*/spec.json")):
        if foreign_format(path.parent):
            continue
        try:
            _spec(path.parent)
        except ValueError as error:
            yield path, str(error)
    for folder in trained_encoders():
        what = _encoder_damage(folder)
        if what is not None:
            yield folder, what


def collect_garbage() -> list[Path]:
    """Remove what is damaged, old temporary files and shards whose every key another one holds.

    The next run writes a description again that was removed.
    """
    store = default_store()
    old = time.time() - LEFTOVER_S
    folders = _clear_training(store.root / TRAINED, old)
    removed = [path for path in store.root.glob("*/.*.tmp") if path.lstat().st_mtime < old]
    removed += [path for path, _ in damaged() if not path.is_dir()]
    for space in (
        candidate for candidate in store.spaces() if not foreign_format(candidate.folder)
    ):
        seen: set[str] = set()
        for path in space.shards():
            keys = set(shard_keys(path)) if path not in removed else set()
            if keys and keys <= seen:
                removed.append(path)
            seen |= keys
    for path in removed:
        path.unlink(missing_ok=True)
    return [*removed, *folders]


# ---------------------------------------------------------------- from one place to another


def copy_shards(source: Path, target: Path) -> int:
    """Copy descriptions and intact shards that the target lacks; returns how many files.

    Everything is checked before anything is copied: names, descriptions, that files are files
    (a link would bring along what it points to), and that shards hold what their names say.

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
        place = target / path.parent.name / path.name
        make_folder(place.parent)
        # Checked as it is read, once more; the name of the copy in work is its own.
        write_atomically(place, _content(path))
    return len(files)


def _lacking(space: Path, target: Path) -> list[Path]:
    """Description and shards that the target lacks, each found to be what it should."""
    _spec(space)
    for folder in (space, target):
        unreadable = foreign_format(folder)
        if unreadable is not None:
            raise ValueError(f"{folder}: {unreadable}")
    files = [space / "spec.json", *sorted(space.glob("*.safetensors"))]
    files = [path for path in files if not (target / path.name).exists()]
    for path in files:
        _content(path)
        what = _damage(path) if path.suffix == ".safetensors" else None
        if what is not None:
            raise ValueError(f"{path}: {what}; 'serfusion cache gc' removes damaged shards")
    return files


def _content(path: Path) -> bytes:
    _expect_file(path)
    content = path.read_bytes()
    if path.name == "spec.json":
        return content
    named = SHARD.fullmatch(path.name)
    if named is None or hashlib.sha256(content).hexdigest()[:32] != named[1]:
        raise ValueError(
            f"{path}: its bytes have changed since they were written, or it is no shard: expected "
            "a name made of the first 32 digits of their sha256; take it out ('serfusion cache gc' "
            "removes damaged shards of the cache)"
        )
    return content


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
    removed = [path for path in left if path.stat().st_mtime < old]
    removed += [path for path in trained_encoders() if _encoder_damage(path) is not None]
    for path in removed:
        shutil.rmtree(path)
    return removed


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _encoder_damage(folder: Path) -> str | None:
    """What is wrong with a fine-tuned encoder: weights or record are absent, or no pair."""
    try:
        trained_spec(folder)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def _damage(path: Path) -> str | None:
    try:
        bad = damaged_keys(path)
    # safetensors raises its own error type for headers, OSError for files cut short.
    except Exception as error:
        return f"cannot be read ({error})"
    return f"{len(bad)} of its entries changed since they were written" if bad else None
