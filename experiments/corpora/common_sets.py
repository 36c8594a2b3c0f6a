"""Classes that several corpora share, whatever each calls them: ``--labels common:NAME``."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from encoders.manifest_rows import did_you_mean
from encoders.utterance import Corpus, CorpusError, Fault
from experiments.corpora.label_sets import LabelSet, apply, same
from fusion.evaluation.emotions import canonical

PREFIX = "common:"
#: Any label but neutral.
ANY_OTHER = ("*",)
_NEUTRAL, _HAPPY = {"neutral": ("neutral", "calm")}, {"happy": ("happy", "excited")}

#: Classes made of words for emotions (the first of each group of ``SYNONYMS``).
COMMON: Mapping[str, LabelSet] = MappingProxyType(
    {
        "ekman": LabelSet(
            "common:ekman",
            "Ekman's six and neutral; excited is happy, calm is neutral",
            {
                **_NEUTRAL,
                **same("angry", "disgust", "fear"),
                **_HAPPY,
                **same("sad", "surprise"),
            },
        ),
        "four": LabelSet(
            "common:four",
            "the usual four; excited is happy, calm is neutral",
            {**_NEUTRAL, **same("angry"), **_HAPPY, **same("sad")},
        ),
        "quadrants": LabelSet(
            "common:quadrants",
            "valence and arousal of Russell 1980; neutral lies in the middle, surprise and "
            "disgust in no one quadrant",
            {
                "positive-active": ("happy", "excited"),
                "negative-active": ("angry", "fear", "frustrated"),
                "negative-passive": ("sad", "bored"),
                "positive-passive": ("calm",),
            },
        ),
        "va5": LabelSet(
            "common:va5",
            "five classes of a French model of conversations; angry as tension is inferred",
            {
                "pleased": ("happy",),
                "relaxed": ("calm",),
                **same("neutral", "sad"),
                "tension": ("angry",),
            },
        ),
        "coraa": LabelSet(
            "common:coraa",
            "the three classes of CORAA SER, as the SE&R 2022 baseline makes them of others",
            {
                **same("neutral"),
                "non-neutral-female": ANY_OTHER,
                "non-neutral-male": ANY_OTHER,
            },
            sex={"non-neutral-female": "female", "non-neutral-male": "male"},
        ),
    }
)


def apply_common(corpus: Corpus, name: str) -> Corpus:
    """A corpus with the classes of a common set, whatever it calls them.

    Raises:
        CorpusError: there is no such set, or the corpus has fewer than two of its classes.
    """
    return apply(corpus, _in_words_of(corpus, common_set(name)))


def common_set(name: str) -> LabelSet:
    """The common set of a name, with or without ``common:``.

    Raises:
        CorpusError: there is none; names the nearest.
    """
    bare = name.removeprefix(PREFIX)
    if bare not in COMMON:
        what = f"no such set; {did_you_mean(name, [PREFIX + known for known in COMMON])}"
        raise CorpusError("--labels", [Fault(name, what)])
    return COMMON[bare]


def _in_words_of(corpus: Corpus, labels: LabelSet) -> LabelSet:
    """The set in the corpus's own labels; a label that is the name of a class stays in it."""
    classes = {
        name: tuple(label for label in corpus.targets if _belongs(label, name, words, labels))
        for name, words in labels.classes.items()
    }
    return replace(labels, classes=classes)


def _belongs(label: str, name: str, words: tuple[str, ...], labels: LabelSet) -> bool:
    if label in labels.classes:
        return label == name
    return canonical(label) != "neutral" if words == ANY_OTHER else canonical(label) in words
