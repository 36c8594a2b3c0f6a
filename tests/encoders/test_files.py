"""Files of ours outlast a power cut: content is synced before its name, names after it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from encoders.files import MARK, marked, own_folder, publish, write_atomically

Event = tuple[str, str]


@pytest.fixture
def events(monkeypatch) -> list[Event]:
    """What was synced, and what was renamed to which name, in order."""
    seen: list[Event] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def synced(opened: int) -> None:
        seen.append(("synced", os.readlink(f"/proc/self/fd/{opened}")))
        sync(opened)

    def named(path: Path, target: Path, move=replace) -> Path:
        seen.append(("named", f"{path} {target}"))
        return move(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    monkeypatch.setattr(Path, "rename", lambda path, target: named(path, target, rename))
    return seen


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="no /proc, which tells what a descriptor is of"
)


def moved(events: list[Event], name: Path) -> tuple[int, str]:
    """Where in the events a name was given, and the name before."""
    at, said = next(
        (at, said) for at, (what, said) in enumerate(events)
        if what == "named" and said.split()[1] == str(name)
    )  # fmt: skip
    return at, said.split()[0]


def test_a_file_and_its_folder_are_synced(tmp_path, events):
    write_atomically(tmp_path / "a", b"content")
    at, before = moved(events, tmp_path / "a")
    assert ("synced", before) in events[:at]
    assert ("synced", str(tmp_path)) in events[at:]


def write(work: Path) -> None:
    """As libraries write: nothing is synced."""
    (work / "figures").mkdir()
    for name in ("page.html", "figures/one.svg"):
        (work / name).write_text("content")


def test_what_is_published_is_synced_before_it_is_moved_and_marked_last(tmp_path, events):
    out = tmp_path / "out"
    publish(out, write, {"done": True}, last="page.html")
    for name in ("page.html", "figures/one.svg"):
        at, before = moved(events, out / name)
        assert ("synced", before) in events[:at]
        assert ("synced", str((out / name).parent)) in events[at:]
    last = max(at for at, (_, said) in enumerate(events) if said.endswith(f" {out / MARK}"))
    assert last > moved(events, out / "page.html")[0] > moved(events, out / "figures/one.svg")[0]
    assert (marked(out) or {})["done"]


def test_a_folder_is_synced_before_it_has_its_name(tmp_path, events):
    with own_folder(tmp_path / "own") as work:
        write(work)
    at, before = moved(events, tmp_path / "own")
    for name in ("page.html", "figures", "figures/one.svg", MARK):
        assert any(what == "synced" and said == f"{before}/{name}" for what, said in events[:at]), (
            name
        )
    assert ("synced", str(tmp_path)) in events[at:]


# ---------------------------------------------------------------- damage


def test_a_write_that_fails_leaves_no_temporary_file(tmp_path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a.json", b"content")
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_write_that_fails(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"
