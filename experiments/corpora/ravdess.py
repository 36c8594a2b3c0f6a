"""RAVDESS, speech part: 1440 utterances of 24 actors (Livingstone & Russo 2018).

File names are seven two-digit fields, ``MM-CC-EE-II-SS-RR-AA``: modality (01 audio and video, 02
video, 03 audio), channel (01 speech, 02 song), emotion, intensity, statement, repetition, actor
(odd male, even female). Two fixed sentences: the transcript cannot tell the emotion, and the
script is the statement.
"""

from dataclasses import replace
from pathlib import Path

from encoders.messages import with_count
from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.common_sets import COMMON
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet, same
from experiments.corpora.tree import Named, first_few, scan
from fusion.splitting.designs import EMOBOX_FOLD_OF

_NON_NEUTRAL = ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ENTRY = Entry(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (speech)",
    language="English",
    size="1440 utterances",
    speakers="12 men, 12 women, professional",
    emotions="7 + neutral",
    truth="simulated",
    setup="controlled setting",
    licence="CC BY-NC-SA 4.0",
    where="https://zenodo.org/records/1188976",
    module=__name__,
    layout=("Actor_01/03-01-06-01-02-01-01.wav", "Actor_02/..."),
    signature=r"(^|/)0[1-3]-0[12]-0[1-8]-0[12]-0[12]-0[12]-[0-2]\d\.\w+$",
    tried=True,
    labels=(
        LabelSet("8-class", "all of them", same("neutral", *_NON_NEUTRAL)),
        LabelSet(
            "6-class",
            "calm and surprised left out, as in CREMA-D",
            same("angry", "disgust", "fearful", "happy", "neutral", "sad"),
        ),
        LabelSet(
            "4-class",
            "calm is RAVDESS's second neutral, Livingstone and Russo 2018",
            {"neutral": ("neutral", "calm"), **same("happy", "sad", "angry")},
        ),
        replace(
            COMMON["coraa"],
            name="3-class",
            source="the three classes of CORAA SER, as the SE&R 2022 baseline makes them of other "
            "corpora",
            classes={
                **same("neutral"),
                "non-neutral-female": _NON_NEUTRAL,
                "non-neutral-male": _NON_NEUTRAL,
            },
        ),
        replace(
            COMMON["va5"],
            name="va5",
            source="classes of a French model; angry as Tension is inferred from supports of "
            "864 files",
        ),
    ),
)

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
TARGETS = tuple(EMOTIONS.values())
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
RULE = (
    r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<what>(?P<emotion>0[1-8])-(?P<intensity>0[12])-"
    r"(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>0[1-9]|1\d|2[0-4]))"
)


def read(root: Path) -> Corpus:
    """Read the speech below ``Actor_NN``; song, video without sound and copies are left out.

    A recording that is there as audio (03) and with its video (01) is one utterance.

    Raises:
        CorpusError: no speech of RAVDESS below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE)
    speech = [file for file in media.named if file.fields["channel"] == "01"]
    heard = [file for file in speech if file.fields["modality"] != "02"]
    if not heard:
        tree.refuse("no file is speech with sound (names start with 03-01- or 01-01-)")
    # Audio (03) comes last and so replaces the same performance with its video (01).
    kept = {file.fields["what"]: file for file in sorted(heard, key=lambda file: file.id)}
    copies = [file.id for file in heard if kept[file.fields["what"]] is not file]
    song = len(media.named) - len(heard)
    notes = (
        *([f"{with_count(song, 'file')} left out (song, or video without sound)"] if song else []),
        *(
            [f"left out {len(copies)} with video, heard as audio too: {first_few(copies)}"]
            * bool(copies)
        ),
    )
    return Corpus(
        name="ravdess",
        root=root,
        task="single-label",
        targets=TARGETS,
        utterances=tuple(_utterance(file) for file in sorted(kept.values(), key=lambda n: n.id)),
        folds="fold",
        notes=(*notes, *media.notes),
    )


def _utterance(file: Named) -> Utterance:
    fields = file.fields
    return Utterance(
        id=file.id,
        audio=file.path,
        transcript=STATEMENTS[fields["statement"]],
        speaker=fields["actor"],
        target=one_hot(EMOTIONS[fields["emotion"]], TARGETS),
        script=fields["statement"],
        fold=EMOBOX_FOLD_OF[fields["actor"]],
        language="en",
        sex="male" if int(fields["actor"]) % 2 else "female",
    )
