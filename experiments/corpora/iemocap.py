"""IEMOCAP: dialogues of ten actors in five sessions, scripted and improvised (Busso et al. 2008).

Utterances are named ``Ses05F_impro04_F003``. The letter after the session says who wears markers in
that dialogue, **in which both speak**; the speaker is the session and the letter of the last field.
Seven scripts are played in all sessions, and improvisations follow scenarios that return: the
script is their name, so that it can be kept on one side of a fold.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from encoders.messages import with_count
from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora.clips import TOLERANCE_S, has_length
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet, same
from experiments.corpora.tables import read_text
from experiments.corpora.tree import Tree, first_few, scan, without

_HAPPY = {"happy": ("happy", "excited")}
ENTRY = Entry(
    name="iemocap",
    title="Interactive Emotional Dyadic Motion Capture Database",
    language="English",
    size="about 10 000 utterances in 151 dialogues of 5 sessions, 12 h",
    speakers="5 men, 5 women, professional",
    emotions="8 + neutral + other; valence, arousal, dominance",
    truth="simulated (scripted and improvised)",
    setup="controlled setting",
    licence="USC's own, research, on request",
    where="https://sail.usc.edu/iemocap/",
    module=__name__,
    layout=(
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
        "Session1/dialog/transcriptions/Ses01F_impro01.txt",
        "Session1/dialog/wav/Ses01F_impro01.wav",
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
        "Session2/...",
    ),
    documented="https://sail.usc.edu/iemocap/ (README.txt of the release)",
    signature=r"(^|/)Ses0[1-5][FM]_(impro|script)\d\d\w*\.\w+$",
    labels=(
        LabelSet(
            "4-class",
            "the four classes of most papers since Kim et al. 2013; excited counts as happy",
            {**same("angry"), **_HAPPY, **same("sad", "neutral")},
        ),
        LabelSet(
            "3-class",
            "neutral left out; excited counts as happy",
            {**same("angry"), **_HAPPY, **same("sad")},
        ),
        LabelSet(
            "3-class-neutral",
            "sad left out; excited counts as happy",
            {**same("neutral"), **_HAPPY, **same("angry")},
        ),
        LabelSet(
            "5-class",
            "the five largest",
            same("angry", "excited", "frustrated", "neutral", "sad"),
        ),
        LabelSet(
            "6-class",
            "as in work on dialogues, Majumder et al. 2019",
            same("happy", "sad", "neutral", "angry", "excited", "frustrated"),
        ),
        LabelSet(
            "8-class",
            "disgust and other, of which there are fewer than ten, are one",
            {
                **same("angry", "excited", "fear", "sad", "surprise", "frustrated"),
                **same("happy", "neutral"),
                "other": ("disgust", "other"),
            },
        ),
        LabelSet("vad", "valence, arousal, dominance from 1 to 5", annotation="vad"),
    ),
)

EMOTIONS = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "fea": "fear",
    "sur": "surprise",
    "dis": "disgust",
    "oth": "other",
}
#: No majority among the annotators.
UNDECIDED = "xxx"
TARGETS = tuple(EMOTIONS.values())
DIMENSIONS = ("valence", "arousal", "dominance")
NAME = re.compile(
    r"(?P<dialogue>Ses0(?P<session>[1-5])[FM]_(?P<script>(?:impro|script)\d\d(?:_\d)?)[a-z]?)"
    r"_(?P<speaker>[FM])(?P<number>\d+)"
)
#: ``[6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]``.
EVALUATION = re.compile(
    r"\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\s+(?P<id>Ses\w+)\s+(?P<emotion>[a-z]{3})\s+"
    r"\[(?P<valence>[\d.]+), (?P<arousal>[\d.]+), (?P<dominance>[\d.]+)\]"
)
#: ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.``
TRANSCRIPT = re.compile(
    r"(?P<id>Ses\w+_[FM]\d+) \[(?P<start>[\d.]+)-(?P<end>[\d.]+)\]:(?P<text>.*)"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table that names an utterance, and the fields of both."""

    id: str
    name: Mapping[str, str]
    fields: Mapping[str, str]


def read(root: Path, annotation: str = "emotion") -> Corpus:
    """Read evaluations, words and recordings; leave-one-session-out by default.

    A sentence is read from its own file where that is as long as the transcript says, else cut from
    its dialogue at the times of the transcript.
    ``vad`` gives valence, arousal and dominance.

    Raises:
        CorpusError: no evaluations below the root, or unknown emotions in them.
    """
    tree = scan(ENTRY, root)
    rated = {line.id: line for line in _lines(tree, "EmoEvaluation", EVALUATION)}
    if not rated:
        tree.refuse()
    unknown = sorted({line.fields["emotion"] for line in rated.values()} - {*EMOTIONS, UNDECIDED})
    if unknown:
        what = f"unknown emotions {', '.join(unknown)}: expected {', '.join(EMOTIONS)}, xxx"
        raise CorpusError("--corpus iemocap", [Fault("EmoEvaluation", what)])
    spoken = {line.id: line for line in _lines(tree, "transcriptions", TRANSCRIPT)}
    heard = {name: path for name, path in tree.stems().items() if path.suffix.lower() == ".wav"}
    longer = _other_length(heard, {name: (spoken.get(name) or rated[name]) for name in rated})
    heard = {name: path for name, path in heard.items() if name not in longer}
    dimensional = annotation == "vad"
    utterances = tuple(
        _utterance(line, spoken.get(name), heard, dimensional) for name, line in rated.items()
    )
    return Corpus(
        name="iemocap",
        root=root,
        task="regression" if dimensional else "single-label",
        targets=DIMENSIONS if dimensional else TARGETS,
        utterances=tuple(sorted(utterances, key=lambda utterance: utterance.id)),
        folds="session",
        notes=(
            *_notes(utterances, len(spoken.keys() - rated.keys()), dimensional),
            *_disagreements(rated, spoken, longer),
        ),
    )


def _lines(tree: Tree, folder: str, rule: re.Pattern[str]) -> Iterator[Line]:
    """Lines of a rule in the texts that lie in a folder of that name, of utterances' names."""
    for path in tree.files:
        if path.suffix.lower() != ".txt" or path.parent.name.lower() != folder.lower():
            continue
        for text in read_text(path).splitlines():
            match = rule.match(text)
            name = match and NAME.fullmatch(match["id"])
            if match and name:
                yield Line(match["id"], name.groupdict(), match.groupdict())


def _utterance(
    rated: Line, spoken: Line | None, heard: Mapping[str, Path], dimensional: bool
) -> Utterance:
    name, times = rated.name, (spoken or rated).fields
    sentence, dialogue = heard.get(rated.id), heard.get(name["dialogue"])
    cut = sentence is None and dialogue is not None
    letter = name["speaker"]
    return Utterance(
        id=rated.id,
        audio=dialogue if cut else sentence,
        start_s=float(times["start"]) if cut else 0.0,
        end_s=float(times["end"]) if cut else None,
        transcript=(spoken.fields["text"].strip() or None) if spoken else None,
        speaker=f"Ses0{name['session']}{letter}",
        target=_target(rated.fields, dimensional),
        dialogue=name["dialogue"],
        turn=float(times["start"]),
        session=name["session"],
        script=name["script"],
        language="en",
        sex="female" if letter == "F" else "male",
    )


def _other_length(heard: Mapping[str, Path], timed: Mapping[str, Line]) -> list[str]:
    """Sentences whose file is shorter or longer than the times of their line."""
    lengths = {n: float(t.fields["end"]) - float(t.fields["start"]) for n, t in timed.items()}
    return [n for n in sorted(lengths) if n in heard and not has_length(heard[n], lengths[n])]


def _disagreements(
    rated: Mapping[str, Line], spoken: Mapping[str, Line], longer: list[str]
) -> Iterator[str]:
    if longer:
        yield (
            f"cut from their dialogue, if it is here, because their own file differs from end − "
            f"start by more than {TOLERANCE_S} s: {with_count(len(longer), 'utterance')} "
            f"({first_few(longer)})"
        )
    apart = [
        name
        for name in sorted(rated.keys() & spoken.keys())
        for side in ("start", "end")
        if abs(float(rated[name].fields[side]) - float(spoken[name].fields[side])) > TOLERANCE_S
    ]
    if apart:
        names = list(dict.fromkeys(apart))
        yield (
            f"evaluation and transcript give times more than {TOLERANCE_S} s apart (the "
            f"transcript's are taken): {with_count(len(names), 'utterance')} ({first_few(names)})"
        )


def _target(fields: Mapping[str, str], dimensional: bool) -> tuple[float, ...] | None:
    if dimensional:
        return tuple(float(fields[name]) for name in DIMENSIONS)
    if fields["emotion"] == UNDECIDED:
        return None
    return one_hot(EMOTIONS[fields["emotion"]], TARGETS)


def _notes(utterances: tuple[Utterance, ...], unrated: int, dimensional: bool) -> Iterator[str]:
    yield from without("recording", [u.id for u in utterances if u.audio is None])
    yield from without("transcript", [u.id for u in utterances if u.transcript is None])
    if unrated:
        yield f"{with_count(unrated, 'utterance')} left out (transcribed, without an evaluation)"
    undecided = sum(u.target is None for u in utterances)
    if undecided and not dimensional:
        yield f"unlabelled, as annotators did not agree (xxx): {with_count(undecided, 'utterance')}"
