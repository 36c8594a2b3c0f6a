"""Who counts as independent of whom, and how much of a corpus trains what is tested on the rest."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.utterance import linked


@dataclass(frozen=True, slots=True)
class Clusters:
    """The cluster of each row, and what clusters are called."""

    of: tuple[str, ...]
    unit: str


def clusters_of(
    speakers: Sequence[str], sessions: Sequence[str | None], dialogues: Sequence[str | None]
) -> Clusters:
    """Speakers, or where some of them share a session or a dialogue, the groups that do.

    Who talks with whom moves with them: in dyads the pair is what is independent (Kenny, Kashy &
    Cook 2006, ch. 1). A dialogue counts where no session is known.

    >>> clusters_of(["f", "m", "x"], ["1", "1", None], ["a", "b", "c"])
    Clusters(of=('f', 'f', 'x'), unit='groups of speakers')
    """
    places = [
        f"session {session}" if session is not None else dialogue and f"dialogue {dialogue}"
        for session, dialogue in zip(sessions, dialogues, strict=True)
    ]
    group = linked(zip(speakers, places, strict=True))
    # The first name, whatever the order of rows: two runs are paired by it.
    names: dict[str, str] = {}
    for speaker in sorted(group):
        names.setdefault(group[speaker], speaker)
    unit = "speakers" if len(names) == len(group) else "groups of speakers"
    return Clusters(tuple(names[group[speaker]] for speaker in speakers), unit)


def training_overlap(folds: Iterable[tuple[Collection[str], Collection[str]]]) -> float:
    """Clusters tested, over those that train what tests one: what training adds to a variance.

    Of cross-validation in g parts g / (g - 1), of one split test over training clusters (the term
    of Nadeau & Bengio 2003, section 4). A cluster that several folds test counts once, with all
    that train them. ``folds`` are the clusters of training and of test rows.

    >>> training_overlap([(["a", "b", "c"], ["d"]), (["b", "c", "d"], ["a"])])
    0.6666666666666666
    """
    trained_by: dict[str, set[str]] = {}
    for train, test in folds:
        for name in set(test):
            trained_by.setdefault(name, set()).update(train)
    each = float(np.mean([len(names) for names in trained_by.values()]))
    return len(trained_by) / each if each else 0.0
