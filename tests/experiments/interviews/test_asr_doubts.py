"""Signs of made-up words, pieces that are cut between words, and both in an interview."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from encoders.asr.recognisers import RecogniserSpec
from encoders.asr.transcript import Segment, Transcript
from encoders.asr.window_packing import spoken, timed
from experiments.interviews import interview as module
from experiments.interviews.recognition import (
    RecognisedText,
    Recognition,
    WordUse,
    doubts_about,
    recognised,
    recognised_in,
    repeated_words,
)
from fusion.model.fusion_model import FusionModel
from tests.experiments.interviews.conftest import RATE, voice
from tests.experiments.interviews.held_interviews import Parrot, timeline


def heard(text: str, logprob: float | None = -0.3, silent: float | None = 0.1) -> Transcript:
    return Transcript((Segment(0.0, 1.0, text, logprob, silent),), "en", logprob, silent)


def test_plain_speech_is_not_doubted():
    assert (
        doubts_about(heard("And so my fellow Americans, ask not what your country can do.")) == ()
    )


@pytest.mark.parametrize(
    ("transcript", "reason"),
    [
        (heard("Thank you.", silent=0.9), "probably no speech (0.90)"),
        (heard("He went there", logprob=-1.4), "recogniser unsure (mean log-probability -1.40)"),
        (heard("la lo " * 60), "repetitive"),
        (heard("oh thank you thank you thank you thank you"), "repeats 'thank you'"),
    ],
)
def test_each_sign_is_named(transcript, reason):
    assert any(one.startswith(reason) for one in doubts_about(transcript))


def test_numbers_that_a_recogniser_does_not_give_raise_no_doubt():
    assert doubts_about(heard("hello there", None, None)) == ()


def test_nothing_heard_is_not_doubted():
    assert doubts_about(Transcript((), None, None, None)) == ()


@pytest.mark.parametrize("words", ["no no no", "a b a b a b", "one two three", "", "a b c a b c"])
def test_what_people_repeat_may_be_meant(words):
    assert repeated_words(words.split()) is None


@pytest.mark.parametrize(
    "text",
    [
        "I was going to the store. I was going to the store.",
        "Well, I'm from New York. I'm from New York, I'm from New York.",
        "Let us go. let us go, let us go",
    ],
)
def test_passages_that_are_said_two_or_three_times_in_a_row_are_doubted(text):
    (doubt,) = doubts_about(heard(text))
    assert doubt.startswith("repeats ")


def test_a_run_of_one_word_costs_that_run():
    said = recognised(heard("Hello. Hello. Hello. Hello. Is anybody there?"))
    assert said.text == "Hello. Hello. Hello. Hello. Is anybody there?"
    assert said.trusted == "Is anybody there?"
    assert said.doubts == ("repeats 'hello'",)
    assert recognised(heard("No, no, no, no!")).trusted is None
    # Nothing of what is doubted anyway.
    assert recognised(heard("Hello. Hello. Hello. Hello. Who?", -1.4)).trusted is None


def test_words_go_to_the_model_where_it_knows_their_language():
    german, english = (RecognisedText("so", language=code) for code in ("de", "en"))
    told = RecognisedText("so")
    own = WordUse(None, frozenset({"en"}))
    assert [own.of(words).trusted for words in (german, english, told)] == [None, "so", "so"]
    assert own.of(german).text == "so"
    assert WordUse("classify", frozenset({"en"})).of(german).trusted == "so"
    assert WordUse(None, frozenset()).of(german).trusted == "so"
    assert WordUse("show").of(told).trusted is None
    assert WordUse("off").of(told) == RecognisedText()


# ---------------------------------------------------------------- pieces that are cut between words


def worded(text: str, probability: float = 0.9) -> Transcript:
    words = [
        timed(f" {word}", float(k), k + 0.9, probability, 0.1)
        for k, word in enumerate(text.split())
    ]
    return spoken(words, text, "de")


def test_a_part_is_as_sure_as_its_own_words():
    sure, unsure = worded("I did."), worded("Not me.", 0.1)
    heard = Transcript((*sure.segments, *unsure.segments), "de", -1.2, 0.1)
    first, second = (recognised_in(heard, slice(start, start + 2)) for start in (0, 2))
    assert (first.text, first.trusted, first.language) == ("I did.", "I did.", "de")
    assert second.trusted is None
    assert second.doubts == ("recogniser unsure (mean log-probability -2.30)",)


def test_a_run_is_doubted_where_it_was_cut_and_what_is_beside_it_is_not():
    heard = worded("Hello. Hello. Hello. Hello. Who is there?")
    first, second, third = (
        recognised_in(heard, part) for part in (slice(1), slice(1, 5), slice(5, 7))
    )
    assert (first.text, first.doubts, first.trusted) == ("Hello.", ("repeats 'hello'",), None)
    assert (second.text, second.trusted) == ("Hello. Hello. Hello. Who", "Who")
    assert (third.doubts, third.trusted) == ((), "is there?")


def test_a_passage_that_is_repeated_is_doubted_wherever_it_was_cut():
    heard = worded("We went to the sea. We went to the sea. Then home.")
    for part in (slice(5), slice(5, 10), slice(10, 12)):
        assert recognised_in(heard, part).doubts == ("repeats 'we went to the sea'",)


# ---------------------------------------------------------------- in an interview


class Timed(Recognition):
    """A recogniser that hears a word each second, two of which are a sentence."""

    def __init__(self) -> None:
        self.spec, self.packing, self.languages, self.why = RecogniserSpec(), False, {}, ""
        self.asr, self.heard = "whisper-base", []

    def moved_to(self, folder: Path) -> None: ...

    def timed_words(self, heard) -> list[Transcript]:
        self.heard += [audio.duration_s for audio in heard]
        return [self.words(int(audio.duration_s)) for audio in heard]

    def words(self, count: int) -> Transcript:
        marks = {k: "." if k % 2 else "" for k in range(count)}
        words = [Segment(float(k), k + 0.9, f" w{k}{m}", -0.1, 0.0) for k, m in marks.items()]
        return Transcript(tuple(words), "en", -0.1, 0.0)

    def listen(self, heard) -> list[RecognisedText]:
        return [RecognisedText("short") for _ in heard]


def test_long_pieces_are_heard_whole_and_cut_between_words(
    model_folder, talk, turns, tmp_path, monkeypatch
):
    from encoders.audio.reading import read_segment

    monkeypatch.setattr(module, "recogniser_for", lambda *_: Timed())
    found = timeline(model_folder(), talk, tmp_path, turns=turns, asr=None, segment_max=3.0)
    # anna's last turn is no longer than a segment may be.
    said = [(one.start_s, one.end_s, one.speaker, one.text) for one in found.segments]
    assert said == [
        (0.0, 1.95, "anna", "w0 w1."),
        (1.95, 4.0, "anna", "w2 w3."),
        (5.0, 6.95, "ben", "w0 w1."),
        (6.95, 9.0, "ben", "w2 w3."),
        (10.0, 12.0, "anna", "short"),
    ]
    model = FusionModel.load(model_folder())
    for one in found.segments:
        alone = model.predict(read_segment(talk, one.start_s, one.end_s), one.text)
        np.testing.assert_allclose(one.probabilities, list(alone.values()), atol=1e-6)


def test_a_voice_that_changes_ends_a_segment(model_folder, talk, tmp_path, monkeypatch):
    from tests.experiments.interviews.test_voices import Trained

    monkeypatch.setattr(module, "speaker_encoder", lambda _name: Trained())
    monkeypatch.setattr(module, "installed", lambda _files: True)
    # No pause between the speakers, so that only their voices tell.
    joined = np.concatenate([voice(name)[: 3 * RATE] for name in ("anna", "ben")])
    soundfile.write(tmp_path / "joined.wav", joined, RATE)
    found = timeline(model_folder(), tmp_path / "joined.wav", tmp_path / "out")
    assert found.speakers == ("speaker",)
    assert found.facts["speakers"] == "not told apart"
    (at,) = [one.end_s for one in found.segments][:-1]
    assert abs(at - 3.0) < 0.5
    monkeypatch.setattr(module, "recogniser_for", lambda *_: Timed())
    worded = timeline(model_folder(), tmp_path / "joined.wav", tmp_path / "words", asr=None)
    # Sentences end at 2 s and 4 s, and the voice changes between them.
    assert [one.text for one in worded.segments][:3] == ["w0 w1.", "w2", "w3."]


@pytest.mark.parametrize(("doubts", "trusted"), [((), True), (("repeats 'no'",), False)])
def test_doubtful_words_are_shown_and_not_classified(
    model_folder, talk, tmp_path, monkeypatch, doubts, trusted
):
    parrot = Parrot(RecognisedText("the horse", doubts))
    monkeypatch.setattr(module, "recogniser_for", lambda *_: parrot)
    found = timeline(model_folder(), talk, tmp_path, asr="parrot")
    assert parrot.heard == len(found.segments) > 0
    for one in found.segments:
        assert one.text == "the horse"
        assert one.text_doubtful == doubts
        assert (one.words is not None) == trusted
