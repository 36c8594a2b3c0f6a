"""Simulated word errors: their rate, whose words they are, and that draws are nested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, strategies as st

from encoders.utterance import Utterance
from experiments.ablation.word_errors import RATIO, with_errors
from experiments.comparing.transcripts import Transcripts

WORDS = st.lists(st.sampled_from(["yes", "no", "well", "then", "what"]), min_size=1, max_size=12)


def rows_of(texts: dict[str, str], speakers: int = 2) -> list[Utterance]:
    return [Utterance(id=name, speaker=f"s{k % speakers}") for k, name in enumerate(sorted(texts))]


def word_error_rate(truth: Sequence[str], heard: Sequence[str]) -> float:
    """Least number of wrong words over the number of true ones."""
    row = np.arange(len(heard) + 1)
    for word in truth:
        new = row.copy()
        new[0] = row[0] + 1
        for k, other in enumerate(heard, start=1):
            new[k] = min(row[k] + 1, new[k - 1] + 1, row[k - 1] + (word != other))
        row = new
    return float(row[-1] / max(len(truth), 1))


def test_the_ratio_is_a_ratio():
    assert np.isclose(sum(RATIO.values()), 1)


@given(st.lists(WORDS, min_size=1, max_size=6), st.floats(0, 0.9), st.integers(0, 3))
def test_no_more_words_are_wrong_than_were_asked_for(said, rate, seed):
    texts = {f"u{k}": " ".join(own) for k, own in enumerate(said)}
    made = with_errors(Transcripts(texts), rows_of(texts), rate, seed)
    for name, text in texts.items():
        truth, heard = text.split(), made.texts.get(name, "").split()
        assert word_error_rate(truth, heard) <= (np.ceil(rate * len(truth)) + 1e-9) / len(truth)


def test_the_rate_over_many_words_is_the_rate_asked_for():
    rng = np.random.default_rng(0)
    texts = {f"u{k}": " ".join(f"w{n}" for n in rng.integers(5000, size=9)) for k in range(300)}
    made = with_errors(Transcripts(texts), rows_of(texts), 0.2, 0)
    wrong = [9 * word_error_rate(t.split(), made.texts[n].split()) for n, t in texts.items()]
    assert abs(sum(wrong) / 2700 - 0.2) < 0.02


def test_words_come_from_the_same_speaker_alone():
    texts = {"a1": "red green blue", "a2": "red blue", "b1": "one two three", "b2": "four five"}
    rows = [Utterance(id=name, speaker=name[0]) for name in texts]
    mine = {
        name: {w for n, t in texts.items() if n[0] == name[0] for w in t.split()} for name in texts
    }
    for seed in range(40):
        made = with_errors(Transcripts(texts), rows, 0.8, seed)
        assert all({*text.split()} <= mine[name] for name, text in made.texts.items())


def test_draws_are_repeatable_and_do_not_depend_on_the_order_of_rows():
    texts = {f"u{k}": f"word{k} and some more words here" for k in range(10)}
    rows = rows_of(texts)
    one = with_errors(Transcripts(texts), rows, 0.4, 0)
    turned = with_errors(Transcripts(dict(reversed(texts.items()))), rows[::-1], 0.4, 0)
    assert one.texts == turned.texts
    assert one.texts != with_errors(Transcripts(texts), rows, 0.4, 1).texts


def test_errors_of_a_lower_rate_are_among_those_of_a_higher_one():
    texts = {f"u{k}": " ".join(f"w{k}x{n}" for n in range(20)) for k in range(20)}
    low, high = (with_errors(Transcripts(texts), rows_of(texts), rate, 0) for rate in (0.1, 0.4))
    for name, text in texts.items():
        kept = {*low.texts[name].split()} & {*text.split()}
        assert {*high.texts[name].split()} & {*text.split()} <= kept


def test_a_transcript_that_loses_every_word_is_missing():
    texts = {f"u{k}": "oh" for k in range(200)}
    made = with_errors(Transcripts(texts), rows_of(texts), 0.9, 0)
    assert 0 < len(made.texts) < len(texts)
    assert "" not in made.texts.values()
