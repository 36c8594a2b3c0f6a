"""Marks that tell the label where no word does are told; punctuation of real speech is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.utterance import Utterance
from experiments.corpora import read_corpus
from fusion.leakage.certificate import certify
from fusion.leakage.evidence import Evidence
from fusion.leakage.text_marks import probe_marks
from fusion.splitting.folds import Fold

WORDS = "the a on we they door window train letter rain saw found left lost kept".split()


def texts(marks: dict[str, str], share: float = 1.0, count: int = 120) -> tuple[dict, dict, dict]:
    """Random words of six speakers, and what is written behind a share of each label's."""
    rng = np.random.default_rng(0)
    labels = {f"u{n}": ("low", "high")[n % 2] for n in range(count)}
    said = {name: " ".join(rng.choice(WORDS, 5)) for name in labels}
    marked = {
        name: text + marks.get(labels[name], "") * int(rng.random() < share)
        for name, text in said.items()
    }
    return marked, labels, {name: f"s{n % 6}" for n, name in enumerate(labels)}


@pytest.mark.parametrize(
    "marks", [{"high": " !", "low": " ?"}, {"high": "."}, {"high": "_"}, {"high": "\u200b"}]
)
def test_marks_that_tell_are_found_with_the_label_they_stand_for(marks):
    probe = probe_marks(*texts(marks))
    assert probe is not None
    assert probe.telling
    assert probe.raw > 0.85
    assert probe.marks


def test_what_marks_stand_for_is_named():
    probe = probe_marks(*texts({"high": " !", "low": " ?"}))
    assert probe is not None
    assert set(probe.marks) == {("!", "high"), ("?", "low")}


def test_case_alone_can_be_a_code():
    said, labels, speakers = texts({"high": ".", "low": "."})
    said = {name: text.title() if labels[name] == "high" else text for name, text in said.items()}
    probe = probe_marks(said, labels, speakers)
    assert probe is not None
    assert probe.telling


def test_marks_that_come_with_every_label_are_no_code():
    probe = probe_marks(*texts({"high": "!", "low": "!"}, share=0.5))
    assert probe is not None
    assert not probe.telling


@pytest.mark.parametrize("few", ["rows", "speakers", "labels", "marks"])
def test_nothing_is_said_of_too_little(few):
    said, labels, speakers = texts({} if few == "marks" else {"high": "!"})
    if few == "rows":
        said = dict(list(said.items())[:10])
    if few == "speakers":
        speakers = dict.fromkeys(speakers, "s")
    if few == "labels":
        labels = dict.fromkeys(labels, "high")
    assert probe_marks(said, labels, speakers) is None


def test_a_certificate_tells_a_code():
    said, labels, speakers = texts({"high": " !", "low": " ?"})
    utterances = [
        Utterance(id=name, speaker=speakers[name], transcript=said[name]) for name in said
    ]
    ids = tuple(said)
    evidence = Evidence(utterances, gold=said, labels=labels)
    tests = certify(evidence, [Fold("1", ids[:60], ids[60:])], "fold").tests
    (test,) = (test for test in tests if test.name == "label in marks and case")
    assert test.status == "warning"
    assert set(test.examples) == {"'?' for low", "'!' for high"}
    assert "of other speakers: was the label written" in test.sentence


@pytest.mark.realdata
@pytest.mark.slow
def test_the_punctuation_of_meld_is_no_code(data_folder: Path):
    corpus = read_corpus("meld", data_folder / "meld")
    used = [u for u in corpus.utterances if u.transcript and corpus.classes(u)]
    said = {u.id: u.transcript or "" for u in used}
    labels = {u.id: next(iter(corpus.classes(u))) for u in used}
    speakers = {u.id: u.speaker or "" for u in used}
    for asked in (set(labels.values()), {"anger", "neutral"}, {"joy", "neutral"}):
        chosen = {name: label for name, label in labels.items() if label in asked}
        probe = probe_marks(said, chosen, speakers)
        assert probe is not None
        assert not probe.telling
