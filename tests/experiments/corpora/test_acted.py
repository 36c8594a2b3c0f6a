"""Corpora whose names tell everything: one name each is taken apart, junk and copies are not."""

from __future__ import annotations

from importlib import import_module

import pytest

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus
from experiments.corpora.registry import CORPORA

#: A file of each corpus, with what its name tells: speaker, class, script, sex, language.
FILES = {
    "ravdess": ("Actor_12/03-01-06-01-02-01-12.wav", "12", "fearful", "02", "female", "en"),
    "emodb": ("wav/03a01Fa.wav", "03", "happiness", "a01", "male", "de"),
    "tess": ("OAF_Fear/OAF_back_fear.wav", "OAF", "fear", "back", "female", "en"),
    "crema-d": ("AudioWAV/1091_WSI_NEU_XX.wav", "1091", "neutral", "WSI", None, "en"),
    "emovo": ("m3/gio-m3-n4.wav", "m3", "joy", "n4", "male", "it"),
    "savee": ("AudioData/DC/sa01.wav", "DC", "sadness", None, "male", "en"),
    "baved": ("0/12-F-23-0-2-541.wav", "12", "high", "0", "female", "ar"),
    "coraa-ser": (
        "train/bfamdl01_segment153_non-neutral-female.wav",
        *("bfamdl01", "non-neutral-female", None, "female", "pt"),
    ),
    "aesdd": ("anger/a01 (3).wav", "3", "anger", "01", None, "el"),
    "urdu": ("Angry/SM1/SM1_F10_A010.wav", "SM1", "angry", None, "male", "ur"),
    "esd": ("0011/Angry/0011_000351.wav", "0011", "angry", "en-1", None, "en"),
}
#: What macOS and Windows leave beside recordings.
JUNK = (".DS_Store", "Thumbs.db", "__MACOSX/x.wav")


@pytest.mark.parametrize("name", FILES)
def test_a_name_is_taken_apart(name, plant):
    file, *told = FILES[name]
    corpus = read_corpus(name, plant(file))
    (one,) = corpus.utterances
    assert [one.speaker, corpus.label(one), one.script, one.sex, one.language] == told


@pytest.mark.parametrize("name", FILES)
def test_classes_are_fixed_whatever_is_there(name, plant):
    targets = import_module(CORPORA[name].module).TARGETS
    assert read_corpus(name, plant(FILES[name][0])).targets == targets


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("suffix", [".WAV", ".flac", ".mp3", ".mp4"])
def test_any_suffix_in_any_case_will_do(name, suffix, plant):
    file = FILES[name][0].removesuffix(".wav") + suffix
    assert len(read_corpus(name, plant(file)).utterances) == 1


@pytest.mark.parametrize("name", FILES)
def test_junk_is_not_seen(name, plant):
    file = FILES[name][0]
    folder, _, own = file.rpartition("/")
    root = plant(file, *JUNK, f"{folder}/._{own}", f"{folder}/.DS_Store")
    corpus = read_corpus(name, root)
    assert len(corpus.utterances) == 1
    assert not [note for note in corpus.notes if "left out" in note]


@pytest.mark.parametrize("name", FILES)
def test_a_copy_and_a_strange_file_are_counted_and_named(name, plant):
    file = FILES[name][0]
    corpus = read_corpus(name, plant(file, f"copy/{file}", "notes/what is this.wav"))
    assert len(corpus.utterances) == 1
    told = "\n".join(corpus.notes)
    assert "1 file left out (there more than once: one of each is kept): copy/" in told
    assert f"1 file left out (not named as in {name}): notes/what is this.wav" in told


@pytest.mark.parametrize("name", FILES)
def test_of_two_formats_the_lossless_one_is_read(name, plant):
    file = FILES[name][0]
    root = plant(file, file.removesuffix(".wav") + ".mp3")
    (one,) = read_corpus(name, root).utterances
    assert one.audio == root / file


@pytest.mark.parametrize("name", FILES)
def test_the_file_of_each_corpus_has_the_signature_of_no_other(name, plant):
    other = "emodb" if name != "emodb" else "ravdess"
    with pytest.raises(CorpusError, match=f"this looks like {name}: try --corpus {name}"):
        read_corpus(other, plant(FILES[name][0]))


@pytest.mark.parametrize("name", [n for n, e in CORPORA.items() if e.module and n != "demo"])
def test_a_foreign_tree_is_answered_with_the_expected_one(name, plant):
    with pytest.raises(CorpusError) as caught:
        read_corpus(name, plant("holiday/beach.jpg"))
    message = str(caught.value)
    assert all(line in message for line in CORPORA[name].layout)
    assert "holiday: 1 file, as beach.jpg" in message
    assert "this looks like" not in message


def test_a_misnamed_file_of_tess_counts_for_its_actress(plant):
    (one,) = read_corpus("tess", plant("OAF_neutral/OA_bite_neutral.wav")).utterances
    assert (one.id, one.speaker) == ("OAF_bite_neutral", "OAF")


def test_words_of_tess_stand_in_the_carrier(plant):
    (one,) = read_corpus("tess", plant("YAF_happy/YAF_back_happy.wav")).utterances
    assert (one.transcript, one.age) == ("Say the word back", 26.0)


def test_savee_may_lie_in_one_folder(plant):
    corpus = read_corpus("savee", plant("ALL/DC_su15.wav", "ALL/JE_su15.wav"))
    assert [u.id for u in corpus.utterances] == ["DC_su15", "JE_su15"]


@pytest.mark.parametrize(("level", "label"), [("0", "low"), ("1", "neutral"), ("2", "high")])
def test_levels_of_baved(level, label, plant):
    corpus = read_corpus("baved", plant(f"3/7-m-20-3-{level}-1.wav"))
    assert corpus.label(corpus.utterances[0]) == label


def test_takes_of_aesdd_are_utterances_of_one_sentence(plant):
    corpus = read_corpus("aesdd", plant("sadness/s05 (1).wav", "sadness/s05 (1)b.wav"))
    assert {u.script for u in corpus.utterances} == {"05"}
    assert len(corpus.utterances) == 2


def test_esd_has_words_and_the_same_script_in_every_emotion(plant):
    plant.text("0011/0011.txt", "0011_000001\tThe nine the eggs.\tNeutral\n\nbroken line\n")
    root = plant("0011/Neutral/0011_000001.wav", "0011/Angry/test/0011_000351.wav")
    first, second = read_corpus("esd", root).utterances
    assert (first.transcript, second.transcript) == ("The nine the eggs.", None)
    assert first.script == second.script


def test_sentences_of_both_languages_of_esd_are_apart(plant):
    corpus = read_corpus("esd", plant("0001/Sad/0001_001051.wav", "0011/Sad/0011_001051.wav"))
    assert [u.language for u in corpus.utterances] == ["zh", "en"]
    assert len({u.script for u in corpus.utterances}) == 2


def test_the_test_set_of_coraa_has_its_labels_in_a_table(plant):
    plant.text("test_ser_metadata.csv", "wav_file,label\ntest_ser/7.wav,neutral\n")
    corpus = read_corpus("coraa-ser", plant("test_ser/7.wav", "train/b1_segment1_neutral.wav"))
    assert [(u.id, u.split, u.audio is not None) for u in corpus.utterances] == [
        ("b1_segment1_neutral", "train", True),
        ("test/7", "test", True),
    ]
    assert corpus.folds == "split"


def test_an_unknown_label_of_coraas_table_is_refused(plant):
    root = plant.text("test_ser_metadata.csv", "wav_file,label\n7.wav,happy\n")
    with pytest.raises(CorpusError, match="unknown labels happy: expected neutral"):
        read_corpus("coraa-ser", root)


NEMO = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


def test_nemo_is_read_from_its_table(plant):
    row = "WR0_surprised_64.wav\tsurprised\tUcho wykrywa.\tucho\t        WR0\tmale\t23\n"
    plant.text("data.tsv", NEMO + row)
    corpus = read_corpus("nemo", plant("samples/WR0_surprised_64.wav"))
    (one,) = corpus.utterances
    assert (one.speaker, one.transcript, one.script, one.sex, one.age) == (
        *("WR0", "Ucho wykrywa.", "64", "male", 23.0),
    )
    assert (corpus.label(one), one.audio is not None, corpus.notes) == ("surprised", True, ())


def test_recordings_of_nemo_that_are_not_here_are_counted(plant):
    root = plant.text("data.tsv", NEMO + "A_fear_1.wav\tfear\tX.\tx\tA\tfemale\t30\n")
    assert read_corpus("nemo", root).notes == ("no recording of 1 utterance: A_fear_1.wav",)


def test_an_unknown_emotion_of_nemo_is_refused(plant):
    root = plant.text("data.tsv", NEMO + "A_love_1.wav\tlove\tX.\tx\tA\tfemale\t30\n")
    with pytest.raises(CorpusError, match="unknown labels love"):
        read_corpus("nemo", root)
