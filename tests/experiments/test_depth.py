"""How long the way is: own functions on the stack from a command to what it is all about.

Cross-fitted arms have :mod:`fusion.training.crossfit` between a fold and its heads beside what is
looked at here: two of them are trained for each.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import pytest

from encoders import decode_index as hints
from encoders.audio import reading as audio, streaming
from encoders.audio.waveform import Audio
from encoders.utterance import Utterance
from experiments.commands.main import app
from experiments.config import write_study
from fusion.training import train
from tests.conftest import REPOSITORY
from tests.experiments.feature_studies import write_corpus
from tests.experiments.interviews.conftest import model_folder, talk

#: Fixtures of the interviews' tests.
__all__ = ["model_folder", "talk"]

PACKAGES = tuple(str(REPOSITORY / name) + "/" for name in ("encoders", "fusion", "experiments"))
#: Bodies that are no functions of their own to a reader.
WITHIN = ("<module>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
LOG_MEL = "encoders.spectra.spectrogram.log_mel"
#: What DESIGN.md allows: in all from the command on, and within one folder.
IN_ALL, IN_A_ROOM = 8, 4


def stacks_at(run: Callable[[], object], targets: Sequence[str]) -> set[tuple[str, ...]]:
    """Every stack of own functions that ends in one of ``targets`` while ``run`` runs.

    Functions are named by their module and qualified name, the command first. Threads and
    processes that ``run`` starts are not looked at.
    """
    last = {target.rpartition(".")[2] for target in targets}
    stacks: set[tuple[str, ...]] = set()

    def look(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_name in last and _named(frame) in targets:
            stacks.add(_own_functions(frame))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(before)
    return stacks


def deepest_stack(run: Callable[[], object], target: str) -> list[str]:
    """The longest stack that ends in ``target``."""
    return list(max(stacks_at(run, [target]), key=len, default=()))


def _own_functions(frame: FrameType | None) -> tuple[str, ...]:
    names = []
    while frame is not None:
        code = frame.f_code
        own = code.co_filename.startswith(PACKAGES) and code.co_name not in WITHIN
        # What reads the options of a command stands before it, and is none of its steps.
        if own and not code.co_filename.endswith("commands/options.py"):
            names.append(_named(frame))
        frame = frame.f_back
    return tuple(reversed(names))


def _named(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


def most_in_a_room(stack: Sequence[str]) -> int:
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
    "encoders.encoder.Encoder.encode",
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


#: Functions beyond that on the way to a head, and why each is worth its step.
HOPS = {
    "fusion.training.train.FittedHead.scores": "a trained head is asked in one way, whoever asks",
    "fusion.networks.attention.CrossAttention.forward": "a block of the network, as published",
    "fusion.networks.attention.AttentivePooling.forward": "a block of the network, as published",
}
LAYERS = ("fusion.networks.layers.RowLinear.forward", "fusion.networks.layers.FrameLinear.forward")


@pytest.fixture(scope="module")
def training(tmp_path_factory) -> set[tuple[str, ...]]:
    """Stacks at the layers of heads, of a comparison with one trial."""
    folder = tmp_path_factory.mktemp("depth")
    study = write_corpus(folder, arms=("concat", "attention"), trials=1, seeds=1, repeats=1)
    write_study(study, folder / "s.toml")
    words = ["compare", "--config", str(folder / "s.toml"), "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        patch.setattr(train, "MAX_EPOCHS", 2)
        return stacks_at(lambda: app([*words, "--jobs", "1"], standalone_mode=False), LAYERS)


@pytest.mark.parametrize("heads", ["search_arm", "fit_chosen"])
def test_from_compare_to_the_layer_of_a_head(training, heads):
    assert (
        "experiments.commands.main.compare",
        "experiments.comparing.comparison.compare",
        "experiments.comparing.fitting.fit_all",
        "experiments.comparing.fitting.fit_fold",
        f"fusion.training.arms.{heads}",
        "fusion.training.train.StackedHeads.epochs",
        "fusion.networks.heads.MlpHead.forward",
        "fusion.networks.layers.RowLinear.forward",
    ) in training


def test_no_other_way_to_a_layer_is_longer_but_by_hops_with_a_reason(training):
    for stack in training:
        steps = [function for function in stack if function not in HOPS]
        assert len(steps) <= IN_ALL, " > ".join(stack)
        assert most_in_a_room(steps) <= IN_A_ROOM, " > ".join(stack)
    assert HOPS.keys() <= {function for stack in training for function in stack}


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

    def counted(path: Path, *how: float) -> Iterator[streaming.Block]:
        read.append(path)
        return decode(path, *how)

    monkeypatch.setattr(streaming, "_blocks", counted)
    monkeypatch.setattr(audio, "_read", None)
    interviewed()
    assert read == [talk, talk]
