"""Housekeeping of the embedding store."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.extraction import default_store
from encoders.store import damaged_keys, shard_keys

#: A temporary file younger than this may belong to a writer at work.
LEFTOVER_S = 3600.0


@dataclass(frozen=True, slots=True)
class SpaceRow:
    """One line of ``cache ls``."""

    space: str
    encoder: str
    embeddings: int
    shards: int
    mb: float


def describe() -> list[SpaceRow]:
    """All spaces of the default store."""
    rows = []
    for space in default_store().spaces():
        spec = json.loads((space.folder / "spec.json").read_text())["spec"]
        name = spec.get("checkpoint") or spec["family"]
        shards = space.shards()
        size = sum(path.stat().st_size for path in shards) / 1e6
        encoder = f"{name}, {spec['storage']}" + (", untrained" if spec.get("untrained") else "")
        rows.append(SpaceRow(space.folder.name, encoder, len(space), len(shards), size))
    return rows


def kept_fits() -> list[Path]:
    """Folders of trained heads kept for repeated commands, one per run."""
    return sorted(path for path in default_store().root.glob("fits/*") if path.is_dir())


def size_mb(folders: Sequence[Path]) -> float:
    """Megabytes of all files below some folders."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files) / 1e6


def forget_fits() -> int:
    """Remove every kept fit; the next command trains again. Returns how many runs had some."""
    folders = kept_fits()
    for folder in folders:
        shutil.rmtree(folder)
    return len(folders)


def damaged() -> Iterator[tuple[Path, str]]:
    """Shards that cannot be read or hold changed bytes, with what is wrong."""
    for path in sorted(default_store().root.glob("*/*.safetensors")):
        what = _damage(path)
        if what is not None:
            yield path, what


def collect_garbage() -> list[Path]:
    """Remove damaged shards, old temporary files and shards whose every key another one holds."""
    store = default_store()
    old = time.time() - LEFTOVER_S
    removed = [path for path in store.root.glob("*/.*.tmp") if path.stat().st_mtime < old]
    removed += [path for path, _ in damaged()]
    for space in store.spaces():
        seen: set[str] = set()
        for path in space.shards():
            keys = set(shard_keys(path)) if path not in removed else set()
            if keys and keys <= seen:
                removed.append(path)
            seen |= keys
    for path in removed:
        path.unlink()
    return removed


def copy_shards(source: Path, target: Path) -> int:
    """Copy spec files and intact shards that the target lacks; returns how many files.

    Raises:
        ValueError: the source is no store, or one of its shards is damaged.
    """
    if not any(source.glob("*/spec.json")):
        raise ValueError(
            f"{source}: no embedding store (expected <family>-<fingerprint>/spec.json)"
        )
    copied = 0
    for path in sorted([*source.glob("*/spec.json"), *source.glob("*/*.safetensors")]):
        place = target / path.parent.name / path.name
        if place.exists():
            continue
        what = _damage(path) if path.suffix == ".safetensors" else None
        if what is not None:
            raise ValueError(f"{path}: {what}; 'serfusion cache gc' removes damaged shards")
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.tmp")
        shutil.copyfile(path, temporary)
        temporary.replace(place)
        copied += 1
    return copied


def _damage(path: Path) -> str | None:
    try:
        bad = damaged_keys(path)
    # safetensors raises its own error type for headers, OSError for files cut short.
    except Exception as error:
        return f"cannot be read ({error})"
    return f"{len(bad)} entries have changed since they were written" if bad else None
