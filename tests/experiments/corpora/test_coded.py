"""Coded recordings: tiers of emotion and values in ELAN and TextGrid files become a corpus."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from encoders.files import MARK
from encoders.utterance import CorpusError
from experiments.commands.main import app
from experiments.corpora import read_corpus

GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n9\n<exists>\n{count}\n{tiers}'
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0">
<HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/study/talk.wav"/></HEADER>
<TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="t0" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="1500"/>
<TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="2500"/></TIME_ORDER>
<TIER TIER_ID="A" LINGUISTIC_TYPE_REF="speech"{who}>{first}{second}</TIER>
<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="{kind}" PARENT_REF="A">{labels}</TIER>
</ANNOTATION_DOCUMENT>"""
ALIGNED = (
    '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{}" TIME_SLOT_REF1="{}" TIME_SLOT_REF2="{}">'
    "<ANNOTATION_VALUE>{}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
)
HANGING = (
    '<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{}" ANNOTATION_REF="{}"><ANNOTATION_VALUE>{}'
    "</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
)


def grid(**tiers: str) -> str:
    """A TextGrid; a tier is ``start end label`` by ``;``, ``_`` in its name a blank."""
    lines = []
    for name, marks in tiers.items():
        cells = [[*mark.split(maxsplit=2), ""][:3] for mark in marks.split(";")]
        lines += ['"IntervalTier"', f'"{name.replace("_", " ")}"', "0", "9", str(len(cells))]
        lines += [f'{start}\n{end}\n"{label}"' for start, end, label in cells]
    return GRID.format(count=len(tiers), tiers="\n".join(lines))


def eaf(name: str = "emo", kind: str = "emotion", who: str = ' PARTICIPANT="Anna"') -> str:
    first, second = ALIGNED.format("a1", "t0", "t1", "well"), ALIGNED.format("a2", "t1", "t2", "no")
    labels = HANGING.format("a3", "a1", "sad") + HANGING.format("a4", "a2", "angry")
    return EAF.format(name=name, kind=kind, who=who, first=first, second=second, labels=labels)


def told(root) -> list[tuple]:
    corpus = read_corpus("coded", root)
    return [
        (u.id, corpus.label(u), u.speaker, u.start_s, u.end_s, u.transcript)
        for u in corpus.utterances
    ]


def test_marks_of_a_tier_of_emotion_are_utterances_with_the_words_of_their_speaker(plant):
    plant.text(
        "talk.TextGrid",
        grid(
            Anna="0 1 oh; 1 2 really now; 5 6 bye",
            Ben="0.2 0.9 hello",
            Anna_emotion="0 2 happy; 2 4; 4 5 ? sad .30; 5 6 sad",
            Ben_emotion="0.2 0.9 angry",
        ),
    )
    root = plant("talk.wav")
    assert told(root) == [
        ("talk-1", "happy", "Anna", 0.0, 2.0, "oh really now"),
        ("talk-2", "angry", "Ben", 0.2, 0.9, "hello"),
        ("talk-3", "sad", "Anna", 5.0, 6.0, "bye"),
    ]
    corpus = read_corpus("coded", root)
    assert {u.dialogue for u in corpus.utterances} == {"talk"}
    assert "tiers taken, and whose: Anna emotion (Anna), Ben emotion (Ben)" in corpus.notes


@pytest.mark.parametrize(
    ("name", "kind", "who", "speaker"),
    [
        ("emo", "Emotion", ' PARTICIPANT="Anna"', "Anna"),
        ("emotion@Anna", "x", "", "A"),
        ("Emotionen", "x", "", "A"),
    ],
)
def test_in_elan_it_may_hang_on_words_and_the_media_name_the_recording(
    name, kind, who, speaker, plant
):
    plant.text("coded/by_me.eaf", eaf(name, kind, who))
    assert told(plant("sound/talk.wav", "video/talk.mp4")) == [
        ("talk-1", "sad", speaker, 0.0, 1.5, "well"),
        ("talk-2", "angry", speaker, 1.5, 2.5, "no"),
    ]


@pytest.mark.parametrize(
    ("tier", "speaker"),
    [
        ("emotion", "one"),
        ("emotion_02", "one 02"),
        ("guess_1_emotion", "one guess 1"),
        ("guess_1_emotion_2", "one guess 1"),
        ("Sprecher_A_emotion", "one Sprecher A"),
        ("P07_Emotions", "P07"),
        ("emotion@P07", "P07"),
    ],
)
def test_whose_a_tier_is_by_its_name_and_names_within_a_recording_stay_in_it(tier, speaker, plant):
    plant.text("one.TextGrid", grid(**{tier: "0 1 happy; 1 2 sad"}))
    assert {row[2] for row in told(plant("one.wav"))} == {speaker}


def test_a_participant_is_a_person_in_all_recordings(plant):
    for name in ("one", "two"):
        text = eaf("emotion", "x", ' PARTICIPANT="01"').replace("talk.wav", f"{name}.wav")
        plant.text(f"{name}.eaf", text)
    assert {row[2] for row in told(plant("one.wav", "two.wav"))} == {"01"}


@pytest.mark.parametrize("words", ["Anna_words", "Anna - words"])
def test_of_sentences_and_their_words_each_is_read_once(words, plant):
    said = {"Anna": "0 2 yes indeed", words.replace("_", " "): "0 1 yes; 1 2 indeed"}
    plant.text("one.TextGrid", grid(**said, Anna_emotion="0 2 happy"))
    assert [row[-1] for row in told(plant("one.wav"))] == ["yes indeed"]


TWICE = {
    "coders": {"Anna_emotion_LM": "0 1 sad; 1 2 happy", "Anna_emotion_KS": "0 1.1 sad; 1.1 2 sad"},
    "questions": {"Anna_emotion": "0 1 sad", "Anna_emotion_strength": "0 1 low"},
    "edges": {"Anna_emotion": "0.5 2.5 sad", "Anna_emotions": "0.51 2.5 happy"},
}


@pytest.mark.parametrize("case", TWICE)
def test_two_coders_or_questions_are_no_two_people(case, plant):
    plant.text("one.TextGrid", grid(**TWICE[case]))
    with pytest.raises(CorpusError, match="code the same stretches"):
        read_corpus("coded", plant("one.wav"))


def test_two_who_speak_may_be_coded_in_the_same_windows(plant):
    coded = {"Anna_emotion": "0 1 sad; 1 2 happy", "Ben_emotion": "0 1 happy; 1 2 sad"}
    plant.text("one.TextGrid", grid(Anna="0 1 oh", Ben="1 2 well", **coded))
    assert len(told(plant("one.wav"))) == 4


def test_who_is_called_so_in_two_recordings_is_one_person_and_that_is_told(plant):
    for name in ("one", "two"):
        plant.text(f"{name}.TextGrid", grid(Patient_emotion="0 1 happy; 1 2 sad"))
    corpus = read_corpus("coded", plant("one.wav", "two.wav", "three.wav"))
    assert {u.speaker for u in corpus.utterances} == {"Patient"}
    text = "\n".join(corpus.notes)
    assert "1 recording without coded tiers: three" in text
    assert "1 speaker called so in several recordings, each taken for one person: Patient" in text


def test_numbers_in_tiers_of_values_are_values(plant):
    plant.text("one.TextGrid", grid(A_valence="0 1 2,5; 1 2 4", A_arousal="0 1 1; 1 2 3.5"))
    corpus = read_corpus("coded", plant("one.wav"), ["values"])
    assert (corpus.task, corpus.targets) == ("regression", ("valence", "arousal"))
    assert [u.target for u in corpus.utterances] == [(2.5, 1.0), (4.0, 3.5)]


def test_each_person_may_have_a_folder_with_files_of_the_same_names(plant):
    for who in ("P1", "P2"):
        plant.text(f"{who}/talk.TextGrid", grid(emotion="0 1 happy; 1 2 sad"))
    corpus = read_corpus("coded", plant("P1/talk.wav", "P2/talk.wav", "P2/talk.mp3"))
    assert {(u.id, u.speaker, u.audio.parent.name) for u in corpus.utterances} == {
        (f"{who}/talk-{n}", f"{who}/talk", who) for who in ("P1", "P2") for n in (1, 2)
    }


def test_how_sure_or_strong_it_was_is_no_emotion_unless_emotions_are_numbers(plant):
    strength = {"emotion_intensity": "0 1 3", "A_emotion_confidence": "0 1 4"}
    plant.text("one.TextGrid", grid(A_emotion="0 1 sad; 1 2 happy", **strength))
    assert [row[1:3] for row in told(plant("one.wav"))] == [("sad", "A"), ("happy", "A")]
    plant.text("one.TextGrid", grid(A_emotion="0 1 1; 1 2 2"))
    assert [row[1] for row in told(plant())] == ["1", "2"]
    plant.text("one.TextGrid", grid(A_emotion="0 1 1", B_emotion="3 4 sad; 4 4 sad"))
    text = "\n".join(read_corpus("coded", plant()).notes)
    assert "left out, numbers beside names of emotions: A emotion" in text
    assert "1 mark of 'B emotion' left out, without a length" in text


GOOD = grid(A_emotion="0 1 happy; 1 2 sad")
FAULTS = {
    "no tier": ({"one.TextGrid": grid(A="0 1 happy")}, "no tier called emotion"),
    "no label": ({"one.TextGrid": grid(A_emotion="0 1 ")}, "no label in tiers called emotion"),
    "no recording": ({"two.TextGrid": GOOD}, "two.TextGrid, recording: none called two beside it"),
    "two files": (
        {"one.TextGrid": GOOD, "b/one.TextGrid": GOOD},
        "codes one, as b/one.TextGrid does",
    ),
    "two tiers": (
        {"one.TextGrid": grid(A_emotion="0 1 happy", A_emotions="0 1 sad")},
        "'A emotion' and 'A emotions' code the same stretches",
    ),
    "a label": (
        {"one.TextGrid": grid(Anna_emotion="0 1 sad; 2.5 3 Wut: stark")},
        r"one.TextGrid, Anna at 2.5 s: label 'Wut: stark'",
    ),
    "not a file of Praat": ({"one.TextGrid": "hello"}, "one.TextGrid, line 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_meant_is_told_with_its_file(fault, plant):
    files, why = FAULTS[fault]
    for name, text in files.items():
        plant.text(name, text)
    with pytest.raises(CorpusError, match=why):
        read_corpus("coded", plant("one.wav"))


def test_what_a_model_wrote_is_no_truth(plant):
    plant.text("one.TextGrid", GOOD)
    plant.text(f"out/one/{MARK}", "{}")
    plant.text("out/one/timeline.TextGrid", GOOD)
    corpus = read_corpus("coded", plant("one.wav"))
    assert len(corpus.utterances) == 2
    assert any("left out, a model wrote it" in note for note in corpus.notes)


def test_convert_makes_a_table_of_them(plant):
    plant.text("one.TextGrid", GOOD)
    root = plant("one.wav")
    words = ["convert", "--corpus", "coded", "--root", str(root), "--out", str(root / "t.csv")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    lines = (root / "t.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1].startswith("one-1,one.wav,,1.0,A,happy,")
