"""``docs/adding.md`` as it stands: an encoder, a head and a corpus, each one short file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from experiments.demo import check_offline
from tests.test_tutorials import ROOT, Block, run

PAGE, _, _ = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8").partition("## To contribute")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
#: What a reader writes, at most.
LINES = 40


def sections() -> dict[str, list[Block]]:
    parts = re.split(r"^## (.*)$", PAGE, flags=re.M)[1:]
    found = zip(parts[::2], parts[1::2], strict=True)
    return {title: [Block(*block) for block in BLOCK.findall(text)] for title, text in found}


SECTIONS = sections()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader would have put the three files; the commands share a cache."""
    folder = tmp_path_factory.mktemp("adding")
    for blocks in SECTIONS.values():
        for block in blocks:
            if block.word:
                (folder / block.word).write_text(block.content, encoding="utf-8")
    return folder


def test_there_are_an_encoder_a_head_and_a_corpus():
    files = [[block.word for block in blocks if block.word] for blocks in SECTIONS.values()]
    assert list(SECTIONS) == ["An encoder", "A head", "A corpus"]
    assert files == [["energy.py"], ["bilinear.py"], ["clips.py"]]


@pytest.mark.parametrize("title", SECTIONS)
def test_one_short_file_is_all_that_is_written(title):
    (written,) = [block for block in SECTIONS[title] if block.word]
    lines = [line for line in written.content.splitlines() if line.strip()]
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 100


@pytest.mark.documents
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("title", "arm", "corpus"),
    [
        ("An encoder", "audio", "demo (synthetic speech)"),
        ("A head", "bilinear", "demo (synthetic speech)"),
        ("A corpus", "audio", "clips"),
    ],
)
def test_what_was_added_is_compared(title, arm, corpus, folder, monkeypatch):
    check_offline()
    monkeypatch.setenv("SERFUSION_CACHE", str(folder / "cache"))
    before = set(folder.glob("runs/*"))
    for block in SECTIONS[title]:
        if not block.word:
            run(block, folder)
    (made,) = set(folder.glob("runs/*")) - before
    results = json.loads((made / "results.json").read_text(encoding="utf-8"))
    assert results["corpus"] == corpus
    # Chance is a quarter of the demo's four classes and half of the two of the clips.
    assert results["arms"][arm]["uar"]["value"] > (0.3 if corpus != "clips" else 0.7)


@pytest.mark.documents
@pytest.mark.timeout(600)
def test_what_was_not_named_is_not_known(folder):
    command = "serfusion compare --corpus clips --root . --audio logmel --text minilm"
    assert "no such corpus" in run(Block("sh", "fails", command), folder)
