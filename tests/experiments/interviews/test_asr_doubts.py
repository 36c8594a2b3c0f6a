"""Signs of made-up words."""

from __future__ import annotations

import pytest

from encoders.asr.transcript import Segment, Transcript
from experiments.interviews.recognition import doubts_about, repeated_words


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
        (heard("la " * 60), "repetitive"),
        (heard("oh thank you thank you thank you thank you"), "repeats 'thank you'"),
        (heard("no no no no"), "repeats 'no'"),
    ],
)
def test_each_sign_is_named(transcript, reason):
    assert any(one.startswith(reason) for one in doubts_about(transcript))


def test_numbers_that_a_recogniser_does_not_give_raise_no_doubt():
    assert doubts_about(heard("hello there", None, None)) == ()


def test_nothing_heard_is_not_doubted():
    assert doubts_about(Transcript((), None, None, None)) == ()


@pytest.mark.parametrize("words", ["no no no", "a b a b a b", "one two three", ""])
def test_three_times_may_be_meant(words):
    assert repeated_words(words.split()) is None
