"""Housekeeping: what is copied is what a store writes, and damage is listed, not stumbled over."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from encoders.asr.transcript import NOTHING
from encoders.decode_index import DecodeIndex
from encoders.extraction import default_store
from encoders.files import own_folder, sealed
from encoders.specs import LogMelSpec
from encoders.store import Embedding, EmbeddingStore, text_key
from experiments.cache import (
    collect_garbage,
    copy_shards,
    damaged,
    describe,
    forget_encoders,
    forget_fits,
    forget_transcripts,
)

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


def entry_of(value: float) -> Embedding:
    return Embedding(np.full((1, 2, 3), value, np.float32), 2, np.zeros(0, np.float32))


def test_own_entries_win_over_imported_ones_and_are_not_collected(tmp_path):
    root, key = default_store().root, hashlib.sha256(b"a").hexdigest()
    own = default_store().space(LogMelSpec(), FINGERPRINT).write({key: entry_of(0.0)}, {})
    for value in range(1, 40):
        EmbeddingStore(tmp_path / "theirs").space(LogMelSpec(), FINGERPRINT).write(
            {key: entry_of(float(value))}, {}
        )
    # Of forty hashes some sort before that of our own.
    assert min(path.name for path in (tmp_path / "theirs").glob("*/*.safetensors")) < own.name
    assert copy_shards(tmp_path / "theirs", root, imported=True) == 39
    assert copy_shards(tmp_path / "theirs", root, imported=True) == 0
    read = default_store().space(LogMelSpec(), FINGERPRINT).read([key])[0]
    assert read.values.max() == 0.0
    assert len(collect_garbage()) == 39
    assert [path.name for path in own.parent.glob("*.safetensors")] == [own.name]


def test_what_was_imported_is_exported_and_imported_again_once(source, tmp_path):
    root = default_store().root
    copy_shards(source, root, imported=True)
    assert copy_shards(root, tmp_path / "third") == 2
    assert copy_shards(tmp_path / "third", root, imported=True) == 0


def sparse(source: Path) -> None:
    shard = shard_of(source)
    with shard.open("r+b") as file:
        file.truncate(1 << 24)


def huge(source: Path) -> None:
    os.truncate(shard_of(source), 1 << 40)


@pytest.mark.parametrize(
    ("damage", "told"), [(sparse, "sparse file"), (huge, "expected .* at most")]
)
def test_a_shard_of_holes_or_without_end_is_refused_at_once(source, damage, told):
    damage(source)
    with pytest.raises(ValueError, match=told):
        copy_shards(source, default_store().root, imported=True)
    assert files(default_store().root) == []


def test_what_a_shard_holds_beside_its_entries_is_refused(source):
    shard = shard_of(source)
    with safe_open(shard, framework="np") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    content = save({**tensors, "more.values": np.zeros(3)})
    shard.unlink()
    name = hashlib.sha256(content).hexdigest()[:32]
    (source / SPACE / f"{name}.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="holds what no store writes"):
        copy_shards(source, default_store().root)


# ---------------------------------------------------------------- what is collected


@pytest.fixture
def leftovers(space) -> list[Path]:
    """A temporary file in each place where something is written."""
    places = (".", SPACE, "fits", "fits/of-a-run", "transcripts/whisper-faster-" + "a" * 32)
    left = [space.parent / place / f".x.json.{'0' * 32}.tmp" for place in places]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    return left


def test_what_killed_writers_left_is_removed_everywhere(space, leftovers):
    mine = space.parent / ".notes.tmp"
    mine.write_text("of somebody else")
    assert collect_garbage() == []
    for path in (*leftovers, mine):
        os.utime(path, (0, 0))
    assert sorted(collect_garbage()) == sorted(leftovers)
    assert mine.is_file()


def test_the_clock_of_the_disk_says_how_old_a_file_is(leftovers, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1e12)
    assert collect_garbage() == []


def test_what_cannot_be_removed_does_not_stop_the_rest(leftovers, monkeypatch):
    for path in leftovers:
        os.utime(path, (0, 0))
    unlink = Path.unlink

    def refuse(path: Path, *how: object, **more: object) -> None:
        if path == leftovers[0]:
            raise PermissionError(13, "no")
        unlink(path, *how, **more)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert sorted(collect_garbage()) == sorted(leftovers[1:])


def test_only_what_is_ours_is_forgotten(space):
    root = space.parent
    kept = root / "fits" / f"audio-{'a' * 32}.scores"
    said = root / "transcripts" / "whisper" / f"{'b' * 64}.json"
    theirs = [root / "fits" / "thesis.docx", root / "transcripts" / "mine.json"]
    theirs += [root / "finetuned" / "my-model" / "weights.safetensors"]
    for path in (kept, said, *theirs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    with own_folder(root / "finetuned" / ("c" * 32)) as work:
        (work / "weights.safetensors").write_bytes(b"ours")
    assert (forget_fits(), forget_transcripts(), forget_encoders()) == (1, 1, 1)
    assert [path.is_file() for path in theirs] == [True] * 3
    assert files(root / "finetuned") == ["my-model/weights.safetensors"]


# ---------------------------------------------------------------- damage anywhere is seen


def test_every_kind_of_file_is_verified(space):
    root, key = space.parent, "b" * 64
    said = root / "transcripts" / "whisper" / f"{key}.json"
    said.parent.mkdir(parents=True)
    fields = asdict(NOTHING)
    content = {"transcript": fields, "sha256": text_key(json.dumps(fields, sort_keys=True))}
    said.write_text(json.dumps(content))
    hints = DecodeIndex(root / "hints.json")
    hints._changed = True
    assert hints.save() is None
    assert list(damaged()) == []
    fit = root / "fits" / f"audio-{'a' * 32}.scores"
    fit.parent.mkdir()
    fit.write_bytes(b"cut")
    for path in (said, root / "hints.json", space / "spec.json"):
        path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    assert {path for path, _ in damaged()} == {fit, said, root / "hints.json", space / "spec.json"}


def test_any_changed_letter_of_a_description_is_seen(space):
    path = space / "spec.json"
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 2]) + content[place + 1 :])
        try:
            unchanged = json.loads(path.read_bytes()) == json.loads(content)
        except ValueError:
            unchanged = False
        assert unchanged or [found for found, _ in damaged()] == [path]


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
    (space / "spec.json").write_text(json.dumps(sealed(about | {"format": 2})))
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
