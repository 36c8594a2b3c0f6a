"""What is said of transcripts that were cut, from the encoder to the warnings of a run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from encoders.decode_index import DecodeIndex
from encoders.extraction import default_store
from encoders.specs import Modality, SentenceSpec
from encoders.store import EmbeddingStore, TokenCount
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus
from experiments.comparing.inputs import Inputs, Ready, Transcripts as FoundWords, gather
from experiments.comparing.modality_data import cuts, silence
from experiments.config import Study

LONG = "high tone and very loud tone said the horse"
MODALITY = Modality(name="text", encoder=SentenceSpec())


def inputs_of(
    corpus: Corpus, text: str, store: EmbeddingStore, arms: tuple[str, ...] = ("audio", "text")
) -> Inputs:
    texts = {u.id: u.transcript or "" for u in corpus.utterances}
    texts["u3"] = LONG
    study = Study(audio="mfcc13", text=text, manifest="unused.csv")
    hints = DecodeIndex(store.root / "hints.json")
    ready = Ready(study, corpus, corpus.utterances, arms)
    return gather(ready, FoundWords(texts), store, hints, None)


def test_a_run_tells_how_many_transcripts_were_cut(tone_corpus, text_checkpoint):
    """Tiny BERT spells what it does not know: "tone" are four tokens, "and" three."""
    folder = text_checkpoint("bert")
    found = inputs_of(tone_corpus, f"{folder}@max_length=20", default_store())
    assert found.warnings == (
        "1 of 12 transcripts were longer than 20 tokens (special ones included) and were cut "
        "there, as max_length says; the longest has 22",
    )


@pytest.mark.parametrize("arms", [("audio", "text"), ("attention",), ("text", "attention")])
@pytest.mark.parametrize("name", ["bert", "sentence"])
def test_a_run_from_the_cache_tells_the_same(tone_corpus, text_checkpoint, arms, name):
    typed = f"{text_checkpoint(name)}@max_length=20"
    first = inputs_of(tone_corpus, typed, default_store(), arms)
    again = inputs_of(tone_corpus, typed, default_store(), arms)
    assert (first.cached, again.encoded) == (0, 0)
    assert len(again.warnings) == 1
    assert again.warnings == first.warnings


def test_a_run_in_which_nothing_was_cut_says_nothing(tone_corpus, text_checkpoint):
    folder = text_checkpoint("bert")
    assert inputs_of(tone_corpus, f"{folder}@max_length=22", default_store()).warnings == ()
    assert inputs_of(tone_corpus, str(folder), default_store()).warnings == ()


def test_the_warning_stands_in_the_results(tone_corpus, text_checkpoint, tmp_path):
    from experiments.comparing.comparison import compare

    lines = ["id,audio,transcript,speaker,label"]
    for number, u in enumerate(tone_corpus.utterances):
        words = LONG if number == 3 else u.transcript
        label = tone_corpus.label(u)
        lines.append(f"{u.id},{u.audio},{words},s{number // 2},{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    study = Study(
        audio="mfcc13@trim_db=30",
        text=f"{text_checkpoint('bert')}@max_length=20,clean=s4",
        manifest=str(tmp_path / "manifest.csv"),
        arms=("audio", "text"),
        trials=0,
        seeds=1,
    )
    outcome = compare(study, out=tmp_path / "run", jobs=1)
    results = json.loads((outcome.folder / "results.json").read_text())
    assert any("1 of 12 transcripts were longer than 20" in line for line in results["warnings"])
    assert "were cut there" in (outcome.folder / "report.html").read_text()


# ---------------------------------------------------------------- the line itself


def test_the_models_own_limit_is_told_as_such():
    (line,) = cuts(
        MODALITY, {"a": TokenCount(300, 256), "b": TokenCount(9, 9), "c": TokenCount(400, 256)}
    )
    assert line.startswith("2 of 3 transcripts were longer than 256 tokens")
    assert "which is all that sentence-transformers/all-MiniLM-L6-v2 reads" in line
    assert line.endswith("the longest has 400")


def test_a_limit_of_the_user_is_told_as_such():
    asked = replace(MODALITY, encoder=SentenceSpec(max_length=64))
    assert "as max_length says" in cuts(asked, {"a": TokenCount(65, 64)})[0]


@pytest.mark.parametrize("extents", [{}, {"a": None}, {"a": TokenCount(64, 64)}])
def test_where_nothing_was_cut_there_is_no_line(extents):
    assert cuts(MODALITY, extents) == ()


def test_an_encoder_without_a_limit_is_no_fault():
    assert cuts(parse_modality("mfcc", "audio"), {"a": None, "b": None}) == ()


@pytest.mark.parametrize(("count", "end"), [(1, "r0"), (5, "r4"), (6, "r4, ...")])
def test_silent_recordings_are_named_up_to_five(count, end):
    (line,) = silence([f"r{n}" for n in range(count)])
    assert line == (
        f"{count} recordings are silent (peak below -80 dB): "
        + ", ".join([f"r{n}" for n in range(min(count, 5) - 1)] + [end])
    )


def test_no_silent_recording_no_line():
    assert silence(()) == ()
