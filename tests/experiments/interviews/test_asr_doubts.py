"""Signs of made-up words."""

from __future__ import annotations

import pytest

from encoders.asr.transcript import Segment, Transcript
from encoders.asr.window_packing import spoken, timed
from experiments.interviews.recognition import (
    RecognisedText,
    WordUse,
    doubts_about,
    recognised,
    recognised_in,
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
