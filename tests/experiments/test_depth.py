"""How long the way is: own functions on the stack from a command to what it is all about."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from encoders import decode_index as hints
from encoders.audio import reading as audio
from encoders.audio import streaming
from encoders.audio.waveform import Audio
from encoders.utterance import Utterance
from experiments.commands.main import app
from fusion.training import train
from tests.conftest import REPOSITORY
from tests.experiments.interviews.conftest import model_folder, talk

#: Fixtures of the interviews' tests.
__all__ = ["model_folder", "talk"]

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
    """How many functions on a stack are of one room, which is a folder."""
    modules = [name.split(".") for name in stack]
    rooms = Counter(
        tuple(part for k, part in enumerate(parts, start=1) if _is_room(parts[:k]))
        for parts in modules
    )
    return max(rooms.values())


def _is_room(parts: list[str]) -> bool:
    return REPOSITORY.joinpath(*parts).is_dir()


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
    words = ["compare", "--manifest", str(manifest), "--audio", "logmel"]
    words += ["--text", str(text_checkpoint("bert")), "--arms", "audio,text,audio_frames"]
    words += ["--trials", "0", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "run")]
    return lambda: app(words, standalone_mode=False)


@pytest.fixture
def interviewed(model_folder, talk, tmp_path) -> Callable[[], None]:
    """Twelve seconds of two speakers, who are guessed."""
    words = ["interview", str(model_folder()), str(talk), "--asr", "none", "--speakers", "2"]
    return lambda: app([*words, "--out", str(tmp_path / "out")], standalone_mode=False)


#: What both ways have in common: what is missing, in batches, frozen, by its family.
ENCODING = [
    "encoders.extraction.Extractor.extract",
    "encoders.embedding.embed",
    "encoders.encoder.FrozenEncoder.encode",
    "encoders.spectra.acoustic.LogMelEncoder.forward",
    LOG_MEL,
]


def test_from_compare_to_the_spectrogram(compared):
    stack = deepest_stack(compared, LOG_MEL)
    assert stack == [
        "experiments.commands.main.compare",
        "experiments.comparing.comparison.compare",
        "experiments.comparing.inputs.gather",
        *ENCODING,
    ]
    assert len(stack) <= IN_ALL
    assert most_in_a_room(stack) <= IN_A_ROOM


def test_from_interview_to_the_spectrogram(interviewed):
    stack = deepest_stack(interviewed, LOG_MEL)
    assert stack == [
        "experiments.commands.interview.interview",
        "experiments.interviews.interview.interview",
        "experiments.interviews.interview._Run.one",
        *ENCODING,
    ]
    assert len(stack) <= IN_ALL
    assert most_in_a_room(stack) <= IN_A_ROOM


def test_the_tracer_tells_the_longest_way_and_own_functions_only():
    from encoders.packing import in_batches

    def run() -> None:
        in_batches([1], lambda _: 1.0, 1.0, lambda own: own)

    assert deepest_stack(run, "encoders.packing.batches") == [
        "encoders.packing.in_batches",
        "encoders.packing.batches",
    ]
    assert deepest_stack(run, "encoders.packing.nothing") == []


# ---------------------------------------------------------------- decoding


def test_a_cold_comparison_decodes_every_recording_once_and_a_warm_one_none(compared, monkeypatch):
    read: list[Path] = []
    decode = hints.read_utterance

    def counted(utterance: Utterance) -> Audio:
        read.append(utterance.audio)
        return decode(utterance)

    monkeypatch.setattr(hints, "read_utterance", counted)
    compared()
    assert len(read) == len(set(read)) == 12
    compared()
    assert len(read) == 12


def test_an_interview_decodes_its_recording_twice(interviewed, talk, monkeypatch):
    """Once for speech and what tells speakers apart, once for the segments; the page needs none."""
    read: list[Path] = []
    decode = streaming._blocks

    def counted(path: Path, block_s: float) -> Iterator[streaming.Block]:
        read.append(path)
        return decode(path, block_s)

    monkeypatch.setattr(streaming, "_blocks", counted)
    monkeypatch.setattr(audio, "_read", None)
    interviewed()
    assert read == [talk, talk]
