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

    None where no dialogue is known, or no order: starts that differ, or ids that differ in their
    numbers alone.
    """
    dialogues: dict[str, list[int]] = {}
    for row, utterance in enumerate(utterances):
        if utterance.dialogue is not None:
            dialogues.setdefault(utterance.dialogue, []).append(row)
    turns: list[int | None] = [None] * len(utterances)
    for rows in dialogues.values():
        starts = {utterances[row].start_s for row in rows}
        shapes = {re.sub(r"\d+", "0", utterances[row].id) for row in rows}
        if len(starts) < len(rows) and len(shapes) > 1:
            continue
        rows.sort(key=lambda row: (utterances[row].start_s, _numbered(utterances[row].id)))
        for turn, row in enumerate(rows):
            turns[row] = turn
    return turns


def _numbered(name: str) -> list[tuple[int, str]]:
    """What puts ``utt10`` behind ``utt2``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


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
