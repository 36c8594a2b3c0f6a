"""Housekeeping: what is copied is what a store writes, and damage is listed, not stumbled over."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from encoders.extraction import default_store
from encoders.specs import LogMelSpec
from encoders.store import Embedding
from experiments.cache import collect_garbage, copy_shards, damaged, describe

FINGERPRINT = "ab" * 32
SPACE = f"logmel-{FINGERPRINT[:32]}"


@pytest.fixture
def space() -> Path:
    """A space of the default store with one shard."""
    found = default_store().space(LogMelSpec(), FINGERPRINT)
    entry = Embedding(np.ones((1, 2, 3), np.float32), 2, np.zeros(0, np.float32))
    found.write({hashlib.sha256(b"a").hexdigest(): entry}, {})
    return found.folder


@pytest.fixture
def source(space, tmp_path) -> Path:
    """A copy of the store in another place, where the store has nothing any more."""
    shutil.copytree(space.parent, tmp_path / "source")
    shutil.rmtree(space.parent)
    return tmp_path / "source"


def shard_of(folder: Path) -> Path:
    return next(folder.glob("*/*.safetensors"))


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


# ---------------------------------------------------------------- import


def test_what_was_exported_is_imported_once(source):
    root = default_store().root
    assert copy_shards(source, root) == 2
    assert files(root) == files(source)
    assert copy_shards(source, root) == 0


def test_two_imports_at_once_leave_one_store(source):
    root = default_store().root
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: copy_shards(source, root), range(8)))
    assert files(root) == files(source)
    assert list(damaged()) == []


def test_other_folders_are_left_alone(source, tmp_path):
    for name in ("fits", "transcripts", "..x", "logmel-aa", SPACE.upper()):
        (source / name).mkdir()
        (source / name / "spec.json").write_text("{}")
    copy_shards(source, default_store().root)
    assert {Path(name).parts[0] for name in files(default_store().root)} == {SPACE}


def renamed(source: Path) -> None:
    shard = shard_of(source)
    shard.rename(shard.with_name("0" * 32 + ".safetensors"))


def freely_named(source: Path) -> None:
    (source / SPACE / "n.safetensors").write_bytes(save({"k": np.zeros(3)}))


def named_but_no_shard(source: Path) -> None:
    content = b"anything"
    name = hashlib.sha256(content).hexdigest()[:32]
    (source / SPACE / f"{name}.safetensors").write_bytes(content)


def without_checksums(source: Path) -> None:
    content = save({"k": np.zeros(3)})
    name = hashlib.sha256(content).hexdigest()[:32]
    (source / SPACE / f"{name}.safetensors").write_bytes(content)


def changed(source: Path) -> None:
    content = bytearray(shard_of(source).read_bytes())
    content[-1] ^= 1
    shard_of(source).write_bytes(content)


def linked_shard(source: Path) -> None:
    shard = shard_of(source)
    os.symlink(shard.rename(source / "elsewhere"), shard)


def linked_spec(source: Path) -> None:
    spec = source / SPACE / "spec.json"
    os.symlink(spec.rename(source / "elsewhere"), spec)


def linked_folder(source: Path) -> None:
    os.symlink((source / SPACE).rename(source / "elsewhere"), source / SPACE)


def spec_of(content: str) -> Callable[[Path], None]:
    def damage(source: Path) -> None:
        (source / SPACE / "spec.json").write_text(content)

    return damage


def folder_as_spec(source: Path) -> None:
    (source / SPACE / "spec.json").unlink()
    (source / SPACE / "spec.json").mkdir()


HOSTILE = {
    "renamed": renamed,
    "freely named": freely_named,
    "no shard": named_but_no_shard,
    "no checksums": without_checksums,
    "changed": changed,
    "linked shard": linked_shard,
    "linked spec": linked_spec,
    "linked folder": linked_folder,
    "folder as spec": folder_as_spec,
    "empty spec": spec_of(""),
    "cut spec": spec_of("{"),
    "list": spec_of("[1]"),
    "no spec": spec_of('{"format": 1}'),
    "no format": spec_of('{"spec": {"family": "logmel"}}'),
    "no family": spec_of('{"format": 1, "spec": {}}'),
    "other format": spec_of('{"format": 2, "spec": {"family": "logmel"}}'),
    "other family": spec_of('{"format": 1, "spec": {"family": "speech"}}'),
    "nested": spec_of("[" * 100_000),
    "huge": spec_of('{"format": 1, "spec": {"family": "logmel"}}' + " " * (1 << 20)),
}


@pytest.mark.parametrize("damage", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_folder_is_refused_before_anything_is_copied(source, damage):
    damage(source)
    with pytest.raises(ValueError, match=SPACE):
        copy_shards(source, default_store().root)
    assert files(default_store().root) == []


# ---------------------------------------------------------------- a damaged description

SPECS = ["", "{", "{}", "[1]", '{"format": 1, "spec": []}', "[" * 100_000, None]


@pytest.mark.parametrize("content", SPECS, ids=range(len(SPECS)))
def test_a_damaged_description_is_listed_and_found(space, content):
    path = space / "spec.json"
    path.unlink()
    path.mkdir() if content is None else path.write_text(content)
    assert [row.space for row in describe()] == [SPACE]
    assert describe()[0].encoder.startswith("damaged spec.json")
    assert [found for found, _ in damaged()] == [path]
    assert collect_garbage() == ([] if content is None else [path])


def test_a_space_of_another_format_is_listed_and_left_to_the_version_that_wrote_it(space, tmp_path):
    about = json.loads((space / "spec.json").read_text())
    (space / "spec.json").write_text(json.dumps(about | {"format": 2}))
    (space / "new.safetensors").write_bytes(b"what only the other version reads")
    (row,) = describe()
    assert (row.space, row.embeddings) == (SPACE, 0)
    assert "of store format 2" in row.encoder
    assert list(damaged()) == []
    assert collect_garbage() == []
    with pytest.raises(ValueError, match=f"{SPACE}: of store format 2"):
        copy_shards(space.parent, tmp_path / "elsewhere")


def test_a_description_of_strange_values_is_listed(space):
    odd = {"format": 1, "spec": {"family": "logmel", "checkpoint": ["[/red]"], "storage": None}}
    (space / "spec.json").write_text(json.dumps(odd))
    assert "[/red]" in describe()[0].encoder
