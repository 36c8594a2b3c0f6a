"""``--extra``: what joins training, in whose classes, under which names, and what is refused."""

from __future__ import annotations

import pytest

from encoders.utterance import Corpus, CorpusError
from experiments.comparing.plan import make_folds, rows_for
from experiments.config import OptionError, Study, read_study, write_study
from experiments.corpora import load_source

HEAD = "id,speaker,label,transcript\n"


def rows_of(prefix: str, labels: tuple[str, ...], speakers: int = 6) -> str:
    return "".join(
        f"{prefix}{s}{label}{n},{prefix}{s},{label},w\n"
        for s in range(speakers)
        for label in labels
        for n in range(2)
    )


@pytest.fixture
def mixed(plant) -> Corpus:
    """A manifest of two classes, EmoDB's in other words, and a second manifest."""
    plant.text("m.csv", HEAD + rows_of("a", ("joy", "anger")))
    plant.text("n.csv", HEAD + rows_of("b", ("happy", "angry", "calm"), 2))
    root = plant("e/wav/03a01Wa.wav", "e/wav/03a01Fa.wav", "e/wav/08a01La.wav")
    extra = (f"emodb={root / 'e'}", str(root / "n.csv"))
    return load_source(None, str(root / "m.csv"), None, None, extra)


def test_labels_become_those_of_the_corpus_and_others_are_left_out_and_counted(mixed):
    assert mixed.targets == ("anger", "joy")
    told = {u.id: mixed.label(u) for u in mixed.utterances if u.id in mixed.extra}
    assert told["extra/emodb/03a01Wa"] == "anger"
    assert told["extra/n/b0happy0"] == "joy"
    assert len(told) == 2 + 8
    assert [note.split(";", 1)[1] for note in mixed.notes if note.startswith("extra ")] == [
        " happiness = joy; left out boredom (1)",
        " angry = anger, happy = joy; left out calm (4)",
    ]


def test_people_of_a_named_corpus_carry_its_name_and_those_of_manifests_do_not(mixed):
    speakers = {u.id: u.speaker for u in mixed.utterances}
    assert speakers["extra/emodb/03a01Wa"] == "emodb/03"
    assert speakers["extra/n/b0happy0"] == "b0"


def test_it_trains_in_every_fold_and_is_never_scored_nor_stopped_on(mixed):
    folds, inner = make_folds(mixed, mixed.utterances, "groups")
    extra = set(mixed.extra)
    for fold, inners in zip(folds, inner, strict=True):
        assert extra <= {*fold.train}
        assert not extra & {*fold.test, *fold.dev}
        for one in inners.folds:
            assert extra <= {*one.train}
            assert not extra & {*one.dev}
    tested = sorted(name for fold in folds for name in fold.test)
    assert tested == sorted(u.id for u in mixed.own(mixed.utterances))


def test_an_official_split_stays_what_it_is(plant):
    sides = ("train", "train", "dev", "test")
    rows = [f"u{n},s{n // 2},{'joy' if n % 2 else 'anger'},{sides[n // 2]}\n" for n in range(8)]
    plant.text("m.csv", "id,speaker,label,split\n" + "".join(rows))
    root = plant.text("n.csv", HEAD + rows_of("b", ("joy", "anger"), 1))
    corpus = load_source(None, str(root / "m.csv"), None, None, str(root / "n.csv"))
    (fold,), (inner,) = make_folds(corpus, corpus.utterances, corpus.folds)
    assert (fold.test, fold.dev) == (("u6", "u7"), ("u4", "u5"))
    assert len(fold.train) == 4 + 4
    assert inner.folds[0].dev == ("u4", "u5")


def test_a_speaker_who_is_in_development_is_left_out_of_that_inner_fold_alone(plant):
    plant.text("m.csv", HEAD + rows_of("a", ("joy", "anger")))
    root = plant.text("n.csv", HEAD + rows_of("a", ("joy", "anger"), 1).replace("\n", "+\n"))
    corpus = load_source(None, str(root / "m.csv"), None, None, str(root / "n.csv"))
    by_id = {u.id: u for u in corpus.utterances}
    _, inner = make_folds(corpus, corpus.utterances, "groups")
    for one in (fold for found in inner for fold in found.folds):
        train, dev = ({by_id[name].speaker for name in side} for side in (one.train, one.dev))
        assert not train & dev


def test_what_is_improvised_is_asked_of_the_corpus_alone(plant):
    rows = rows_of("a", ("joy", "anger")).replace(",w\n", ",w,\n")
    rows += rows_of("c", ("joy", "anger")).replace(",w\n", ",w,s1\n")
    plant.text("m.csv", HEAD.strip() + ",script\n" + rows)
    plant.text("n.csv", "id,speaker,label,script\nx,y,joy,s2\n")
    root = plant()
    corpus = load_source(None, str(root / "m.csv"), None, None, str(root / "n.csv"))
    kept = {u.id for u in rows_for(corpus, corpus.utterances, "improvised")}
    assert "extra/n/x" in kept
    assert len(kept) == 24 + 1


def test_a_set_of_its_own_and_a_common_one(plant):
    plant.text("m.csv", HEAD + rows_of("a", ("joy", "anger")))
    root = plant.text("s/smile-annotations-final.csv", "1,a,happy\n2,b,happy|sad\n3,c,angry\n")
    source = (None, str(root / "m.csv"), None)
    with pytest.raises(CorpusError, match=r"as in --extra smile:one-emotion=ROOT"):
        load_source(*source, None, f"smile={root / 's'}")
    extra = f"smile:one-emotion={root / 's'}"
    for labels in (None, ("common:four",)):
        corpus = load_source(*source, labels, extra)
        assert [corpus.label(u) for u in corpus.utterances if u.id in corpus.extra] == (
            ["joy", "anger"] if labels is None else ["happy", "angry"]
        )


def test_two_parts_of_one_name_have_ids_of_their_own(plant):
    plant.text("m.csv", HEAD + rows_of("a", ("joy", "anger")))
    root = plant.text("n.csv", HEAD + rows_of("b", ("joy",), 1))
    corpus = load_source(None, str(root / "m.csv"), None, None, (str(root / "n.csv"),) * 2)
    assert len(corpus.extra) == 4
    assert {name.split("/")[0] for name in corpus.extra} == {"extra", "extra2"}


@pytest.mark.parametrize("typed", ["emodb", "=x", "emodb:=.", "nothing"])
def test_what_is_no_source_says_what_was_expected(typed, plant):
    root = plant.text("m.csv", HEAD + rows_of("a", ("joy", "anger")))
    with pytest.raises((OptionError, CorpusError), match=r"expected CORPUS=ROOT|is not a folder"):
        load_source(None, str(root / "m.csv"), None, None, typed)


def test_classes_that_are_none_of_the_corpus_are_refused(plant):
    plant.text("m.csv", HEAD + rows_of("a", ("joy", "anger")))
    root = plant.text("n.csv", HEAD + rows_of("b", ("tired", "awake"), 1))
    with pytest.raises(CorpusError, match=r"none of its labels is a class.*--labels common:NAME"):
        load_source(None, str(root / "m.csv"), None, None, str(root / "n.csv"))


def test_values_join_values_of_the_same_names(plant):
    plant.text("m.csv", "id,speaker,valence,arousal\n" + "".join(
        f"u{n},s{n},{n},{n % 3}\n" for n in range(6)))  # fmt: skip
    plant.text("n.csv", "id,speaker,arousal,valence,dominance\nx,y,1,2,3\n")
    plant.text("o.csv", "id,speaker,valence\nx,y,1\n")
    root = plant()
    corpus = load_source(None, str(root / "m.csv"), None, None, str(root / "n.csv"))
    values = dict(zip(corpus.targets, corpus.utterances[-1].target, strict=True))
    assert values == {"valence": 2.0, "arousal": 1.0}
    with pytest.raises(CorpusError, match="expected valence, arousal, found valence"):
        load_source(None, str(root / "m.csv"), None, None, str(root / "o.csv"))


@pytest.mark.parametrize("extra", ["emodb=/data", ("a=/data", "b.csv")])
def test_a_study_with_extra_data_is_written_and_read(extra, tmp_path):
    study = Study(manifest="m.csv", audio="logmel", text="minilm", extra=extra)
    write_study(study, tmp_path / "study.toml")
    assert read_study(tmp_path / "study.toml") == study


def test_a_class_that_the_extra_data_lack_is_told(plant):
    plant.text("m.csv", HEAD + rows_of("a", ("joy", "anger", "sad")))
    root = plant.text("n.csv", HEAD + rows_of("b", ("happy", "angry"), 1))
    corpus = load_source(None, str(root / "m.csv"), None, None, str(root / "n.csv"))
    assert "it has no sad: heads may take whatever sounds like m for sad" in " ".join(corpus.notes)
