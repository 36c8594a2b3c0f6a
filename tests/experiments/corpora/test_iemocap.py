"""IEMOCAP in its layout: who speaks, which words, where to cut, what annotators agreed on."""

from __future__ import annotations

import pytest

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus
from fusion.splitting.splits import outer_folds

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes05F_impro04_F000\tneu\t[2.5000, 2.0000, 3.5000]
C-E2:\tNeutral;\t()
[10.0100 - 11.3925]\tSes05F_impro04_M000\texc\t[4.0000, 3.5000, 3.0000]
[12.0 - 13.0]\tSes05F_impro04_F001\txxx\t[3.0000, 3.0000, 3.0000]
[14.0 - 15.0]\tSes05F_impro04_F002\thap\t[4.0000, 3.0000, 3.0000]
[16.0 - 17.0]\tSes05F_impro04_M001\tdis\t[2.0000, 3.0000, 3.0000]
"""
WORDS = """Ses05F_impro04_F000 [006.2901-008.2357]: Excuse me.
Ses05F_impro04_M000 [010.0100-011.3925]: Do you have your forms?
Ses05F_impro04_MXX0 [011.5-011.9]: Mm.
Ses05F_impro04_F003 [018.0-019.0]: No evaluation.
"""


@pytest.fixture
def root(plant):
    folder = "IEMOCAP_full_release/Session5"
    plant.text(f"{folder}/dialog/EmoEvaluation/Ses05F_impro04.txt", EVALUATION)
    plant.text(f"{folder}/dialog/EmoEvaluation/._Ses05F_impro04.txt", EVALUATION)
    plant.text(f"{folder}/dialog/EmoEvaluation/Categorical/Ses05F_impro04_e1.txt", "x")
    plant.text(f"{folder}/dialog/transcriptions/Ses05F_impro04.txt", WORDS)
    return plant(
        f"{folder}/dialog/wav/Ses05F_impro04.wav",
        f"{folder}/sentences/wav/Ses05F_impro04/Ses05F_impro04_F000.wav",
    )


def by_id(corpus):
    return {u.id.removeprefix("Ses05F_impro04_"): u for u in corpus.utterances}


def test_the_speaker_is_the_session_and_the_letter_of_the_last_field(root):
    found = {name: (u.speaker, u.sex) for name, u in by_id(read_corpus("iemocap", root)).items()}
    assert found["F000"] == ("Ses05F", "female")
    assert found["M000"] == ("Ses05M", "male")


def test_partners_of_a_dialogue_are_in_one_session(root):
    corpus = read_corpus("iemocap", root)
    assert {u.session for u in corpus.utterances} == {"5"}
    assert corpus.folds == "session"


def test_a_sentence_without_file_is_cut_from_its_dialogue(root):
    found = by_id(read_corpus("iemocap", root))
    assert (found["F000"].audio.name, found["F000"].start_s) == ("Ses05F_impro04_F000.wav", 0.0)
    cut = found["M000"]
    assert (cut.audio.name, cut.start_s, cut.end_s) == ("Ses05F_impro04.wav", 10.01, 11.3925)


def test_words_emotion_script_and_dialogue(root):
    corpus = read_corpus("iemocap", root)
    one = by_id(corpus)["F000"]
    assert (one.transcript, corpus.label(one)) == ("Excuse me.", "neutral")
    assert (one.script, one.dialogue) == ("impro04", "Ses05F_impro04")


def test_what_annotators_did_not_agree_on_is_unlabelled(root):
    corpus = read_corpus("iemocap", root)
    assert by_id(corpus)["F001"].target is None
    assert corpus.notes == (
        "no transcript of 3 utterances: Ses05F_impro04_F001, Ses05F_impro04_F002, "
        "Ses05F_impro04_M001",
        "1 utterance left out (transcribed, without an evaluation)",
        "unlabelled, as annotators did not agree (xxx): 1 utterance",
    )


def test_excited_counts_as_happy_in_the_usual_four(root, counts):
    corpus = read_corpus("iemocap", root, ("4-class",))
    assert counts(corpus) == {"happy": 2, "neutral": 1, None: 1}
    assert "happy = excited (1), happy (1)" in corpus.notes[-1]
    assert "left out disgust (1)" in corpus.notes[-1]


def test_valence_arousal_and_dominance_are_in_that_order(root):
    corpus = read_corpus("iemocap", root, ("vad",))
    assert (corpus.task, corpus.targets) == ("regression", ("valence", "arousal", "dominance"))
    assert by_id(corpus)["F000"].target == (2.5, 2.0, 3.5)


@pytest.mark.parametrize(
    ("dialogue", "script"),
    [
        ("Ses01F_script01_1", "script01_1"),
        ("Ses05M_script01_1b", "script01_1"),
        ("Ses03M_impro05a", "impro05"),
        ("Ses02F_impro01", "impro01"),
    ],
)
def test_parts_of_a_script_are_one_script(dialogue, script, plant):
    line = f"[6.2901 - 8.2357]\t{dialogue}_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
    root = plant.text(f"Session1/dialog/EmoEvaluation/{dialogue}.txt", line)
    (one,) = read_corpus("iemocap", root).utterances
    assert (one.script, one.dialogue) == (script, dialogue)


def test_sessions_are_the_folds(plant):
    for session in (1, 2, 3):
        for letter in "FM":
            name = f"Ses0{session}F_impro01_{letter}000"
            line = f"[6.2901 - 8.2357]\t{name}\tneu\t[2.5000, 2.5000, 2.5000]\n"
            root = plant.text(f"Session{session}/dialog/EmoEvaluation/{name}.txt", line)
    corpus = read_corpus("iemocap", root)
    assert [fold.name for fold in outer_folds(corpus.utterances, corpus.folds)] == ["1", "2", "3"]


def test_an_unknown_emotion_is_refused(plant):
    line = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tjoy\t[2.5000, 2.5000, 2.5000]\n"
    root = plant.text("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", line)
    with pytest.raises(CorpusError, match="unknown emotions joy"):
        read_corpus("iemocap", root)
