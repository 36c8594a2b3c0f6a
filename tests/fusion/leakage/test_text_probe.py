"""The sentence alone: at chance where it is evenly crossed, above it where it tells the label."""

from __future__ import annotations

import numpy as np
import pytest

from encoders.utterance import Utterance
from fusion.batch import Dataset
from fusion.leakage.findings import TextProbe
from fusion.leakage.text_probe import probe_text
from fusion.splitting.splits import Fold, outer_folds

CLASSES = ("a", "b", "c")


def probe(
    texts: list[str | None], truth: list[int], speakers: list[str], folds: list[Fold] | None = None
) -> TextProbe | None:
    ids = [f"u{n}" for n in range(len(texts))]
    data = Dataset(tuple(ids), CLASSES, np.array(truth, np.int64), {})
    rows = [Utterance(id=name, speaker=s) for name, s in zip(ids, speakers, strict=True)]
    known = {name: text for name, text in zip(ids, texts, strict=True) if text is not None}
    given = folds or outer_folds(rows, "speaker")
    return probe_text(data, known, dict(zip(ids, speakers, strict=True)), given)


def design(text_of, speakers: int = 6, repeats: int = 4) -> dict[str, list]:
    """Rows of every speaker, class and repeat; ``text_of(class, repeat)`` is what is said."""
    cells = [(s, k, r) for s in range(speakers) for k in range(3) for r in range(repeats)]
    return {
        "texts": [text_of(k, r) for _, k, r in cells],
        "truth": [k for _, k, _ in cells],
        "speakers": [f"s{s}" for s, _, _ in cells],
    }


def test_evenly_crossed_sentences_tell_nothing():
    assert probe(**design(lambda k, r: f"sentence {r}")).p > 0.05


def test_one_sentence_is_exactly_at_chance():
    assert probe(**design(lambda k, r: "always this")).uar == pytest.approx(1 / 3)


def test_one_sentence_has_p_1():
    assert probe(**design(lambda k, r: "always this")).p == 1.0


def test_sentences_that_are_the_label_tell_everything():
    assert probe(**design(lambda k, r: f"sentence {k}")).uar == 1.0


def test_sentences_that_are_the_label_have_a_small_p():
    assert probe(**design(lambda k, r: f"sentence {k}")).p < 0.01


def test_draws_that_leave_no_test_row_of_a_class_are_passed_over():
    # One speaker on both sides of two folds that share a test set of three rows.
    texts, truth = ["s0", "s1", "s2"] * 3, [0, 1, 2] * 3
    ids = tuple(f"u{n}" for n in range(9))
    found = probe(texts, truth, ["one"] * 9, [Fold("f", ids[3:], ids[:3])])
    assert (found.uar, np.isfinite(found.null_high), 0 < found.p <= 1) == (1.0, True, True)


def test_unevenly_crossed_sentences_have_a_small_p():
    found = probe(**design(lambda k, r: f"sentence {k if r else 3}"))
    assert found.p < 0.01


def test_shuffled_labels_stay_below_the_sentence():
    found = probe(**design(lambda k, r: f"sentence {k if r else 3}"))
    assert found.null_high < found.uar


def test_case_does_not_make_a_sentence():
    assert probe(**design(lambda k, r: "Hello" if k else "hello")).sentences == 1


def test_own_words_are_not_probed():
    numbers = iter(range(1000))
    found = probe(**design(lambda k, r: f"sentence {next(numbers)}"))
    assert (found.uar, found.p, found.null_high) == (None, None, None)


def test_the_share_of_known_sentences_is_told():
    rows = design(lambda k, r: "same" if r == 0 else None, repeats=2)
    rows["texts"] = [text or f"own {n}" for n, text in enumerate(rows["texts"])]
    assert probe(**rows).shared == 0.5


def test_without_transcripts_there_is_no_probe():
    assert probe(**design(lambda k, r: None)) is None


def test_a_class_without_transcripts_gives_no_number():
    assert probe(**design(lambda k, r: None if k == 2 else f"sentence {r}")).uar is None


def test_transcripts_in_training_only_give_no_probe():
    rows = design(lambda k, r: f"sentence {r}", speakers=3)
    ids = [f"u{n}" for n in range(36)]
    rows["texts"] = rows["texts"][:24] + [None] * 12
    assert probe(**rows, folds=[Fold("test", tuple(ids[:24]), tuple(ids[24:]))]) is None


def test_the_probe_is_deterministic():
    rows = design(lambda k, r: f"sentence {k if r else 3}")
    assert probe(**rows) == probe(**rows)
