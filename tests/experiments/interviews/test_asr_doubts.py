"""Signs of made-up words."""

from __future__ import annotations

import pytest

from encoders.asr.transcript import Segment, Transcript
from experiments.interviews.recognition import (
    RecognisedText,
    WordUse,
    doubts_about,
    recognised,
    repeated_words,
)


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
