"""CREMA-D: 7442 clips of 91 actors, with listeners' votes (Cao et al. 2014).

Names are ``1091_WSI_NEU_XX``: actor, sentence, emotion meant, level
(https://github.com/CheyneyComputerScience/CREMA-D). Twelve fixed sentences: words tell next to
nothing of the emotion, and the script is the sentence.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from encoders.messages import with_count
from encoders.utterance import Corpus, CorpusError, Fault, Listeners, Task, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet, same
from experiments.corpora.tables import Row, read_table
from experiments.corpora.tree import Tree, first_few, scan

ENTRY = Entry(
    name="crema-d",
    title="Crowd-sourced Emotional Multimodal Actors Dataset",
    language="English",
    size="7442 clips of 12 sentences",
    speakers="48 men, 43 women (20 to 74 years), actors",
    emotions="5 + neutral; votes of 2443 raters",
    truth="simulated",
    setup="controlled setting",
    licence="ODbL 1.0",
    where="https://github.com/CheyneyComputerScience/CREMA-D",
    module=__name__,
    layout=(
        "AudioWAV/1001_IEO_ANG_HI.wav  (or AudioMP3, VideoFlash)",
        "SentenceFilenames.csv",
        "VideoDemographics.csv",
        "processedResults/tabulatedVotes.csv  (or summaryTable.csv)",
    ),
    signature=r"(^|/)1\d{3}_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)\.\w+$"
    r"|(^|/)(SentenceFilenames|VideoDemographics)\.csv$",
    tried=True,
    labels=(
        LabelSet("3-class", "happy, neutral, angry", same("happy", "neutral", "angry")),
        LabelSet("votes", "listeners' votes as shares", annotation="votes"),
        LabelSet("perceived", "listeners' majority", annotation="perceived"),
    ),
)

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
TARGETS = tuple(EMOTIONS.values())
#: Initials that the tables of votes use, in the order of the targets.
INITIALS = tuple(name[0].upper() for name in TARGETS)
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
RULE = (
    rf"(?P<actor>1\d{{3}})_(?P<sentence>{'|'.join(SENTENCES)})_(?P<emotion>{'|'.join(EMOTIONS)})"
    r"_(?P<level>LO|MD|HI|XX?)"
)
#: Of tabulated votes: voice alone is 1, face 2, both 3, times a hundred thousand (README).
VOICE = "1"


def read(root: Path, annotation: str = "intended") -> Corpus:
    """Read the clips, or where none is there the names in ``SentenceFilenames.csv``.

    ``intended`` is the emotion that the actor meant, ``perceived`` the majority of those who only
    heard the voice (ties are unlabelled), ``votes`` their shares: from ``tabulatedVotes.csv``, or
    as equal shares of the majorities in ``summaryTable.csv``.

    Raises:
        CorpusError: neither clips nor names, or no table of votes where votes are asked for.
    """
    tree = scan(ENTRY, root)
    media = tree.named(RULE, lambda match: match[0].upper())
    clips = media.by_id()
    listed = _listed_names(tree)
    names = sorted(clips or listed)
    if not names:
        tree.refuse()
    votes, source = _votes(tree) if annotation != "intended" else ({}, "")
    people = _people(tree)
    utterances = tuple(
        _utterance(name, clips.get(name), people, _target(name, annotation, votes))
        for name in names
    )
    task: Task = "distribution" if annotation == "votes" else "single-label"
    lacking = sorted(listed - clips.keys())
    return Corpus(
        name="crema-d",
        root=root,
        task=task,
        targets=TARGETS,
        utterances=utterances,
        folds="groups",
        notes=(*media.notes, *([source] if source else []), *_missing(clips, lacking)),
        listeners=_listeners(tree) if annotation == "intended" else None,
    )


def _listeners(tree: Tree) -> Listeners | None:
    """Votes of those who only heard the voice, beside the emotion that was meant."""
    if tree.find("tabulatedVotes.csv", "summaryTable.csv") is None:
        return None
    votes, majorities = _votes(tree)
    source = "raters who only heard the voice, against the emotion that the actor meant"
    return Listeners(votes, f"{source}; {majorities}".rstrip("; "), counted=not majorities)


def _missing(clips: Mapping[str, Path], lacking: list[str]) -> list[str]:
    if not lacking:
        return []
    if not clips:
        return ["no clip is here: names and sentences only"]
    return [
        f"of SentenceFilenames.csv not here: {with_count(len(lacking), 'clip')} "
        f"({first_few(lacking)})"
    ]


def _listed_names(tree: Tree) -> set[str]:
    path = tree.find("SentenceFilenames.csv")
    if path is None:
        return set()
    names = {row["Filename"].upper() for row in read_table(path, ["Filename"])}
    wrong = sorted(name for name in names if not re.fullmatch(RULE, name))
    if wrong:
        what = f"{len(wrong)} names are not as 1091_WSI_NEU_XX: {first_few(wrong)}"
        raise CorpusError("--corpus crema-d", [Fault(path.name, what)])
    return names


def _people(tree: Tree) -> dict[str, Row]:
    path = tree.find("VideoDemographics.csv")
    rows = read_table(path, ["ActorID", "Age", "Sex"]) if path else []
    return {row["ActorID"]: row for row in rows}


def _utterance(
    name: str, path: Path | None, people: Mapping[str, Row], target: tuple[float, ...] | None
) -> Utterance:
    actor, sentence, _, _ = name.split("_")
    person = people.get(actor, {})
    age = person.get("Age", "")
    return Utterance(
        id=name,
        audio=path,
        transcript=SENTENCES[sentence],
        speaker=actor,
        target=target,
        script=sentence,
        language="en",
        sex=person.get("Sex", "").lower() or None,
        age=float(age) if age.isdecimal() else None,
    )


def _target(
    name: str, annotation: str, votes: Mapping[str, tuple[float, ...]]
) -> tuple[float, ...] | None:
    if annotation == "intended":
        return one_hot(EMOTIONS[name.split("_")[2]], TARGETS)
    shares = votes.get(name)
    if shares is None or annotation == "votes":
        return shares
    best = [k for k, share in enumerate(shares) if share == max(shares)]
    return one_hot(TARGETS[best[0]], TARGETS) if len(best) == 1 else None


def _votes(tree: Tree) -> tuple[dict[str, tuple[float, ...]], str]:
    """Shares of the emotions heard in each clip, and where they are from."""
    path = tree.find("tabulatedVotes.csv")
    if path is not None:
        rows = read_table(path, ["", *INITIALS, "fileName"])
        heard = [row for row in rows if row[""].startswith(VOICE) and len(row[""]) == 6]
        counts = {row["fileName"].upper(): [float(row[k] or 0) for k in INITIALS] for row in heard}
        return {n: _shares(c) for n, c in counts.items() if sum(c)}, ""
    path = tree.find("summaryTable.csv")
    if path is None:
        what = "expected processedResults/tabulatedVotes.csv or summaryTable.csv, found neither"
        raise CorpusError("--corpus crema-d", [Fault("votes", what)])
    rows = read_table(path, ["FileName", "VoiceVote"])
    majorities = {row["FileName"].upper(): row["VoiceVote"].split(":") for row in rows}
    return (
        {n: _shares([float(k in won) for k in INITIALS]) for n, won in majorities.items()},
        f"votes are majorities in {path.name}; tabulatedVotes.csv has those of every listener",
    )


def _shares(counts: list[float]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(count / total for count in counts)
