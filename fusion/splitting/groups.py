"""Speakers dealt into groups that each hold every class."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from encoders.utterance import Utterance, linked
from fusion.splitting.folds import LabelOf, classes_of, speaker_of

#: Random groupings tried before fewer groups are; a bound on time, not on quality.
TRIES = 200

UnitOf = Callable[[Utterance], str]


def linked_by_script(utterances: Sequence[Utterance]) -> dict[str, str]:
    """Name of the set of speakers that are linked by shared scripts, by speaker."""
    return linked((speaker_of(utterance), str(utterance.script)) for utterance in utterances)


def joined_by(utterances: Sequence[Utterance]) -> str:
    """What joins speakers: the ``dialogue``, or the ``session`` where no row has a dialogue."""
    known = any(utterance.dialogue is not None for utterance in utterances)
    return "dialogue" if known else "session"


def linked_by_talk(utterances: Sequence[Utterance]) -> dict[str, str]:
    """The first of those who talk with each other, however indirectly, by speaker.

    They share a dialogue, or where none is known a session. Numbers of dialogues that start again
    in each session are told apart.
    """
    place = joined_by(utterances)
    names = ((speaker_of(u), u.session, getattr(u, place)) for u in utterances)
    root = linked(
        (speaker, None if name is None else f"{session}\n{name}")
        for speaker, session, name in names
    )
    # By name, so that the order of rows changes nothing.
    first: dict[str, str] = {}
    for speaker in sorted(root):
        first.setdefault(root[speaker], speaker)
    return {speaker: first[name] for speaker, name in root.items()}


def units(utterances: Sequence[Utterance]) -> tuple[UnitOf, ...]:
    """What groups are dealt of, the better first: those who talk together, then each alone."""
    unit = linked_by_talk(utterances)
    if len({*unit.values()}) == len(unit):
        return (speaker_of,)
    return (lambda utterance: unit[speaker_of(utterance)], speaker_of)


def groupings(sizes: Mapping[str, int], counts: Iterable[int]) -> Iterator[list[set[str]]]:
    """Units in groups of nearly equal size, for every number of groups and order that is tried.

    Each unit goes to the group that has least.
    """
    rng = np.random.default_rng(0)
    for count in (count for count in counts if count <= len(sizes)):
        for attempt in range(TRIES):
            names = sorted(sizes) if attempt == 0 else list(rng.permutation(sorted(sizes)))
            groups: list[set[str]] = [set() for _ in range(count)]
            for name in names:
                min(groups, key=lambda group: sum(sizes[unit] for unit in group)).add(name)
            yield groups


def grouped_ids(
    utterances: Sequence[Utterance], unit_of: UnitOf, counts: Iterable[int]
) -> Iterator[list[set[str]]]:
    """Ids of the utterances of each group, grouping by grouping; units stay whole."""
    units = {utterance.id: unit_of(utterance) for utterance in utterances}
    for groups in groupings(Counter(units.values()), counts):
        yield [{name for name, unit in units.items() if unit in members} for members in groups]


def complete(ids: Iterable[str], labels: Mapping[str, frozenset[str]]) -> bool:
    """Whether some utterances have every class that there is."""
    every: frozenset[str] = frozenset()
    return every.union(*(labels[name] for name in ids)) == every.union(*labels.values())


def no_groups(utterances: Sequence[Utterance], label_of: LabelOf, also: str = "") -> str:
    """What to say, and what to do, where no two groups hold every class."""
    speakers: dict[str, set[str]] = {}
    for utterance in utterances:
        for name in classes_of(label_of(utterance)):
            speakers.setdefault(name, set()).add(speaker_of(utterance))
    if not speakers:
        return "no two groups of training speakers: expected at least two speakers to train on"
    rare, names = min(speakers.items(), key=lambda item: len(item[1]))
    ways = (
        "merge or leave out that class",
        "use folds with more speakers",
        *([also] if also else ()),
    )
    return (
        f"no two groups of training speakers both hold every class; {rare!r} is spoken by "
        f"{len(names)} of them: {', '.join(ways[:-1])}, or {ways[-1]}"
    )
