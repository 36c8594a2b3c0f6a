"""Databases in audformat, as its documentation shows them."""

from __future__ import annotations

import pytest

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus

HEADER = """
name: mini
source: internal
usage: unrestricted
languages: [eng]
schemes:
  emotion: {dtype: str, labels: [anger, joy]}
  speaker:
    dtype: str
    labels:
      spk1: {gender: female, age: 33}
      spk2: {gender: male}
tables:
  files:
    type: filewise
    columns:
      who: {scheme_id: speaker}
  emotion:
    type: segmented
    split_id: train
    columns:
      emotion: {scheme_id: emotion}
      transcription: {}
"""
FILES = "file,who\naudio/a.wav,spk1\naudio/b.wav,spk2\n"
SEGMENTS = (
    "file,start,end,emotion,transcription\n"
    "audio/a.wav,0 days 00:00:00,0 days 00:00:01.500000,anger,no\n"
    "audio/b.wav,0 days 00:01:02,NaT,joy,yes\n"
)


@pytest.fixture
def root(plant):
    plant.text("db.yaml", HEADER)
    plant.text("db.files.csv", FILES)
    plant.text("db.emotion.csv", SEGMENTS)
    return plant("audio/a.wav")


def test_tables_of_files_and_segments_are_put_together(root):
    corpus = read_corpus("audformat", root)
    first, second = corpus.utterances
    assert (corpus.label(first), first.speaker, first.transcript) == ("anger", "spk1", "no")
    assert (first.start_s, first.end_s, second.start_s, second.end_s) == (0.0, 1.5, 62.0, None)
    assert (corpus.name, first.audio is not None, second.audio) == ("mini", True, None)


def test_what_a_scheme_tells_of_speakers_is_taken(root):
    first, second = read_corpus("audformat", root).utterances
    assert (first.sex, first.age, second.sex, second.age) == ("female", 33.0, "male", None)


def test_a_table_in_another_format_says_how_to_write_it(plant):
    root = plant.text("db.yaml", HEADER)
    with pytest.raises(CorpusError, match='storage_format="csv"'):
        read_corpus("audformat", root)


@pytest.mark.parametrize("header", ["tables: [", "- 1", "x: &a [*a]", "name: x"])
def test_a_header_that_is_none_is_one_message(header, plant):
    with pytest.raises(CorpusError, match="header"):
        read_corpus("audformat", plant.text("db.yaml", header))


def test_objects_of_python_in_a_header_are_not_made(plant):
    header = "tables: !!python/object/apply:os.system ['touch x']"
    with pytest.raises(CorpusError, match="not YAML"):
        read_corpus("audformat", plant.text("db.yaml", header))


def test_files_outside_of_the_database_are_refused(root, plant):
    plant.text("db.emotion.csv", SEGMENTS.replace("audio/b.wav", "../../b.wav"))
    with pytest.raises(CorpusError, match="lies outside"):
        read_corpus("audformat", root)


def test_times_that_are_none_are_refused(root, plant):
    plant.text("db.emotion.csv", SEGMENTS.replace("NaT", "later"))
    with pytest.raises(CorpusError, match="'later' is no time"):
        read_corpus("audformat", root)


def test_a_database_without_emotions_says_so(root, plant):
    plant.text("db.yaml", HEADER.replace("emotion: {scheme_id: emotion}", "mood: {}"))
    plant.text("db.emotion.csv", SEGMENTS.replace("emotion", "mood"))
    with pytest.raises(CorpusError, match="no column or scheme of a table is called emotion"):
        read_corpus("audformat", root)
