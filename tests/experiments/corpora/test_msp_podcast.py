"""MSP-Podcast: consensus labels, partitions, speakers that are not known."""

from __future__ import annotations

import pytest

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
ROWS = (
    "MSP-PODCAST_0001_0008.wav,N,4.8,4.2,5.0,127,Female,Train\n",
    "MSP-PODCAST_0001_0019.wav,X,5.0,2.2,5.1,Unknown,Unknown,Train\n",
    "MSP-PODCAST_0002_0033.wav,H,4.4,6.0,4.9,17,Male,Development\n",
    "MSP-PODCAST_0003_0001.wav,A,6.0,2.0,6.0,3,Male,Test1\n",
    "MSP-PODCAST_0004_0001.wav,C,6.0,2.0,6.0,3,Male,Test2\n",
)


@pytest.fixture
def root(plant):
    plant.text("Labels/labels_consensus.csv", HEADER + "".join(ROWS))
    plant.text("Transcripts/MSP-PODCAST_0001_0008.txt", "Well, yes.\n")
    return plant("Audios/MSP-PODCAST_0001_0008.wav")


def test_a_row_becomes_an_utterance(root):
    corpus = read_corpus("msp-podcast", root)
    one = corpus.utterances[0]
    assert (corpus.label(one), one.speaker, one.sex) == ("neutral", "127", "female")
    assert (one.transcript, one.split, one.audio is not None) == ("Well, yes.", "train", True)


def test_test1_is_the_test_set_and_the_others_are_left_out(root):
    corpus = read_corpus("msp-podcast", root)
    assert [u.split for u in corpus.utterances] == ["train", "train", "dev", "test"]
    assert corpus.folds == "split"
    assert "1 segment left out (other partitions: Test2, Test3)" in corpus.notes


def test_an_unknown_speaker_is_the_podcast(root):
    corpus = read_corpus("msp-podcast", root)
    assert (corpus.utterances[1].speaker, corpus.utterances[1].sex) == ("podcast-0001", None)
    assert any(note.startswith("speaker unknown") for note in corpus.notes)


def test_attributes_are_valence_arousal_dominance(root):
    corpus = read_corpus("msp-podcast", root, ("vad",))
    assert (corpus.task, corpus.utterances[0].target) == ("regression", (4.2, 4.8, 5.0))


def test_four_classes_keep_unlabelled_rows_unlabelled(root, counts):
    corpus = read_corpus("msp-podcast", root, ("4-class",))
    assert counts(corpus) == {"neutral": 1, None: 1, "happy": 1, "angry": 1}


def test_faults_are_told_at_once(plant):
    rows = "x.wav,N,4,4,4,1,Male,Train\nMSP-PODCAST_0001_0001.wav,Q,4,4,4,1,Male,Train\n"
    root = plant.text("Labels/labels_consensus.csv", HEADER + rows)
    with pytest.raises(CorpusError, match=r"expected a name as(.|\n)*unknown emotion 'Q'"):
        read_corpus("msp-podcast", root)


def test_the_older_spelling_of_the_table_is_known(plant):
    root = plant.text("Labels/labels_concensus.csv", HEADER + "".join(ROWS))
    assert len(read_corpus("msp-podcast", root).utterances) == 4
