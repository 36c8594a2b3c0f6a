"""What a reader of the table is told about fixed sentences, sessions and languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders.utterance import Utterance
from experiments.comparing.plan import _probe_lines, unit_notes
from experiments.comparing.preparation import language_notes
from experiments.config import Study
from fusion.leakage.findings import TextProbe


def test_evenly_crossed_sentences_must_sit_at_chance():
    (line,) = _probe_lines(TextProbe(2, 1.0, True, 0.125, 0.15, 0.7), 1 / 8)
    assert "constant with respect to the label" in line
    assert "0.125" in line


def test_unevenly_crossed_sentences_are_judged_against_the_null_and_not_called_a_leak():
    (line,) = _probe_lines(TextProbe(10, 1.0, False, 0.178, 0.186, 0.09), 1 / 7)
    assert "UAR 0.178" in line
    assert "0.186" in line
    assert "no leak" in line


def test_sentences_that_never_recur_say_nothing():
    assert _probe_lines(TextProbe(100, 0.0), 1 / 4) == []


# ---------------------------------------------------------------- who counts as independent


def rows(*places: tuple[str, str | None]) -> list[Utterance]:
    return [Utterance(id=f"u{n}", speaker=s, session=t) for n, (s, t) in enumerate(places)]


def test_sessions_that_join_all_speakers_are_told_with_the_remedy():
    (line,) = unit_notes(rows(*((f"s{n}", f"0{k}") for n in range(6) for k in (1, 2))))
    assert "6 speakers are 1 group, and intervals need 5" in line
    assert "make the values unique (anna-1)" in line


@pytest.mark.parametrize("session", [lambda n: f"s{n}-1", lambda n: None, lambda n: str(n // 2)])
def test_sessions_that_leave_enough_groups_are_no_matter(session):
    assert unit_notes(rows(*((f"s{n}", session(n)) for n in range(10)))) == []


# ---------------------------------------------------------------- who knows the language


def languages(text: str, asr: str, *codes: str | None, words: str | None = "ja") -> tuple[str, ...]:
    said = [
        Utterance(id=f"u{n}", speaker="s", audio=Path("a.wav"), transcript=words, language=code)
        for n, code in enumerate(codes)
    ]
    study = Study(manifest="m.csv", audio="logmel", text=text, asr=asr)
    return language_notes(study, said, ("audio", "text"))


def test_words_in_a_language_that_their_encoder_does_not_know_are_told():
    (line,) = languages("minilm", "whisper-base", "de", "en", "de-AT", None, "German")
    assert line.startswith("2 utterances in de, and minilm learned from texts in en")
    assert languages("minilm", "whisper-base", "en", "en-GB", None) == ()
    assert languages("multilingual-minilm", "whisper-base", "de") == ()


def test_a_recogniser_of_english_alone_is_told_where_others_are_to_be_recognised():
    (line,) = languages("xlm-roberta-base", "whisper-tiny.en", "de", "en", words=None)
    assert line.startswith("1 utterance in de, are to be recognised, and whisper-tiny.en knows")
    assert languages("xlm-roberta-base", "whisper-tiny.en", "de") == ()
    assert languages("xlm-roberta-base", "whisper-base", "de", words=None) == ()
