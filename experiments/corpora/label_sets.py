"""Named sets of classes, as data: which labels of a corpus each class is made of.

``--labels 4-class`` takes a set of the corpus, ``--labels common:ekman`` one for all corpora,
``--labels anger,happiness`` some of the corpus's own classes. What is merged and what is left out
is counted in the notes of the corpus, which every report prints.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSet:
    """Classes in their order, each with the labels that it is made of; others are left out.

    ``annotation`` is what the reader is asked for, where a corpus has several; without ``classes``
    it is taken as it is. ``sex`` names the classes that hold one sex only.
    """

    name: str
    source: str
    annotation: str = ""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sex: Mapping[str, str] = field(default_factory=dict)

    def class_of(self, label: str, sex: str | None) -> str | None:
        """Class of an utterance; None where it is in none."""
        for name, labels in self.classes.items():
            if label in labels and (label == name or self.sex.get(name, sex) == sex):
                return name
        return None


def apply(corpus: Corpus, labels: LabelSet) -> Corpus:
    """A corpus with the classes of a set, in their order; utterances in no class are left out.

    Raises:
        CorpusError: the corpus is not one of single labels, or fewer than two classes are left.
    """
    if not labels.classes:
        return corpus
    if corpus.task != "single-label":
        what = f"{labels.name} merges single labels, and these are {corpus.task} targets"
        raise CorpusError(corpus.name, [Fault("--labels", what)])
    moves = [(u, corpus.label(u)) for u in corpus.utterances]
    classes = {u.id: label and labels.class_of(label, u.sex) for u, label in moves}
    found = set(classes.values())
    targets = tuple(name for name in labels.classes if name in found)
    kept = tuple(
        _relabelled(u, classes[u.id], targets)
        for u, label in moves
        if label is None or classes[u.id]
    )
    if len(targets) < 2:
        has = ", ".join(corpus.targets)
        left = f"{len(targets)} of its classes"
        what = f"{labels.name} leaves {left}, and two are needed: {corpus.name} has {has}"
        raise CorpusError(corpus.name, [Fault("--labels", what)])
    counts = Counter((label, classes[u.id]) for u, label in moves if label is not None)
    note = _note(labels, counts, set(labels.classes) - set(targets))
    return replace(corpus, targets=targets, utterances=kept, notes=(*corpus.notes, note))


def _relabelled(utterance: Utterance, name: str | None, targets: tuple[str, ...]) -> Utterance:
    return utterance if name is None else replace(utterance, target=one_hot(name, targets))


def _note(labels: LabelSet, counts: Mapping[tuple[str, str | None], int], absent: set[str]) -> str:
    """What became of each label, with its number of utterances."""
    parts = []
    for name in labels.classes:
        own = {label: n for (label, to), n in counts.items() if to == name}
        if own and set(own) != {name}:
            parts.append(f"{name} = {_listed(own)}")
    lost = {label: n for (label, to), n in counts.items() if to is None}
    if lost:
        parts.append(f"left out {_listed(lost)}")
    if absent:
        parts.append(f"no utterance of {', '.join(sorted(absent))}")
    return f"labels {labels.name}: {'; '.join(parts) or 'as they are'} ({labels.source})"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} ({n})" for label, n in sorted(counts.items()))


def own_classes(corpus: Corpus, asked: Sequence[str]) -> LabelSet:
    """The set of some of a corpus's own classes.

    Raises:
        CorpusError: one is not a class of the corpus, or is given twice.
    """
    unknown = [name for name in asked if name not in corpus.targets]
    doubled = [name for name, count in Counter(asked).items() if count > 1]
    faults = [Fault("--labels", f"{name!r} is given twice") for name in doubled]
    if unknown:
        sets = ", ".join(one.name for one in LABEL_SETS.get(corpus.name, ()))
        known = f"its classes are {', '.join(corpus.targets)}"
        known += f"; its sets are {sets}" if sets else ""
        what = f"{', '.join(map(repr, unknown))}: no class or set of {corpus.name}; {known}"
        faults.append(Fault("--labels", f"{what}; for all corpora there are common:NAME"))
    if faults:
        raise CorpusError(f"--corpus {corpus.name}", faults)
    return LabelSet(name=",".join(asked), source="chosen", classes={n: (n,) for n in asked})


def _same(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (name,) for name in names}


def _non_neutral(neutral: str, *others: str) -> dict[str, tuple[str, ...]]:
    return {
        "neutral": (neutral,),
        "non-neutral-female": others,
        "non-neutral-male": others,
    }


_SEXES = MappingProxyType({"non-neutral-female": "female", "non-neutral-male": "male"})
_SER_2022 = "the three classes of CORAA SER, as the SE&R 2022 baseline makes them of other corpora"
_PEPINO = "the four classes of most papers since Kim et al. 2013; excited counts as happy"

#: Sets of each corpus; the first of a name wins.
LABEL_SETS: Mapping[str, tuple[LabelSet, ...]] = MappingProxyType(
    {
        "ravdess": (
            LabelSet(
                name="8-class",
                source="all of them",
                classes=_same(
                    *("neutral", "calm", "happy", "sad"),
                    *("angry", "fearful", "disgust", "surprised"),
                ),
            ),
            LabelSet(
                name="6-class",
                source="calm and surprised left out, as in CREMA-D",
                classes=_same("angry", "disgust", "fearful", "happy", "neutral", "sad"),
            ),
            LabelSet(
                name="4-class",
                source="calm is RAVDESS's second neutral, Livingstone and Russo 2018",
                classes={
                    "neutral": ("neutral", "calm"),
                    **_same("happy", "sad", "angry"),
                },
            ),
            LabelSet(
                name="3-class",
                source=_SER_2022,
                classes=_non_neutral(
                    "neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"
                ),
                sex=_SEXES,
            ),
            LabelSet(
                name="va5",
                source="classes of a French model; angry as Tension is inferred from supports of "
                "864 files",
                classes={
                    "pleased": ("happy",),
                    "relaxed": ("calm",),
                    "neutral": ("neutral",),
                    "sad": ("sad",),
                    "tension": ("angry",),
                },
            ),
        ),
        "crema-d": (
            LabelSet(
                name="3-class",
                source="happy, neutral, angry",
                classes=_same("happy", "neutral", "angry"),
            ),
            LabelSet(name="votes", source="listeners' votes as shares", annotation="votes"),
            LabelSet(name="perceived", source="listeners' majority", annotation="perceived"),
        ),
        "iemocap": (
            LabelSet(
                name="4-class",
                source=_PEPINO,
                classes={
                    "angry": ("angry",),
                    "happy": ("happy", "excited"),
                    **_same("sad", "neutral"),
                },
            ),
            LabelSet(
                name="3-class",
                source="neutral left out; excited counts as happy",
                classes={"angry": ("angry",), "happy": ("happy", "excited"), "sad": ("sad",)},
            ),
            LabelSet(
                name="3-class-neutral",
                source="sad left out; excited counts as happy",
                classes={"neutral": ("neutral",), "happy": ("happy", "excited"), **_same("angry")},
            ),
            LabelSet(
                name="5-class",
                source="the five largest",
                classes=_same("angry", "excited", "frustrated", "neutral", "sad"),
            ),
            LabelSet(
                name="6-class",
                source="as in work on dialogues, Majumder et al. 2019",
                classes=_same("happy", "sad", "neutral", "angry", "excited", "frustrated"),
            ),
            LabelSet(
                name="8-class",
                source="disgust and other, of which there are fewer than ten, are one",
                classes={
                    **_same("angry", "excited", "fear", "sad", "surprise", "frustrated"),
                    **_same("happy", "neutral"),
                    "other": ("disgust", "other"),
                },
            ),
            LabelSet(
                name="vad", source="valence, arousal, dominance from 1 to 5", annotation="vad"
            ),
        ),
        "mosei": (
            LabelSet(
                name="multi-label",
                source="an emotion is present above 0",
                annotation="multi-label",
            ),
            LabelSet(name="intensity", source="six emotions from 0 to 3", annotation="intensity"),
            LabelSet(
                name="7-class",
                source="rows with one emotion, or none: neutral",
                annotation="one-emotion",
            ),
            LabelSet(
                name="4-class",
                source="rows with one of three emotions, or none: neutral",
                annotation="one-emotion",
                classes=_same("happy", "sad", "neutral", "angry"),
            ),
            LabelSet(name="label6", source="column label6", annotation="label6"),
            LabelSet(name="sentiment", source="from -3 to 3", annotation="sentiment"),
            LabelSet(name="sentiment-2", source="negative or not", annotation="sentiment-2"),
            LabelSet(name="sentiment-3", source="the sign", annotation="sentiment-3"),
            LabelSet(name="sentiment-7", source="rounded", annotation="sentiment-7"),
        ),
        "mosi": (
            LabelSet(name="sentiment", source="from -3 to 3", annotation="sentiment"),
            LabelSet(name="sentiment-2", source="negative or not", annotation="sentiment-2"),
        ),
        "meld": (LabelSet(name="sentiment", source="three classes", annotation="sentiment"),),
        "smile": (
            LabelSet(
                name="one-emotion", source="tweets with one emotion", annotation="one-emotion"
            ),
        ),
        "msp-podcast": (
            LabelSet(
                name="4-class",
                source="angry, happy, neutral, sad",
                classes=_same("angry", "happy", "neutral", "sad"),
            ),
            LabelSet(
                name="8-class",
                source="without other and no agreement, as in the Odyssey 2024 challenge",
                classes=_same(
                    *("angry", "sad", "happy", "surprise"),
                    *("fear", "disgust", "contempt", "neutral"),
                ),
            ),
            LabelSet(
                name="vad", source="valence, arousal, dominance from 1 to 7", annotation="vad"
            ),
        ),
    }
)
