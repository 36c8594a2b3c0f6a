"""Parts of the training speakers for what is trained once per outer fold, such as an encoder.

Heads are cheap, so that every training row is a development row of some inner fold
(:func:`fusion.splitting.splits.inner_folds`). An encoder is not: one group of speakers is held out
of it, and everything that is fitted afterwards is stopped and selected on those speakers too.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.utterance import Utterance
from fusion.splitting.folds import LabelOf, classes_of
from fusion.splitting.splits import TRIES, InnerFold, SplitError, speaker_of

#: Groups that speakers are dealt into, the first of which is held out: a fifth where it can be.
GROUPS = (5, 4, 3, 2)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows to train on, rows of other speakers to stop on, and what could not be had."""

    fold: InnerFold
    notes: tuple[str, ...] = ()


def hold_out(utterances: Sequence[Utterance], label_of: LabelOf) -> HeldOut:
    """About a fifth of the speakers for development; both sides have every class.

    Where speakers fall into groups without a common script, development shares none with training.
    Where they do not, no row is left out for it, other than in the inner folds of heads: an encoder
    needs its rows more than a head does. The note says so.

    Raises:
        SplitError: no two groups of speakers both hold every class.
    """
    scripts = {str(u.script) for u in utterances if u.script is not None}
    if scripts:
        linked = _linked(utterances)
        found = _dealt(utterances, lambda u: linked[speaker_of(u)], label_of, GROUPS)
        if found is not None:
            return HeldOut(_split(utterances, found))
    found = _dealt(utterances, speaker_of, label_of, GROUPS)
    if found is None:
        raise SplitError(_no_groups(utterances, label_of))
    note = "the encoder's development speakers speak sentences that its training speakers speak too"
    return HeldOut(_split(utterances, found), (note,) if scripts else ())


def halves(
    utterances: Sequence[Utterance], label_of: LabelOf
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of two groups of speakers of nearly equal size, each with every class.

    Raises:
        SplitError: there are no such groups.
    """
    one = _dealt(utterances, speaker_of, label_of, (2,))
    if one is None:
        raise SplitError(_no_groups(utterances, label_of))
    found = _split(utterances, one)
    return found.train, found.dev


def _linked(utterances: Sequence[Utterance]) -> dict[str, str]:
    """A name by speaker, the same for speakers that a chain of common scripts links."""
    groups: list[tuple[set[str], set[str]]] = []
    for utterance in utterances:
        speakers, scripts = {speaker_of(utterance)}, {str(utterance.script)}
        apart = []
        for group in groups:
            if group[0] & speakers or group[1] & scripts:
                speakers, scripts = speakers | group[0], scripts | group[1]
            else:
                apart.append(group)
        groups = [*apart, (speakers, scripts)]
    return {speaker: min(speakers) for speakers, _ in groups for speaker in speakers}


def _dealt(
    utterances: Sequence[Utterance],
    unit_of: Callable[[Utterance], str],
    label_of: LabelOf,
    groups: Sequence[int],
) -> set[str] | None:
    """Ids of the first of some groups of whole units where it and the rest have every class."""
    units = {utterance.id: unit_of(utterance) for utterance in utterances}
    labels = {utterance.id: classes_of(label_of(utterance)) for utterance in utterances}
    for members in _first_groups(Counter(units.values()), groups):
        inside = {name for name, unit in units.items() if unit in members}
        sides = [n for n in labels if n in inside], [n for n in labels if n not in inside]
        if all(sides) and all(_complete(side, labels) for side in sides):
            return inside
    return None


def _first_groups(sizes: Counter[str], groups: Sequence[int]) -> Iterator[set[str]]:
    """Units of the first group, for every number of groups and order of dealing that is tried.

    Each unit goes to the group that has least.
    """
    rng = np.random.default_rng(0)
    for count in (count for count in groups if count <= len(sizes)):
        for attempt in range(TRIES):
            names = sorted(sizes) if attempt == 0 else list(rng.permutation(sorted(sizes)))
            dealt: list[set[str]] = [set() for _ in range(count)]
            for name in names:
                min(dealt, key=lambda group: sum(sizes[unit] for unit in group)).add(name)
            yield dealt[0]


def _complete(ids: Sequence[str], labels: Mapping[str, frozenset[str]]) -> bool:
    every: frozenset[str] = frozenset()
    return every.union(*(labels[n] for n in ids)) == every.union(*labels.values())


def _split(utterances: Sequence[Utterance], held: set[str]) -> InnerFold:
    names = [utterance.id for utterance in utterances]
    return InnerFold(
        train=tuple(name for name in names if name not in held),
        dev=tuple(name for name in names if name in held),
    )


def _no_groups(utterances: Sequence[Utterance], label_of: LabelOf) -> str:
    speakers: dict[str, set[str]] = {}
    for utterance in utterances:
        for name in classes_of(label_of(utterance)):
            speakers.setdefault(name, set()).add(speaker_of(utterance))
    if not speakers:
        return "no two groups of training speakers: expected at least two speakers to train on"
    rare, names = min(speakers.items(), key=lambda item: len(item[1]))
    return (
        f"no two groups of training speakers both hold every class; {rare!r} is spoken by "
        f"{len(names)} of them: merge or leave out that class, use folds with more speakers, or "
        "an encoder as it is"
    )
