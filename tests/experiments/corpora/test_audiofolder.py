"""Hugging Face's audio folders: a table that names recordings, or folders that name classes."""

from __future__ import annotations

import pytest

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus

TABLE = (
    "file_name,emotion,speaker_id,sentence,gender,session,loudness\n"
    "data/a.wav,joy,spk1,yes,female,1,0.5\n"
    "data/b.wav,anger,spk2,nan,male,1,0.25\n"
)


def test_a_table_names_recordings_and_what_is_known_of_them(plant):
    plant.text("metadata.csv", TABLE)
    corpus = read_corpus("audiofolder", plant("data/a.wav", "data/b.wav"))
    first, second = corpus.utterances
    assert (corpus.targets, corpus.label(first), corpus.label(second)) == (
        ("anger", "joy"), "joy", "anger",
    )  # fmt: skip
    assert (first.id, first.speaker, first.transcript) == ("data/a.wav", "spk1", "yes")
    assert (first.sex, first.session, second.transcript) == ("female", "1", None)
    assert "metadata.csv: columns left out: loudness" in corpus.notes


def test_a_table_may_be_jsonl_in_a_folder_for_each_split(plant):
    for split, speaker in (("train", "s1"), ("validation", "s2"), ("test", "s3")):
        for label in ("joy", "anger"):
            plant(f"{split}/{label}.wav")
        plant.text(
            f"{split}/metadata.jsonl",
            f'{{"file_name": "joy.wav", "label": "joy", "speaker": "{speaker}"}}\n'
            f'{{"file_name": "anger.wav", "label": "anger", "speaker": "{speaker}"}}\n',
        )
    corpus = read_corpus("audiofolder", plant())
    assert {u.id: u.split for u in corpus.utterances}["validation/joy.wav"] == "dev"
    assert corpus.folds == "split"


def test_without_a_table_folders_are_classes(plant):
    root = plant("train/joy/a.wav", "train/anger/b.mp3", "test/joy/c.wav", "test/d.wav")
    corpus = read_corpus("audiofolder", root)
    assert {(u.id, corpus.label(u), u.split) for u in corpus.utterances} == {
        ("train/joy/a.wav", "joy", "train"),
        ("train/anger/b.mp3", "anger", "train"),
        ("test/joy/c.wav", "joy", "test"),
    }


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("file_name,mood\ndata/a.wav,joy\n", "none of emotion, emotion.categories, label"),
        ("path,label\ndata/a.wav,joy\n", "metadata.csv line 2: no file_name"),
        ("file_name,label\n../a.wav,joy\n", "lies outside"),
        ("file_name,label\nb.wav,joy\n", "missing file"),
    ],
)
def test_what_does_not_fit_is_told(plant, table, why):
    plant.text("metadata.csv", table)
    with pytest.raises(CorpusError, match=why):
        read_corpus("audiofolder", plant("data/a.wav"))


def test_a_folder_without_either_is_refused_with_what_was_expected(plant):
    with pytest.raises(CorpusError, match=r"expected the folder that holds\n.*metadata.csv"):
        read_corpus("audiofolder", plant("a.wav"))
