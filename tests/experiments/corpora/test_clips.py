"""Labels go to the clip whose times or length are theirs, whatever the numbers say."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus
from experiments.corpora.clips import TOLERANCE_S

HEADER = "file,index,start,end,label6,label7,split\n"
CLIPS = "Raw/Videos/Segmented/Combined"
#: Seconds of the clips of each video, one after the other; the fourth and the fifth have labels.
LENGTHS = (8.0, 6.0, 7.2, 10.2, 4.2)


@pytest.fixture
def archive(plant):
    """The raw archive: clips numbered by their place; rows of labels by theirs in the table."""

    def make(rows, lengths=LENGTHS, video="AAAA_1", first=0):
        for number, seconds in enumerate(lengths, start=first):
            record(plant(), f"{CLIPS}/{video}_{number}.wav", seconds)
        lines = [f"{video},{k},{start},{end},0,1,0\n" for k, (start, end) in enumerate(rows)]
        return plant.text("CMU_MOSEI_Labels.csv", HEADER + "".join(lines))

    return make


def record(root, name, seconds):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(1000 * seconds)), 1000)


def heard(root):
    corpus = read_corpus("mosei", root)
    return [u.audio and u.audio.stem.rpartition("_")[2] for u in corpus.utterances], corpus.notes


def test_rows_that_are_numbered_otherwise_take_clips_of_their_lengths(archive):
    numbers, notes = heard(archive([(21.2, 31.4), (31.4, 35.6)]))
    assert numbers == ["3", "4"]
    assert [note for note in notes if note.startswith("2 clips matched by lengths, in the order")]


def test_rows_need_not_stand_in_the_order_of_time(archive):
    assert heard(archive([(31.4, 35.6), (21.2, 31.4)]))[0] == ["4", "3"]


def test_numbers_that_fit_are_taken(archive):
    numbers, notes = heard(archive([(0.0, 8.0), (8.0, 14.0)]))
    assert numbers == ["0", "1"]
    assert f"2 clips matched by number, lengths agree to {TOLERANCE_S} s" in notes


def test_files_that_count_from_one_are_matched(archive):
    rows = [(0.0, 8.0), (8.0, 14.0), (14.0, 21.2), (21.2, 31.4), (31.4, 35.6)]
    assert heard(archive(rows, first=1))[0] == ["1", "2", "3", "4", "5"]


def test_a_length_that_several_clips_have_is_refused_and_counted(archive):
    # Two clips of 6 s, either of which can be the labelled one: only lengths are known.
    numbers, notes = heard(archive([(9.0, 15.0)], lengths=(5.0, 6.0, 6.0)))
    assert numbers == [None]
    (note,) = [note for note in notes if "that could be no other's" in note]
    assert note.startswith("1 segment without a clip")
    assert note.endswith("AAAA_1[0]")


def test_a_number_that_agrees_by_chance_is_not_believed_beside_many_that_do_not(archive, plant):
    lines = ["BBBB,0,21.2,31.4,0,1,0\n", "BBBB,1,31.4,35.6,0,1,0\n", "CCCC,0,30.0,38.0,0,1,0\n"]
    for video in ("BBBB", "CCCC"):
        for number, seconds in enumerate((*LENGTHS, 8.0) if video == "CCCC" else LENGTHS):
            record(plant(), f"{CLIPS}/{video}_{number}.wav", seconds)
    root = plant.text("CMU_MOSEI_Labels.csv", HEADER + "".join(lines))
    # Clip 0 of CCCC has the length of its row, and ends 22 s before the row begins.
    assert heard(root)[0][:2] == ["3", "4"]
    assert heard(root)[0][2] != "0"


def test_texts_of_segments_tell_the_times_of_clips_and_the_words(archive, plant):
    root = archive([(9.0, 15.0)], lengths=(5.0, 6.0, 6.0))
    lines = "AAAA_1___1___5.0___11.0___one\nAAAA_1___2___9.0___15.0___it was good\n"
    plant.text("Raw/Transcript/Segmented/Combined/AAAA_1.txt", lines)
    (utterance,) = read_corpus("mosei", root).utterances
    assert utterance.audio is not None
    assert (utterance.audio.stem, utterance.transcript) == ("AAAA_1_2", "it was good")


def test_a_segment_without_a_sure_clip_is_cut_from_its_video(archive, plant):
    root = archive([(9.0, 15.0)], lengths=(5.0, 6.0, 6.0))
    record(plant(), "Raw/Audio/Full/WAV_16000/AAAA_1.wav", 20.0)
    (utterance,) = read_corpus("mosei", root).utterances
    assert utterance.audio is not None
    assert (utterance.audio.stem, utterance.start_s, utterance.end_s) == ("AAAA_1", 9.0, 15.0)


def test_a_start_before_the_video_is_its_start_and_told(plant):
    record(plant(), "Raw/Audio/Full/WAV_16000/AAAA.wav", 5.0)
    root = plant.text("CMU_MOSEI_Labels.csv", HEADER + "AAAA,0,-0.4876,3.1,0,1,0\n")
    corpus = read_corpus("mosei", root)
    assert (corpus.utterances[0].start_s, corpus.utterances[0].end_s) == (0.0, 3.1)
    assert (
        "read from the start of the video, as it begins before (up to 0.49 s): 1 segment (AAAA[0])"
        in corpus.notes
    )


def test_without_times_numbers_are_taken_and_told_to_be_unchecked(plant):
    header = "video_id,clip_id,text,label,mode\n"
    root = plant.text("label.csv", header + "AAAA,0003,good,1.5,train\n")
    record(plant(), "Raw/AAAA/3.wav", 4.0)
    numbers, notes = heard(root)
    assert numbers == ["3"]
    assert "1 clip matched by number alone: no times, or no length, to compare" in notes


# ---------------------------------------------------------------- other readers

RATED = "[{:.4f} - {:.4f}]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
SPOKEN = "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n"


@pytest.fixture
def iemocap(plant):
    dialog = "Session1/dialog"
    plant.text(f"{dialog}/EmoEvaluation/Ses01F_impro01.txt", RATED.format(6.2901, 8.2357))
    root = plant.text(f"{dialog}/transcriptions/Ses01F_impro01.txt", SPOKEN)
    record(root, f"{dialog}/wav/Ses01F_impro01.wav", 20.0)
    return root


SENTENCE = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"


def test_a_sentence_of_iemocap_has_the_length_of_its_line(iemocap):
    record(iemocap, SENTENCE, 1.95)
    (utterance,) = read_corpus("iemocap", iemocap).utterances
    assert utterance.audio == iemocap / SENTENCE


def test_a_sentence_of_iemocap_of_another_length_is_cut_from_its_dialogue(iemocap):
    record(iemocap, SENTENCE, 4.0)
    corpus = read_corpus("iemocap", iemocap)
    (utterance,) = corpus.utterances
    assert utterance.audio is not None
    assert (utterance.audio.stem, utterance.start_s) == ("Ses01F_impro01", 6.2901)
    assert any(note.startswith("cut from their dialogue") for note in corpus.notes)


def test_times_of_iemocap_that_disagree_are_told(iemocap, plant):
    rated = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    plant.text(rated, RATED.format(16.0, 18.0))
    (note,) = [n for n in read_corpus("iemocap", iemocap).notes if n.startswith("evaluation and")]
    assert note.endswith("1 utterance (Ses01F_impro01_F000)")


MELD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
    '1,"Oh my God, no.",Phoebe,joy,negative,0,0,4,7,"00:20:57,256","00:21:00,049"\n'
)


@pytest.mark.parametrize(("seconds", "taken"), [(2.9, True), (300.0, False)])
def test_a_clip_of_meld_has_the_length_of_its_row(seconds, taken, plant):
    root = plant.text("dev_sent_emo.csv", MELD)
    record(root, "dev_splits_complete/dia0_utt0.wav", seconds)
    corpus = read_corpus("meld", root)
    assert (corpus.utterances[0].audio is not None) is taken
    told = [note for note in corpus.notes if note.startswith("1 clip left out (longer or shorter")]
    assert bool(told) is not taken


def test_a_row_of_nemo_that_its_name_contradicts_is_refused(plant):
    table = "file_id\temotion\traw_text\tspeaker_id\tgender\tage\n"
    root = plant.text("data.tsv", table + "WR0_surprised_64.wav\tanger\tTak.\tWR0\tmale\t30\n")
    with pytest.raises(CorpusError, match="WR0_surprised_64: its row says WR0, anger"):
        read_corpus("nemo", root)


def test_one_name_of_two_recordings_is_refused_and_copies_are_not(plant):
    plant.text("Labels/labels_consensus.csv", PODCAST)
    root = plant()
    record(root, "Audios/MSP-PODCAST_0001_0008.wav", 2.0)
    record(root, "backup/MSP-PODCAST_0001_0008.wav", 2.0)
    assert read_corpus("msp-podcast", root).utterances[0].audio is not None
    record(root, "backup/MSP-PODCAST_0001_0008.wav", 3.0)
    with pytest.raises(CorpusError, match="1 name of two recordings that differ"):
        read_corpus("msp-podcast", root)


PODCAST = (
    "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
    "MSP-PODCAST_0001_0008.wav,N,4,4,4,127,Male,Train\n"
)
