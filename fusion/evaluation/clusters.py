"""Who counts as independent of whom, and how much of a corpus trains what is tested on the rest."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.utterance import Utterance, linked


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


def turns_of(utterances: Sequence[Utterance]) -> list[int | None]:
    """Place of each utterance in its dialogue, by its start, else by the numbers in its id.

    None where no dialogue is known. Starts count where an utterance of the dialogue has one.
    """
    dialogues: dict[str, list[int]] = {}
    for row, utterance in enumerate(utterances):
        if utterance.dialogue is not None:
            dialogues.setdefault(utterance.dialogue, []).append(row)
    turns: list[int | None] = [None] * len(utterances)
    for rows in dialogues.values():
        rows.sort(key=lambda row: (utterances[row].start_s, _numbered(utterances[row].id)))
        for turn, row in enumerate(rows):
            turns[row] = turn
    return turns


def _numbered(name: str) -> list[tuple[int, str]]:
    """What puts ``utt10`` behind ``utt2``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def training_overlap(folds: Iterable[tuple[Collection[str], Collection[str]]]) -> float:
    """Clusters tested, over those that train a fold: what other training sets add to a variance.

    Of cross-validation in g parts g / (g - 1), of one split test over training clusters (Nadeau &
    Bengio 2003, section 4: J times n2 / n1 of the variance over J). ``folds`` are the clusters of
    training and of test rows.

    >>> training_overlap([(["a", "b", "c"], ["d"]), (["b", "c", "d"], ["a"])])
    0.6666666666666666
    """
    sides = [(len(set(train)), len(set(test))) for train, test in folds]
    return float(sum(test for _, test in sides) / np.mean([train for train, _ in sides]))
