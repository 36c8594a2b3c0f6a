"""Several corpora as one: names stay apart, classes are shared, folds lie between corpora."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from encoders.provenance import TrainingRecord
from encoders.utterance import Corpus, CorpusError, Utterance, one_hot
from experiments.comparing.contamination import is_seen
from experiments.comparing.plan import make_folds
from experiments.config import OptionError
from experiments.corpora import load_source
from experiments.corpora.merged import merge
from experiments.corpora.sources import parse_sources
from experiments.reporting.matrix import corpus_matrix, matrix_table, trained_on
from fusion.evaluation.predictions import Prediction, columns
from fusion.splitting.splits import SplitError, outer_folds


def corpus_of(name: str, *labels: str, speakers: int = 6, **about: object) -> Corpus:
    """Each speaker says each class in each of three scripts."""
    rows = [(s, label, k) for s in range(speakers) for label in labels for k in range(3)]
    utterances = tuple(
        Utterance(
            id=f"u{n}",
            speaker=f"s{speaker}",
            script=f"k{script}",
            session="1",
            dialogue=f"d{speaker}",
            fold=str(speaker % 2),
            target=one_hot(label, labels),
            language="en",
        )
        for n, (speaker, label, script) in enumerate(rows)
    )
    return replace(
        Corpus(
            name=name,
            root=Path("/data") / name,
            task="single-label",
            targets=labels,
            utterances=utterances,
        ),
        **about,
    )


@pytest.fixture
def both() -> Corpus:
    return merge([corpus_of("one", "a", "b"), corpus_of("two", "b", "a")])


# ---------------------------------------------------------------- one corpus of several


def test_equal_names_of_two_corpora_are_different(both):
    assert len({u.id for u in both.utterances}) == len(both.utterances) == 72
    assert len({u.speaker for u in both.utterances}) == 12
    for name in ("speaker", "script", "session", "dialogue"):
        assert {getattr(u, name).split("/")[0] for u in both.utterances} == {"one", "two"}


def test_every_utterance_knows_its_corpus(both):
    assert {u.corpus for u in both.utterances} == {"one", "two"}


def test_labels_stay_what_they_were_whatever_their_order(both):
    assert both.targets == ("a", "b")
    for name, order in (("one", ["a", "b"]), ("two", ["b", "a"])):
        found = [both.label(u) for u in both.utterances if u.speaker == f"{name}/s0"]
        assert list(dict.fromkeys(found)) == order


def test_classes_of_one_corpus_only_are_left_out_and_counted():
    both = merge([corpus_of("one", "a", "b", "calm"), corpus_of("two", "a", "b")])
    assert both.targets == ("a", "b")
    assert both.notes == ("one: labels shared: left out calm (18) (classes that all corpora have)",)


def test_folds_of_the_corpora_are_dropped_and_splits_kept(both):
    assert {u.fold for u in both.utterances} == {None}
    split = corpus_of("three", "a", "b")
    split = replace(split, utterances=tuple(replace(u, split="train") for u in split.utterances))
    mixed = merge([split, corpus_of("two", "a", "b")])
    assert {(u.corpus, u.split) for u in mixed.utterances} == {("three", "train"), ("two", None)}
    with pytest.raises(SplitError, match="two/u0 has no split"):
        outer_folds(mixed.utterances, "split")


def test_several_languages_are_told():
    german = corpus_of("two", "a", "b")
    german = replace(german, utterances=tuple(replace(u, language="de") for u in german.utterances))
    told = merge([corpus_of("one", "a", "b"), german]).notes
    assert told == ("several languages (de, en): a text encoder may know one only",)


def test_synthetic_speech_marks_the_whole():
    assert merge([corpus_of("one", "a", "b"), corpus_of("two", "a", "b", synthetic=True)]).synthetic


def test_one_corpus_twice_is_refused():
    with pytest.raises(CorpusError, match="given twice: its speakers would stand on both sides"):
        merge([corpus_of("one", "a", "b"), corpus_of("one", "a", "b")])


def test_other_tasks_are_refused():
    with pytest.raises(CorpusError, match="two: regression targets: several corpora share single"):
        merge([corpus_of("one", "a", "b"), corpus_of("two", "a", "b", task="regression")])


def test_corpora_without_shared_classes_are_told_which_sets_they_share():
    with pytest.raises(CorpusError) as caught:
        merge([corpus_of("one", "anger", "joy", "calm"), corpus_of("two", "angry", "happy", "x")])
    message = str(caught.value)
    assert "0 classes are shared, at least two are needed: one has anger, joy, calm" in message
    assert "give --labels common:ekman (angry, happy) or common:four (angry, happy)" in message


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (TrainingRecord("one", frozenset(["s0"]), frozenset()), 6),  # trained on that corpus alone
        (
            TrainingRecord("one+three", frozenset(["one/s0", "three/s1"]), frozenset()),
            6,
        ),  # on several
        (TrainingRecord("three", frozenset(["s0"]), frozenset()), 0),  # on an equal name elsewhere
        (TrainingRecord("three", frozenset(), frozenset(["key"])), 12 * 6),  # on equal samples
    ],
)
def test_what_an_encoder_has_seen_is_known_however_corpora_were_merged(held, expected, both):
    assert sum(is_seen(held, both, u, "key") for u in both.utterances) == expected


# ---------------------------------------------------------------- what is typed


def test_roots_go_to_the_corpora_in_their_order(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    a, b, c = (str(tmp_path / name) for name in "abc")
    found = parse_sources(("ravdess", "demo", "emodb"), "m.csv", (a, b, c))
    told = [(s.corpus, s.manifest and s.manifest.name, s.root and s.root.name) for s in found]
    assert told == [
        *(("ravdess", None, "a"), ("demo", None, None), ("emodb", None, "b")),
        (None, "m.csv", "c"),
    ]


def test_a_manifest_beside_corpora_may_have_no_root(tmp_path):
    found = parse_sources("ravdess", ("m.csv", "n.csv"), str(tmp_path))
    assert [s.root for s in found] == [tmp_path, None, None]


@pytest.mark.parametrize("roots", [0, 1, 3])
def test_roots_that_do_not_fit_are_counted(roots, tmp_path):
    with pytest.raises(OptionError, match=rf"{roots} --root for 2 --corpus.*ravdess, emodb"):
        parse_sources(("ravdess", "emodb"), None, [str(tmp_path)] * roots)


def test_two_roots_of_one_corpus_are_refused(tmp_path):
    with pytest.raises(OptionError, match="2 --root for one source"):
        parse_sources("ravdess", None, [str(tmp_path)] * 2)


def test_two_known_corpora_are_read_as_one(plant):
    root = plant(
        "r/Actor_01/03-01-05-01-01-01-01.wav",
        "r/Actor_01/03-01-04-01-01-01-01.wav",
        "e/wav/03a01Wa.wav",
        "e/wav/03a01Ta.wav",
    )
    roots = (str(root / "r"), str(root / "e"))
    both = load_source(("ravdess", "emodb"), None, roots, ("common:four",))
    assert (both.name, both.targets) == ("ravdess+emodb", ("angry", "sad"))
    assert {u.speaker for u in both.utterances} == {"ravdess/01", "emodb/03"}


def test_a_manifest_goes_with_a_known_corpus(plant):
    plant.text("m.csv", "id,speaker,label,transcript\n1,a,joy,x\n2,b,anger,y\n")
    root = plant("e/wav/03a01Wa.wav", "e/wav/03a01Fa.wav")
    both = load_source("emodb", str(root / "m.csv"), str(root / "e"), ("common:ekman",))
    assert (both.name, both.targets) == ("emodb+m", ("angry", "happy"))


# ---------------------------------------------------------------- folds


def sides(both: Corpus, protocol: str) -> dict[str, tuple[set[str | None], set[str | None]]]:
    corpus = {u.id: u.corpus for u in both.utterances}
    return {
        fold.name: ({corpus[n] for n in fold.train}, {corpus[n] for n in fold.test})
        for fold in outer_folds(both.utterances, protocol)
    }


def test_one_corpus_is_left_out_in_turn(both):
    assert sides(both, both.folds) == {
        "two > one": ({"two"}, {"one"}),
        "one > two": ({"one"}, {"two"}),
    }


def test_some_are_trained_on_and_another_is_tested():
    three = merge([corpus_of(name, "a", "b") for name in ("one", "two", "three")])
    assert sides(three, "cross:one+three/two") == {"one+three > two": ({"one", "three"}, {"two"})}


@pytest.mark.parametrize("typed", ["cross", "cross:one", "cross:one/one", "cross:one/four"])
def test_a_crossing_that_cannot_be_is_refused(typed, both):
    with pytest.raises(SplitError, match=r"expected (different ones of one, two|cross:A\+B/C)"):
        outer_folds(both.utterances, typed)


@pytest.mark.parametrize("typed", ["corpus", "cross:one/two", "matrix"])
def test_one_corpus_cannot_be_crossed(typed):
    with pytest.raises(SplitError, match="only one corpus is here"):
        outer_folds(corpus_of("one", "a", "b").utterances, typed)


def test_the_matrix_has_every_pair_and_each_row_once_in_each_cell(both):
    corpus = {u.id: u.corpus for u in both.utterances}
    cells: dict[tuple[str | None, str | None], list[str]] = {}
    for fold in outer_folds(both.utterances, "matrix"):
        (train,) = {corpus[name] for name in fold.train}
        for name in fold.test:
            cells.setdefault((train, corpus[name]), []).append(name)
    rows = {name: sorted(i for i in corpus if corpus[i] == name) for name in ("one", "two")}
    assert {pair: sorted(names) for pair, names in cells.items()} == {
        (train, test): rows[test] for train in rows for test in rows
    }


def test_a_corpus_of_two_speakers_is_not_tested_on_itself():
    small = merge([corpus_of("one", "a", "b", speakers=2), corpus_of("two", "a", "b")])
    found = sides(small, "matrix").values()
    assert ({"one"}, {"one"}) not in found
    assert ({"one"}, {"two"}) in found


def test_heads_of_several_corpora_learn_from_all_of_them(both):
    corpus = {u.id: u.corpus for u in both.utterances}
    _, inner = make_folds(both, both.utterances, "groups")
    for fold in (one for found in inner for one in found.folds):
        assert {corpus[name] for name in fold.train} == {"one", "two"}


# ---------------------------------------------------------------- matrix


def prediction(corpus: str, fold: str, right: bool, n: int, target: int) -> Prediction:
    scores = (1.0, 0.0) if (target == 0) == right else (0.0, 1.0)
    return Prediction(
        run="r",
        corpus=corpus,
        utterance=f"{corpus}/{n}",
        speaker=f"{corpus}/s{n // 2}",
        arm="audio",
        outer_fold=fold,
        inner_fold=None,
        seed=0,
        split="test",
        window=None,
        target=(1.0 - target, float(target)),
        scores=scores,
    )


def test_a_cell_is_the_uar_of_its_corpora():
    rows = [
        *(prediction("two", "one > two", True, n, n % 2) for n in range(6)),
        *(prediction("one", "one > one 1", n != 0, n, n % 2) for n in range(2)),
        *(prediction("one", "one > one 2", True, n, n % 2) for n in range(2, 4)),
    ]
    trained = {fold: ["one"] for fold in ("one > two", "one > one 1", "one > one 2")}
    cells = {(c.train, c.test): c for c in corpus_matrix(columns(rows), trained, lambda _: 0.0)}
    assert {pair: (c.uar.value, c.rows) for pair, c in cells.items()} == {
        ("one", "two"): (1.0, 6),
        ("one", "one"): (0.75, 4),
    }


def test_the_table_has_a_column_per_corpus_and_holes_where_nothing_was_tested():
    rows = [prediction("two", "f", True, n, n % 2) for n in range(4)]
    rows += [prediction("one", "g", True, n, n % 2) for n in range(4)]
    table = matrix_table(corpus_matrix(columns(rows), {"f": ["one"], "g": ["two"]}, lambda _: 0.0))
    assert table.tests == ("one", "two")
    assert [(r.train, [c is not None for c in r.cells]) for r in table.rows] == [
        *(("one", [False, True]), ("two", [True, False])),
    ]


def test_there_is_no_matrix_of_one_corpus():
    alone = corpus_of("one", "a", "b")
    assert trained_on(alone.utterances, outer_folds(alone.utterances, "groups")) == {}
    rows = [prediction("one", "f", True, n, n % 2) for n in range(4)]
    assert corpus_matrix(columns(rows), {}, lambda _: 0.0) == ()
    assert matrix_table(()).rows == ()
