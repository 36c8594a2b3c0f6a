"""How long the way is: own functions on the stack from a command to what it is all about."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from experiments.cli import app
from fusion import train
from tests.conftest import REPOSITORY

PACKAGES = tuple(str(REPOSITORY / name) + "/" for name in ("encoders", "fusion", "experiments"))
#: Bodies that are no functions of their own to a reader.
WITHIN = ("<module>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
LOG_MEL = "encoders.spectra.spectrogram.log_mel"
#: What DESIGN.md allows: in all from the command on, and within one folder.
IN_ALL, IN_A_ROOM = 8, 4


def deepest_stack(run: Callable[[], object], target: str) -> list[str]:
    """The longest stack of own functions that ends in ``target`` while ``run`` runs.

    ``target`` is a function by its module and qualified name; so are those on the stack, the
    command first. Threads and processes that ``run`` starts are not looked at.
    """
    name = target.rpartition(".")[2]
    deepest: list[str] = []

    def look(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal deepest
        if event == "call" and frame.f_code.co_name == name and _named(frame) == target:
            stack = _own(frame)
            deepest = max(deepest, stack, key=len)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(before)
    return deepest


def _own(frame: FrameType | None) -> list[str]:
    found = []
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(PACKAGES) and code.co_name not in WITHIN:
            found.append(_named(frame))
        frame = frame.f_back
    return found[::-1]


def _named(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


def most_in_a_room(stack: list[str]) -> int:
    """How many functions of one folder are on a stack."""
    folders = []
    for name in stack:
        module = next(m for k in range(name.count("."), 0, -1)
                      if (m := ".".join(name.split(".")[:k])) in sys.modules)  # fmt: skip
        folders.append(Path(sys.modules[module].__file__ or "").parent)
    return max(Counter(folders).values())


# ---------------------------------------------------------------- the two commands


@pytest.fixture
def compared(tone_corpus, text_checkpoint, tmp_path, monkeypatch) -> Callable[[], None]:
    """Compares voice and words of twelve tones, in this process."""
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)
    rows = ["id,audio,transcript,speaker,label"]
    for number, one in enumerate(tone_corpus.utterances):
        label = tone_corpus.label(one)
        rows.append(f"{one.id},{one.audio},{one.transcript},s{number // 2},{label}")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")

    def run() -> None:
        text = str(text_checkpoint("bert"))
        words = ["compare", "--manifest", str(manifest), "--audio", "logmel", "--text", text]
        words += ["--arms", "audio,text", "--trials", "0", "--seeds", "1", "--jobs", "1"]
        app([*words, "--out", str(tmp_path / "run")], standalone_mode=False)

    return run


def test_from_compare_to_the_spectrogram(compared):
    assert deepest_stack(compared, LOG_MEL) == [
        "experiments.cli.compare",
        "experiments.comparing.comparison.compare",
        "experiments.comparing.inputs.gather",
        "encoders.extraction.Extractor.extract",
        "encoders.embedding.embed",
        "encoders.encoder.FrozenEncoder.encode",
        "encoders.spectra.acoustic.LogMelEncoder.forward",
        LOG_MEL,
    ]
