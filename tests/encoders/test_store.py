"""The store: complete shards or none, checked bytes, many writers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file, save_file

from encoders import store
from encoders.files import StoreError, sealed
from encoders.specs import LogMelSpec
from encoders.store import (
    FORMAT_VERSION,
    Embedding,
    EmbeddingStore,
    HeldStore,
    Space,
    damaged_keys,
    shard_keys,
    text_key,
)
from tests.conftest import REPOSITORY

SPEC = LogMelSpec()
HALF = LogMelSpec(storage_dtype="float16")


def embedding(value: float = 1.0, frames: int = 3) -> Embedding:
    values = np.full((2, frames, 4), value, np.float32)
    return Embedding(values, frames, np.arange(frames, dtype=np.float32))


def space_of(root: Path, spec=SPEC) -> Space:
    return EmbeddingStore(root).space(spec, "f" * 64)


def key(name: str) -> str:
    return text_key(name)


# ---------------------------------------------------------------- there and back

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5))
VALUES = arrays.arrays(np.float32, SHAPES, elements=st.floats(-6e4, 6e4, width=32))


@given(
    drawn=st.lists(
        st.tuples(VALUES, st.integers(0, 10**6), st.integers(0, 4)), min_size=1, max_size=4
    ),
    dtype=st.sampled_from(["float32", "float16"]),
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_is_read_again(tmp_path_factory, drawn, dtype):
    folder = tmp_path_factory.mktemp("round")
    entries = {
        key(str(number)): Embedding(values, count, np.linspace(0, 1, starts, dtype=np.float32))
        for number, (values, count, starts) in enumerate(drawn)
    }
    space_of(folder, LogMelSpec(storage_dtype=dtype)).write(entries, {})
    found = space_of(folder).read(list(entries))
    for written, read in zip(entries.values(), found, strict=True):
        assert read.values.dtype == np.float32
        assert np.array_equal(read.values, written.values.astype(dtype).astype(np.float32))
        assert read.frame_count == written.frame_count
        assert np.array_equal(read.start_s, written.start_s)


def test_keys_are_read_in_the_order_asked(tmp_path):
    space = space_of(tmp_path)
    for value in (1.0, 2.0, 3.0):
        space.write({key(str(value)): embedding(value)}, {})
    found = space.read([key("3.0"), key("1.0"), key("3.0"), key("2.0")])
    assert [entry.values[0, 0, 0] for entry in found] == [3.0, 1.0, 3.0, 2.0]


def test_each_shard_is_opened_once_however_many_keys_are_read(tmp_path, monkeypatch):
    space = space_of(tmp_path)
    for shard in range(5):
        space.write({key(f"{shard}-{k}"): embedding(float(k)) for k in range(20)}, {})
    opened: list[Path] = []
    real = store.safe_open
    monkeypatch.setattr(
        store, "safe_open", lambda path, **how: opened.append(path) or real(path, **how)
    )
    keys = [key(f"{shard}-{k}") for k in range(20) for shard in range(5)]
    assert [entry.values.max() for entry in space_of(tmp_path).read(keys)] == [
        float(k) for k in range(20) for _ in range(5)
    ]
    assert len(opened) == 5
    opened.clear()
    assert damaged_keys(space.shards()[0]) == []
    assert len(opened) <= 2


def test_what_is_held_in_memory_is_as_stored_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    held = HeldStore().space(HALF, "f" * 64)
    disk = space_of(tmp_path / "disk", HALF)
    entry = embedding(0.1)
    for space in (held, disk):
        assert space.missing([key("a")]) == [key("a")]
        space.write({key("a"): entry}, {})
        assert space.missing([key("a"), key("b")]) == [key("b")]
    assert np.array_equal(held.read([key("a")])[0].values, disk.read([key("a")])[0].values)
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


def test_what_was_written_is_no_longer_missing(tmp_path):
    space = space_of(tmp_path)
    space.write({key("a"): embedding()}, {})
    assert space.missing([key("b"), key("a"), key("c"), key("b")]) == [key("b"), key("c")]


def test_another_process_sees_what_was_written(tmp_path):
    space_of(tmp_path).write({key("a"): embedding(), key("b"): embedding()}, {})
    assert len(space_of(tmp_path)) == 2


def test_a_reader_sees_no_keys_beside_those_written(tmp_path):
    path = space_of(tmp_path).write({key("a"): embedding(), key("b"): embedding()}, {})
    assert sorted(shard_keys(path)) == sorted([key("a"), key("b")])


def test_reading_a_store_creates_nothing(tmp_path):
    assert len(space_of(tmp_path / "new")) == 0
    assert not (tmp_path / "new").exists()


def test_nothing_to_write_writes_nothing(tmp_path):
    assert space_of(tmp_path / "new").write({}, {}) is None
    assert not (tmp_path / "new").exists()


def test_equal_content_gives_an_equal_shard(tmp_path):
    one = space_of(tmp_path / "one").write({key("a"): embedding(), key("b"): embedding(2.0)}, {})
    two = space_of(tmp_path / "two").write({key("b"): embedding(2.0), key("a"): embedding()}, {})
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_the_spec_stands_beside_the_shards(tmp_path):
    space_of(tmp_path).write({key("a"): embedding()}, {"device": "cpu"})
    (space,) = EmbeddingStore(tmp_path).spaces()
    content = json.loads((space.folder / "spec.json").read_text())
    assert content["spec"]["family"] == "logmel"
    assert content["provenance"] == {"device": "cpu"}


def test_a_space_of_another_format_is_neither_read_nor_written(tmp_path):
    space_of(tmp_path).write({key("a"): embedding()}, {})
    (path,) = tmp_path.glob("*/spec.json")
    about = json.loads(path.read_text())
    path.write_text(json.dumps(sealed(about | {"format": FORMAT_VERSION + 1})))
    before = sorted(tmp_path.rglob("*"))
    for act in (
        lambda space: space.missing([key("a")]),
        lambda space: space.read([key("a")]),
        lambda space: space.write({key("b"): embedding()}, {}),
    ):
        with pytest.raises(StoreError, match=f"of store format {FORMAT_VERSION + 1}, but this"):
            act(space_of(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", '{"spec": {}}'])
def test_a_damaged_description_names_no_format(tmp_path, content):
    space_of(tmp_path).write({key("a"): embedding()}, {})
    (path,) = tmp_path.glob("*/spec.json")
    path.write_text(content)
    assert space_of(tmp_path).missing([key("a")]) == []


def test_a_family_can_be_told_from_the_name_of_its_folder(tmp_path):
    assert space_of(tmp_path).folder.name == "logmel-" + "f" * 32


def test_the_home_folder_may_be_written_as_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert EmbeddingStore("~/cache").root == tmp_path / "cache"


# ---------------------------------------------------------------- what cannot be stored


@pytest.mark.parametrize("value", [65520.0, -1e6])
def test_what_float16_cannot_hold_is_refused(tmp_path, value):
    with pytest.raises(StoreError, match="not finite as float16; store float32"):
        space_of(tmp_path, HALF).write({key("a"): embedding(), key("b"): embedding(value)}, {})


@pytest.mark.parametrize(
    ("spec", "value"), [(HALF, 1e6), (SPEC, float("nan")), (SPEC, float("inf"))]
)
def test_what_is_refused_leaves_nothing_behind(tmp_path, spec, value):
    space = space_of(tmp_path, spec)
    with pytest.raises(StoreError):
        space.write({key("a"): embedding(), key("b"): embedding(value)}, {})
    assert list(tmp_path.rglob("*")) == []
    assert space.missing([key("a")]) == [key("a")]


def test_the_largest_float16_is_stored(tmp_path):
    space = space_of(tmp_path, HALF)
    space.write({key("a"): embedding(65504.0)}, {})
    assert space.read([key("a")])[0].values.max() == 65504.0


def test_float16_halves_the_shard(tmp_path):
    entries = {key("a"): embedding(frames=5000)}
    whole = space_of(tmp_path / "32").write(entries, {}).stat().st_size
    half = space_of(tmp_path / "16", HALF).write(entries, {}).stat().st_size
    starts = 5000 * 4
    assert half - starts < 0.51 * (whole - starts)


def test_a_key_that_is_not_there_is_named(tmp_path):
    space = space_of(tmp_path)
    space.write({key("a"): embedding()}, {})
    with pytest.raises(StoreError, match=rf"2 keys are missing, first {key('b')}"):
        space.read([key("a"), key("b"), key("c")])


# ---------------------------------------------------------------- damage


def flip_a_byte(path: Path, at: int = -1) -> None:
    """In the last tensor or another place; the header stays whole."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def value_offset(path: Path, name: str) -> int:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return 8 + size + json.loads(content[8 : 8 + size])[name]["data_offsets"][0]


@pytest.mark.parametrize(
    "part",
    ["", ".sha256", ".frames", ".start_s"],
    ids=["value", "checksum", "frame count", "starts"],
)
def test_a_flipped_bit_is_detected(tmp_path, part):
    path = space_of(tmp_path).write({key("a"): embedding()}, {})
    flip_a_byte(path, value_offset(path, key("a") + part))
    with pytest.raises(StoreError, match="have changed since they were written"):
        space_of(tmp_path).read([key("a")])


def test_a_flipped_bit_spares_its_neighbours(tmp_path):
    path = space_of(tmp_path).write({key("a"): embedding(), key("b"): embedding(2.0)}, {})
    flip_a_byte(path, value_offset(path, key("a")))
    assert space_of(tmp_path).read([key("b")])[0].values.max() == 2.0
    assert damaged_keys(path) == [key("a")]


@pytest.mark.parametrize("part", [".sha256", ".frames", ".start_s"])
def test_a_shard_of_another_make_is_an_error_of_the_store(tmp_path, part):
    """An imported file with a value alone must not end in an error of a library."""
    folder = space_of(tmp_path).folder
    good = space_of(tmp_path).write({key("a"): embedding()}, {})
    tensors = load_file(good)
    good.unlink()
    save_file(
        {name: t for name, t in tensors.items() if name != key("a") + part},
        folder / "x.safetensors",
    )
    with pytest.raises(StoreError):
        space_of(tmp_path).read([key("a")])
    assert damaged_keys(folder / "x.safetensors") == [key("a")]


@pytest.mark.parametrize("kept", [0, 7, 40, 300, -1])
def test_a_truncated_shard_is_as_if_it_were_not_there(tmp_path, kept):
    path = space_of(tmp_path).write({key("a"): embedding()}, {})
    path.write_bytes(path.read_bytes()[:kept])
    space = space_of(tmp_path)
    assert space.missing([key("a")]) == [key("a")]


def test_a_truncated_shard_is_written_again(tmp_path):
    path = space_of(tmp_path).write({key("a"): embedding()}, {})
    path.write_bytes(path.read_bytes()[:-1])
    space_of(tmp_path).write({key("a"): embedding()}, {})
    assert space_of(tmp_path).read([key("a")])[0].values.max() == 1.0


@pytest.mark.parametrize(
    "name", [".x.safetensors.abc.tmp", "x.safetensors.tmp", "notes.txt", "x.safetensors/inside"]
)
def test_files_of_other_kinds_are_ignored(tmp_path, name):
    path = space_of(tmp_path).write({key("a"): embedding()}, {})
    other = path.parent / name
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(path.read_bytes()[:100])
    assert len(space_of(tmp_path)) == 1


def test_nothing_is_visible_before_the_last_step(tmp_path, monkeypatch):
    """All bytes are synced under another name; then one rename, which is never half done."""
    monkeypatch.setattr(Path, "replace", lambda _self, _target: 1 / 0)
    space = space_of(tmp_path)
    with pytest.raises(ZeroDivisionError):
        space.write({key("a"): embedding()}, {})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# ---------------------------------------------------------------- many writers


def test_of_two_writers_the_first_by_name_wins(tmp_path):
    one, two = space_of(tmp_path), space_of(tmp_path)
    assert one.missing([key("a")]) == two.missing([key("a")]) == [key("a")]
    paths = {
        one.write({key("a"): embedding(1.0)}, {}): 1.0,
        two.write({key("a"): embedding(1.0 + 1e-6)}, {}): np.float32(1.0 + 1e-6),
    }
    first = paths[min(paths)]
    assert space_of(tmp_path).read([key("a")])[0].values[0, 0, 0] == first


@pytest.mark.parametrize("values", [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0)])
def test_a_writer_reads_what_every_other_process_reads(tmp_path, values):
    space = space_of(tmp_path)
    for value in values:
        space.write({key("a"): embedding(value)}, {})
    ours, others = space.read([key("a")])[0], space_of(tmp_path).read([key("a")])[0]
    assert np.array_equal(ours.values, others.values)


def test_the_same_shard_written_twice_is_one_file(tmp_path):
    for _ in range(2):
        space_of(tmp_path).write({key("a"): embedding()}, {})
    assert len(space_of(tmp_path).shards()) == 1


WRITER = """
import sys
import numpy as np
from encoders.specs import LogMelSpec
from encoders.store import Embedding, EmbeddingStore, text_key
space = EmbeddingStore(sys.argv[1]).space(LogMelSpec(), "f" * 64)
number = 0
while True:
    entries = {
        text_key(f"{sys.argv[2]}-{number}-{part}"): Embedding(
            np.full((4, 300, 64), float(number), np.float32), 300, np.zeros(0, np.float32)
        )
        for part in range(4)
    }
    space.write(entries, {})
    if number == 0:
        print("writing", flush=True)
    number += 1
"""


def test_a_killed_writer_leaves_no_damage(tmp_path):
    found = 0
    for kill in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(kill)],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        with writer:
            writer.stdout.readline()
            time.sleep(0.05 + 0.013 * kill)
            writer.send_signal(signal.SIGKILL)
        space = space_of(tmp_path)
        shards = list(space.folder.glob("*.safetensors"))
        assert sorted(shards) == space.shards()
        assert [damaged_keys(path) for path in shards] == [[]] * len(shards)
        assert len(space) == 4 * len(shards)
        assert len(shards) > found
        found = len(shards)
