"""Tutorials are executed as they stand: commands, Python, and the output that they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from experiments.demo import check_offline

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, a word behind it, what it holds."""

    language: str
    word: str
    content: str


def blocks(path: Path) -> list[Block]:
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [Block(*one) for one in found]


def run(block: Block, folder: Path) -> str:
    """Execute a block as a reader would and return what it prints."""
    if block.language == "python":
        command = [sys.executable, "-W", "error", "-c", block.content]
    else:
        program = "from experiments.commands.main import main; main()"
        shims = f"serfusion() {{ python -c '{program}' \"$@\"; }}\n"
        command = ["bash", "-euc", shims + block.content]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == (block.word == "fails"), done.stdout + done.stderr
    return done.stdout + done.stderr


def promised(line: str, output: str) -> bool:
    """Whether the output has a line as in the tutorial; numbers differ from machine to machine."""
    words = [re.escape(word) for word in line.split()]
    pattern = re.sub(r"\d+", r"\\d+", r"\s+".join(words))
    return re.search(pattern, output) is not None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one tutorial recognised and embedded need not be heard again, as on a reader's disk."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.documents
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_does_what_it_says(path, cache, tmp_path, monkeypatch):
    check_offline()
    monkeypatch.setenv("SERFUSION_CACHE", str(cache))
    output, executed = "", 0
    for block in blocks(path):
        # A word behind python names a package that is no dependency.
        if block.word not in ("", "fails") and find_spec(block.word) is None:
            continue
        if block.language in ("sh", "python"):
            output = run(block, tmp_path)
            executed += 1
        elif block.language == "text":
            for line in block.content.splitlines():
                assert promised(line, output), f"{line!r} is not in:\n{output}"
    assert executed >= 3


def test_there_are_tutorials():
    assert len(TUTORIALS) >= 2
