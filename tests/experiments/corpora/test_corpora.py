"""Corpora by name: counts of the real ones, miniature trees of their layout, clear refusals."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from encoders.utterance import Corpus, CorpusError
from experiments.config import OptionError
from experiments.corpora import load_source, read_corpus
from experiments.corpora.emodb import SENTENCES
from experiments.corpora.registry import CORPORA, UNREAD
from fusion.splitting.splits import outer_folds


def labels(corpus: Corpus) -> Counter[str | None]:
    return Counter(corpus.label(u) for u in corpus.utterances)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


# ---------------------------------------------------------------- real ones


@pytest.fixture(scope="module")
def ravdess(data_folder) -> Corpus:
    if not (data_folder / "ravdess").is_dir():
        pytest.skip(f"no RAVDESS in {data_folder}")
    return read_corpus("ravdess", data_folder / "ravdess")


@pytest.fixture(scope="module")
def emodb(data_folder) -> Corpus:
    if not (data_folder / "emodb").is_dir():
        pytest.skip(f"no EmoDB in {data_folder}")
    return read_corpus("emodb", data_folder / "emodb")


@pytest.mark.realdata
def test_ravdess_has_1440_utterances(ravdess):
    assert len(ravdess.utterances) == 1440


@pytest.mark.realdata
def test_ravdess_has_24_actors_with_60_utterances_each(ravdess):
    assert Counter(u.speaker for u in ravdess.utterances) == {f"{n:02}": 60 for n in range(1, 25)}


@pytest.mark.realdata
def test_ravdess_has_half_as_many_neutral_utterances(ravdess):
    others = dict.fromkeys([t for t in ravdess.targets if t != "neutral"], 192)
    assert labels(ravdess) == {"neutral": 96, **others}


@pytest.mark.realdata
def test_folds_of_ravdess_are_those_of_the_benchmark(ravdess, data_folder):
    with (data_folder / "ravdess" / "folds.csv").open(newline="") as handle:
        expected = {row["fold"]: set(row["test_actors"].split()) for row in csv.DictReader(handle)}
    speaker = {u.id: u.speaker for u in ravdess.utterances}
    found = outer_folds(ravdess.utterances, ravdess.folds)
    assert {fold.name: {speaker[name] for name in fold.test} for fold in found} == expected


@pytest.mark.realdata
def test_emodb_has_535_utterances(emodb):
    assert len(emodb.utterances) == 535


@pytest.mark.realdata
def test_classes_of_emodb_have_the_published_counts(emodb):
    assert labels(emodb) == {
        "anger": 127,
        "boredom": 81,
        "neutral": 79,
        "fear": 69,
        "happiness": 71,
        "disgust": 46,
        "sadness": 62,
    }


@pytest.mark.realdata
def test_emodb_has_ten_speakers_half_of_them_female(emodb):
    sex = {u.speaker: u.sex for u in emodb.utterances}
    assert Counter(sex.values()) == {"male": 5, "female": 5}


@pytest.mark.realdata
def test_every_utterance_of_emodb_has_its_sentence(emodb):
    assert {u.transcript for u in emodb.utterances} == set(SENTENCES.values())


# ---------------------------------------------------------------- demo


def test_the_demo_has_480_utterances_of_12_voices():
    counts = Counter(u.speaker for u in read_corpus("demo", None).utterances)
    assert sorted(counts.values()) == [40] * 12


def test_the_demo_has_four_classes_of_equal_size():
    assert sorted(labels(read_corpus("demo", None)).values()) == [120] * 4


def test_the_demo_says_that_it_is_synthetic():
    corpus = read_corpus("demo", None)
    assert ("synthetic" in corpus.name, "synthetic" in corpus.notes[0]) == (True, True)


def test_folds_of_the_demo_share_no_speaker():
    corpus = read_corpus("demo", None)
    assert len(outer_folds(corpus.utterances, corpus.folds)) >= 3


# ---------------------------------------------------------------- miniature trees


def test_a_name_of_ravdess_is_taken_apart(tmp_path):
    touch(tmp_path, "Actor_12/03-01-06-01-02-01-12.wav")
    (found,) = read_corpus("ravdess", tmp_path).utterances
    assert (found.speaker, found.transcript, found.script, found.sex, found.fold) == (
        "12",
        "Dogs are sitting by the door",
        "02",
        "female",
        "2",
    )


def test_the_emotion_is_the_third_field_of_ravdess(tmp_path):
    touch(tmp_path, "Actor_12/03-01-06-01-02-01-12.wav")
    corpus = read_corpus("ravdess", tmp_path)
    assert corpus.label(corpus.utterances[0]) == "fearful"


def test_song_video_and_copies_are_left_out_of_ravdess(tmp_path):
    touch(
        tmp_path,
        "Actor_01/03-01-06-01-02-01-01.wav",
        "Actor_01/03-02-06-01-02-01-01.wav",
        "Actor_01/01-01-06-01-02-01-01.mp4",
        "Actor_01/02-01-06-01-02-01-01.mp4",
        "again/Actor_01/03-01-06-01-02-01-01.wav",
    )
    corpus = read_corpus("ravdess", tmp_path)
    assert ([u.id for u in corpus.utterances], corpus.notes) == (
        ["03-01-06-01-02-01-01"],
        (
            "2 files left out (song, or video without sound)",
            "left out 1 with video, heard as audio too: 01-01-06-01-02-01-01",
            "1 file left out (there more than once: one of each is kept): "
            "again/Actor_01/03-01-06-01-02-01-01.wav",
        ),
    )


def test_a_video_with_sound_is_read_where_its_audio_is_not(tmp_path):
    touch(tmp_path, "Actor_01/01-01-06-01-02-01-01.mp4", "Actor_01/02-01-06-01-02-01-01.mp4")
    assert [u.id for u in read_corpus("ravdess", tmp_path).utterances] == ["01-01-06-01-02-01-01"]


def test_ravdess_is_found_below_a_folder_of_its_own(tmp_path):
    touch(tmp_path, "audio_speech/Actor_01/03-01-06-01-02-01-01.flac")
    assert len(read_corpus("ravdess", tmp_path).utterances) == 1


def test_a_name_of_emodb_is_taken_apart(tmp_path):
    touch(tmp_path, "wav/03a01Fa.wav")
    (found,) = read_corpus("emodb", tmp_path).utterances
    assert (found.speaker, found.script, found.sex, found.language, found.transcript) == (
        "03",
        "a01",
        "male",
        "de",
        "Der Lappen liegt auf dem Eisschrank.",
    )


def test_the_emotion_is_the_initial_in_a_name_of_emodb(tmp_path):
    names = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear"}
    names |= {"F": "happiness", "N": "neutral", "T": "sadness"}
    touch(tmp_path, *(f"wav/08b10{initial}c.wav" for initial in names))
    corpus = read_corpus("emodb", tmp_path)
    assert {u.id[5]: corpus.label(u) for u in corpus.utterances} == names


def test_files_that_are_not_of_emodb_are_counted(tmp_path):
    touch(tmp_path, "wav/03a01Fa.wav", "wav/readme.wav", "wav/99a01Fa.wav")
    assert read_corpus("emodb", tmp_path).notes == (
        "2 files left out (not named as in emodb): wav/99a01Fa.wav, wav/readme.wav",
    )


@pytest.mark.parametrize("name", ["ravdess", "emodb"])
def test_a_complete_tree_has_no_notes(name, tmp_path):
    touch(tmp_path, "Actor_01/03-01-06-01-02-01-01.wav" if name == "ravdess" else "wav/03a01Fa.wav")
    assert read_corpus(name, tmp_path).notes == ()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["ravdess", "emodb"])
def test_a_wrong_layout_says_what_was_expected_and_found(name, tmp_path):
    touch(tmp_path, "speech/one.mp3")
    with pytest.raises(CorpusError) as caught:
        read_corpus(name, tmp_path)
    message = str(caught.value)
    assert all(line in message for line in ("expected", *CORPORA[name].layout))
    assert "speech: 1 file, as one.mp3" in message


@pytest.mark.parametrize(
    ("name", "file", "what"),
    [
        ("ravdess", "Actor_01/03-02-06-01-02-01-01.wav", "no file is speech with sound"),
        ("emodb", "wav/one.wav", "wav: 1 file, as one.wav"),
    ],
)
def test_files_of_another_corpus_are_refused(name, file, what, tmp_path):
    touch(tmp_path, file)
    with pytest.raises(CorpusError, match=what):
        read_corpus(name, tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"found\n    nothing"):
        read_corpus("ravdess", tmp_path)


def test_a_corpus_without_reader_says_what_to_write():
    with pytest.raises(CorpusError, match=r"no reader of SUST Bangla.*write a manifest"):
        read_corpus("subesco", None)


@pytest.mark.parametrize(("typed", "near"), [("ravdes", "ravdess"), ("emo-db", "emodb")])
def test_an_unknown_corpus_is_answered_with_the_nearest(typed, near):
    with pytest.raises(CorpusError, match=f"did you mean {near}"):
        read_corpus(typed, None)


def test_a_missing_root_is_asked_for():
    with pytest.raises(CorpusError, match="no --root was given; expected the folder that holds"):
        read_corpus("emodb", None)


def test_a_root_that_is_no_folder_is_named(tmp_path):
    with pytest.raises(CorpusError, match="is not a folder"):
        read_corpus("emodb", tmp_path / "none")


@pytest.mark.parametrize("given", [(None, None), ((), ())])
def test_a_source_is_expected(given):
    with pytest.raises(OptionError, match="expected --corpus NAME or --manifest FILE"):
        load_source(*given, None)


def test_labels_of_a_named_corpus_are_not_ignored(tmp_path):
    touch(tmp_path, "wav/03a01Fa.wav")
    with pytest.raises(CorpusError, match="--labels: anger leaves 0 of its classes"):
        load_source("emodb", None, str(tmp_path), ("anger",))


def test_every_named_corpus_says_where_it_is_to_be_had():
    blank = defaultdict(list)
    needed = ("title", "language", "speakers", "emotions", "truth", "setup", "licence", "where")
    for name, entry in CORPORA.items():
        fields = (*needed, "layout", "size", "module")
        blank[name] += [field for field in fields if not getattr(entry, field)]
    for name, entry in UNREAD.items():
        blank[name] += [field for field in (*needed, "manifest") if not getattr(entry, field)]
    assert {name: fields for name, fields in blank.items() if fields} == {}
