"""What is agreed on about words for emotions: synonyms, which stand together, where each lies.

Where no class is sure enough, :data:`TREE` says which are one coarser answer; :data:`COORDINATES`
give probabilities an expected valence and arousal.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

#: How fine an answer is, finest first.
Level = Literal["class", "group", "arousal"]
LEVELS: tuple[Level, ...] = get_args(Level)

#: Words for one emotion in published checkpoints and corpora (abbreviations of IEMOCAP, TESS's ps).
SYNONYMS = (
    ("neutral", "neu", "neutrality"),
    ("calm", "calmness"),
    ("angry", "anger", "ang"),
    ("happy", "happiness", "hap", "joy", "joyful"),
    ("excited", "excitement", "exc"),
    ("sad", "sadness"),
    ("fear", "fearful", "fea"),
    ("disgust", "disgusted", "dis"),
    ("surprise", "surprised", "sur", "ps", "pleasantsurprise", "pleasantsurprised"),
    ("frustrated", "frustration", "fru"),
    ("bored", "boredom"),
    ("contempt", "contemptuous"),
)
#: Arousal, groups and emotions (the first of each group of ``SYNONYMS``). Groups are quadrants of
#: Russell 1980 but for surprise, which may be of either kind, and for neutral, the middle.
TREE: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "aroused": MappingProxyType(
            {
                "negative, aroused": ("angry", "fear", "disgust", "frustrated"),
                "positive or surprised": ("happy", "excited", "surprise"),
            }
        ),
        "not aroused": MappingProxyType(
            {
                "negative, low": ("sad", "bored"),
                "calm or neutral": ("neutral", "calm"),
            }
        ),
    }
)
#: Pleasure and arousal, each from -1 to 1: mean ratings of the words (Russell & Mehrabian 1977,
#: Evidence for a three-factor theory of emotions, Journal of Research in Personality 11, 273-294).
#: Two are no words of theirs: neutral is the middle of both scales, calm has what "relaxed" has.
COORDINATES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "neutral": (0.0, 0.0),
        "calm": (0.68, -0.46),
        "angry": (-0.51, 0.59),
        "happy": (0.81, 0.51),
        "excited": (0.62, 0.75),
        "sad": (-0.63, -0.27),
        "fear": (-0.64, 0.60),
        "disgust": (-0.60, 0.35),
        "surprise": (0.40, 0.67),
        "frustrated": (-0.64, 0.52),
        "bored": (-0.65, -0.62),
    }
)
#: What :func:`derived_values` gives, in its order.
DERIVED = ("valence", "arousal")
#: Where derived values come from, in words.
DERIVED_FROM = (
    "expected from the probabilities of the classes at the coordinates of Russell and Mehrabian "
    "(1977), from -1 to 1; nobody rated this speech"
)


def word(label: str) -> str:
    """A label as it is compared: letters and digits alone, without case."""
    return "".join(letter for letter in label.casefold() if letter.isalnum())


def canonical(label: str) -> str:
    """The first word for an emotion that a label is a word for; the label itself where unknown.

    >>> canonical("Joy"), canonical("fearful"), canonical("tension")
    ('happy', 'fear', 'tension')
    """
    return next((group[0] for group in SYNONYMS if word(label) in group), label)


def branches(targets: Sequence[str], level: Level) -> tuple[str, ...]:
    """The branch of each class at a level; a class outside the tree is its own at every level.

    >>> branches(("anger", "sad", "contempt"), "group")
    ('negative, aroused', 'negative, low', 'contempt')
    """
    return tuple(branch_of(name, level) for name in targets)


def branch_of(label: str, level: Level) -> str:
    """The branch of one class at a level."""
    for arousal, groups in TREE.items():
        for group, emotions in groups.items():
            if level != "class" and canonical(label) in emotions:
                return group if level == "group" else arousal
    return label


def coarser_levels(targets: Sequence[str]) -> tuple[Level, ...]:
    """Levels at which these classes can be answered more coarsely than at the level before.

    One that puts no two classes together, or all of them, says nothing new.

    >>> coarser_levels(("angry", "fear", "sad")), coarser_levels(("angry", "neutral"))
    (('group',), ())
    """
    kept: list[Level] = []
    fewest = len(targets)
    for level in LEVELS[1:]:
        count = len(set(branches(targets, level)))
        if 1 < count < fewest:
            kept.append(level)
            fewest = count
    return tuple(kept)


def summed(
    scores: Float[np.ndarray, "*axes targets"], targets: Sequence[str], level: Level
) -> tuple[tuple[str, ...], Float[np.ndarray, "*axes branches"]]:
    """Branches of a level in the order of their first class, and their probabilities.

    >>> summed(np.array([0.5, 0.3, 0.2]), ("angry", "sad", "fear"), "group")
    (('negative, aroused', 'negative, low'), array([0.7, 0.3]))
    """
    of_class = branches(targets, level)
    names = tuple(dict.fromkeys(of_class))
    columns = [[k for k, name in enumerate(of_class) if name == own] for own in names]
    sums = [scores[..., own].sum(axis=-1) for own in columns]
    return names, np.stack(sums, axis=-1)


def derived_values(
    probabilities: Sequence[float], targets: Sequence[str]
) -> tuple[float, float] | None:
    """Expected valence and arousal, each from -1 to 1; None where a class has no coordinates.

    >>> derived_values((0.5, 0.5), ("angry", "neutral"))
    (-0.255, 0.295)
    """
    places = [COORDINATES.get(canonical(name)) for name in targets]
    known = [place for place in places if place is not None]
    if not probabilities or len(known) < len(places):
        return None
    valence, arousal = np.asarray(probabilities) @ np.array(known)
    return float(valence), float(arousal)
