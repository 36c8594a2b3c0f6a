"""Named sets of classes: every label of every set exists, merges and drops are counted."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from encoders.utterance import Corpus, CorpusError, Utterance, one_hot
from experiments.corpora import load_source
from experiments.corpora.common_sets import COMMON, apply_common
from experiments.corpora.label_sets import LabelSet, apply, own_classes
from experiments.corpora.registry import CORPORA
from fusion.evaluation.emotions import canonical

SETS = [(name, one) for name, entry in CORPORA.items() for one in entry.labels]
OWN = [(name, one) for name, one in SETS if one.classes and not one.annotation]


def corpus_of(*labels: str | None, sex: str | None = None, name: str = "mine") -> Corpus:
    targets = tuple(sorted({label for label in labels if label is not None}))
    utterances = tuple(
        Utterance(id=str(n), sex=sex, target=None if label is None else one_hot(label, targets))
        for n, label in enumerate(labels)
    )
    return Corpus(
        name=name, root=Path(), task="single-label", targets=targets, utterances=utterances
    )


@pytest.mark.parametrize(("name", "one"), OWN, ids=[f"{n}-{s.name}" for n, s in OWN])
def test_labels_of_a_set_are_labels_of_its_corpus(name, one):
    targets = import_module(CORPORA[name].module).TARGETS
    assert {label for labels in one.classes.values() for label in labels} <= set(targets)


@pytest.mark.parametrize(("name", "one"), SETS, ids=[f"{n}-{s.name}" for n, s in SETS])
def test_a_set_belongs_to_a_known_corpus_and_says_where_it_is_from(name, one):
    assert name in CORPORA
    assert one.source


@pytest.mark.parametrize("name", [name for name, entry in CORPORA.items() if entry.labels])
def test_names_of_sets_are_different(name):
    names = [one.name for one in CORPORA[name].labels]
    assert len(set(names)) == len(names)


#: Classes of every set of RAVDESS with the counts that 1440 files give.
RAVDESS = {
    "8-class": [96, *[192] * 7],
    "6-class": [96, *[192] * 5],
    "4-class": [192, 192, 192, 288],
    "3-class": [96, 672, 672],
    "va5": [96, 192, 192, 192, 192],
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", RAVDESS)
def test_sets_of_ravdess_have_the_counts_of_the_documents(name, data_folder, counts):
    if not (data_folder / "ravdess").is_dir():
        pytest.skip(f"no RAVDESS in {data_folder}")
    corpus = load_source("ravdess", None, str(data_folder / "ravdess"), (name,))
    assert sorted(counts(corpus).values()) == RAVDESS[name]


def test_merges_and_drops_are_counted_in_a_note():
    labels = LabelSet(name="two", source="a paper", classes={"up": ("hap", "exc"), "sad": ("sad",)})
    merged = apply(corpus_of("hap", "exc", "exc", "sad", "ang"), labels)
    assert [merged.label(u) for u in merged.utterances] == ["up", "up", "up", "sad"]
    assert merged.notes == ("labels two: up = exc (2), hap (1); left out ang (1) (a paper)",)


def test_the_order_of_classes_is_that_of_the_set():
    labels = LabelSet(name="x", source="y", classes={"b": ("b",), "a": ("a",)})
    assert apply(corpus_of("a", "b"), labels).targets == ("b", "a")


def test_unlabelled_utterances_stay_unlabelled():
    labels = LabelSet(name="x", source="y", classes={"b": ("b",), "a": ("a",)})
    merged = apply(corpus_of("a", None, "b", "c"), labels)
    assert [merged.label(u) for u in merged.utterances] == ["a", None, "b"]


def test_a_class_that_nobody_has_is_no_target_and_is_told():
    labels = LabelSet(name="x", source="y", classes={"a": ("a",), "b": ("b",), "z": ("z",)})
    merged = apply(corpus_of("a", "b"), labels)
    assert merged.targets == ("a", "b")
    assert "no utterance of z" in merged.notes[0]


def test_sets_of_single_labels_are_refused_for_other_tasks():
    corpus = Corpus(name="m", root=Path(), task="multi-label", targets=("a", "b"), utterances=())
    with pytest.raises(CorpusError, match="merges single labels, and these are multi-label"):
        apply_common(corpus, "ekman")


# ---------------------------------------------------------------- common sets


@pytest.mark.parametrize(
    ("label", "word"),
    [
        *(("anger", "angry"), ("fearful", "fear"), ("joy", "happy"), ("happiness", "happy")),
        *(("surprised", "surprise"), ("boredom", "bored"), ("Sad", "sad"), ("low", "low")),
    ],
)
def test_labels_are_known_by_their_synonyms(label, word):
    assert canonical(label) == word


def test_ekmans_six_of_two_corpora_are_the_same_classes():
    german = apply_common(corpus_of("anger", "happiness", "boredom", "neutral"), "ekman")
    english = apply_common(corpus_of("angry", "happy", "calm", "neutral"), "common:ekman")
    assert german.targets == english.targets == ("neutral", "angry", "happy")
    assert "left out boredom (1)" in german.notes[0]
    assert "neutral = calm (1), neutral (1)" in english.notes[0]


def test_quadrants_of_valence_and_arousal():
    corpus = apply_common(corpus_of("joy", "anger", "fear", "sad", "bored", "calm"), "quadrants")
    assert [corpus.label(u) for u in corpus.utterances] == [
        *("positive-active", "negative-active", "negative-active"),
        *("negative-passive", "negative-passive", "positive-passive"),
    ]


@pytest.mark.parametrize("sex", ["female", "male"])
def test_three_classes_of_coraa_are_made_of_others_by_sex(sex):
    corpus = apply_common(corpus_of("neutral", "calm", "anger", sex=sex), "coraa")
    found = [corpus.label(u) for u in corpus.utterances]
    assert found == ["neutral", f"non-neutral-{sex}", f"non-neutral-{sex}"]


def test_coraas_own_classes_stay_what_they_are():
    corpus = apply_common(corpus_of("neutral", "non-neutral-female", "non-neutral-male"), "coraa")
    assert [corpus.label(u) for u in corpus.utterances] == list(COMMON["coraa"].classes)


def test_no_label_is_in_two_classes_of_a_common_set():
    for one in COMMON.values():
        words = [word for labels in one.classes.values() for word in labels if word != "*"]
        assert len(set(words)) == len(words)


@pytest.mark.parametrize(("typed", "near"), [("common:ekmann", "common:ekman")])
def test_an_unknown_common_set_is_answered_with_the_nearest(typed, near):
    with pytest.raises(CorpusError, match=f"did you mean {near}"):
        apply_common(corpus_of("a", "b"), typed)


def test_a_corpus_without_such_classes_is_refused():
    with pytest.raises(CorpusError, match="leaves 1 of its classes, and two are needed"):
        apply_common(corpus_of("anger", "tension"), "four")


def test_a_manifest_takes_a_common_set(tmp_path):
    text = "id,speaker,label,transcript\n1,a,joy,x\n2,b,anger,y\n3,c,boredom,z\n"
    (tmp_path / "m.csv").write_text(text)
    corpus = load_source(None, str(tmp_path / "m.csv"), None, ("common:four",))
    assert corpus.targets == ("angry", "happy")


# ---------------------------------------------------------------- what users type


def test_some_of_a_corpus_own_classes_in_their_order():
    corpus = corpus_of("a", "b", "c")
    assert apply(corpus, own_classes(corpus, ("c", "a"))).targets == ("c", "a")


def test_what_is_no_class_and_no_set_is_answered_with_both():
    corpus = corpus_of("angry", "happy", name="ravdess")
    with pytest.raises(CorpusError, match="its classes are angry, happy; its sets are 8-class"):
        own_classes(corpus, ("5-class",), CORPORA["ravdess"].labels)


def test_a_class_typed_twice_is_refused():
    corpus = corpus_of("a", "b")
    with pytest.raises(CorpusError, match="'a' is given twice"):
        own_classes(corpus, ("a", "a"))


@pytest.mark.parametrize("name", ["experiments.corpora.tree", "fusion.evaluation.emotions"])
def test_the_examples_of_docstrings_hold(name):
    result = doctest.testmod(import_module(name))
    assert (result.failed, result.attempted > 0) == (0, True)


# ---------------------------------------------------------------- of a manifest


def manifest_of(folder: Path, *labels: str) -> str:
    lines = [f"u{n},said,s{n},{label}" for n, label in enumerate(labels)]
    (folder / "m.csv").write_text("\n".join(["id,transcript,speaker,label", *lines]))
    return str(folder / "m.csv")


def test_classes_of_a_manifest_are_chosen_joined_and_renamed(tmp_path):
    path = manifest_of(tmp_path, "Wut", "angry", "Freude", "Other", "Other")
    corpus = load_source(None, path, None, ("angry=angry+Wut", "happy=Freude"))
    assert corpus.targets == ("angry", "happy")
    assert [corpus.label(u) for u in corpus.utterances] == ["angry", "angry", "happy"]
    (note,) = corpus.notes
    assert "angry = Wut (1), angry (1); happy = Freude (1); left out Other (2)" in note


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("angry", "bliss"), "'bliss': no class or set of m; its classes are Other, Wut, angry"),
        (("angry=angry+Wut", "Wut"), "'Wut' is given twice"),
        (("a=angry", "a=Wut"), "'a' is given twice"),
        (("angry", "Wut=Zorn"), "'Zorn': no class"),
    ],
)
def test_classes_that_a_manifest_lacks_and_labels_of_two_classes_are_refused(
    tmp_path, labels, said
):
    path = manifest_of(tmp_path, "Wut", "angry", "Other")
    with pytest.raises(CorpusError, match=said):
        load_source(None, path, None, labels)
