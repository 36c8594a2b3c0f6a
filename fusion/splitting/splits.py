"""Speaker-independent folds, and inner development groups."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from encoders.utterance import Utterance
from fusion.splitting.crossing import CROSSING, cross_folds
from fusion.splitting.designs import make_outer, rows_of
from fusion.splitting.folds import (
    Fold,
    InnerFold,
    InnerFolds,
    LabelOf,
    assert_speakers_apart,
    classes_of,
    speaker_of,
)
from fusion.splitting.protocols import SplitError, is_leaky, parse_protocol

__all__ = [
    "Fold",
    "InnerFold",
    "InnerFolds",
    "SplitError",
    "assert_speakers_apart",
    "inner_folds",
    "is_leaky",
    "outer_folds",
    "rows_of",
    "speaker_of",
]

INNER_GROUPS = 3
#: Random groupings tried before fewer groups are; a bound on time, not on quality.
TRIES = 200


def outer_folds(utterances: Sequence[Utterance], protocol: str) -> tuple[Fold, ...]:
    """Folds by the name of a protocol (:data:`fusion.splitting.protocols.PROTOCOLS`).

    Raises:
        SplitError: fewer than three speakers, a speaker on both sides of a fold (unless the
            protocol is one of those that leak by their name), or something that the protocol
            needs and some utterance does not have.
    """
    asked = parse_protocol(protocol)
    speakers = {speaker_of(utterance) for utterance in utterances}
    if len(speakers) < 3:
        raise SplitError(
            f"{len(speakers)} speaker{'s' * (len(speakers) != 1)}: a corpus with fewer than three "
            "can train or be tested on, not both; add speakers, or check the 'speaker' column"
        )
    crossing = asked.protocol.name in CROSSING
    folds = cross_folds(utterances, asked) if crossing else make_outer(utterances, asked)
    if not asked.protocol.leaky:
        for fold in folds:
            assert_speakers_apart(fold, utterances)
    return folds


# ---------------------------------------------------------------- inner development groups


def inner_folds(utterances: Sequence[Utterance], label_of: LabelOf) -> InnerFolds:
    """Development groups inside a training set: speakers merged until every class is present.

    Where ``script`` is known, development and training share no script either: speakers that
    share scripts stay together where that leaves several groups, else rows that would share one
    are left out of the inner fold (measured on EmoDB: .545 UAR for .553).

    Raises:
        SplitError: no two groups of speakers both hold every class.
    """
    scripted = all(utterance.script is not None for utterance in utterances)
    # No script links two corpora: they would take turns, and no head would learn from both.
    if scripted and len({utterance.corpus for utterance in utterances}) == 1:
        component = _components(utterances)
        groups = _group(utterances, lambda u: component[speaker_of(u)], label_of)
        if groups is not None:
            return InnerFolds(tuple(_inner(utterances, group, None) for group in groups))
    groups = _group(utterances, speaker_of, label_of)
    if groups is None:
        raise SplitError(_no_groups(utterances, label_of))
    if not scripted:
        return InnerFolds(tuple(_inner(utterances, group, None) for group in groups))
    return _crossed(utterances, groups, label_of)


def _components(utterances: Sequence[Utterance]) -> dict[str, str]:
    """Name of the set of speakers that are linked by shared scripts, by speaker."""
    root = {speaker_of(utterance): speaker_of(utterance) for utterance in utterances}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    first: dict[str, str] = {}
    for utterance in utterances:
        speaker = find(speaker_of(utterance))
        root[find(first.setdefault(str(utterance.script), speaker))] = speaker
    return {name: find(name) for name in root}


def _group(
    utterances: Sequence[Utterance],
    unit_of: Callable[[Utterance], str],
    label_of: LabelOf,
) -> list[set[str]] | None:
    """Ids of up to three groups of whole units, each with every class; None if there are none."""
    units = {utterance.id: unit_of(utterance) for utterance in utterances}
    labels = {utterance.id: classes_of(label_of(utterance)) for utterance in utterances}
    sizes = Counter(units.values())
    rng = np.random.default_rng(0)
    for count in range(min(INNER_GROUPS, len(sizes)), 1, -1):
        for attempt in range(TRIES):
            names = sorted(sizes) if attempt == 0 else list(rng.permutation(sorted(sizes)))
            dealt = _dealt({name: sizes[name] for name in names}, count)
            groups = [{i for i, unit in units.items() if unit in members} for members in dealt]
            if all(_complete(group, labels) for group in groups):
                return groups
    return None


def _dealt(sizes: Mapping[str, int], count: int) -> list[set[str]]:
    groups: list[set[str]] = [set() for _ in range(count)]
    for name in sizes:
        min(groups, key=lambda group: sum(sizes[member] for member in group)).add(name)
    return groups


def _complete(ids: Iterable[str], labels: Mapping[str, frozenset[str]]) -> bool:
    return _union(labels[name] for name in ids) == _union(labels.values())


def _union(found: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*found)


def _inner(utterances: Sequence[Utterance], dev: set[str], scripts: set[str] | None) -> InnerFold:
    """The inner fold of a group; with ``scripts``, dev keeps them and train has none of them."""
    kept = [u for u in utterances if scripts is None or (u.script in scripts) == (u.id in dev)]
    return InnerFold(
        train=tuple(u.id for u in kept if u.id not in dev),
        dev=tuple(u.id for u in kept if u.id in dev),
    )


def _crossed(
    utterances: Sequence[Utterance],
    groups: Sequence[set[str]],
    label_of: LabelOf,
) -> InnerFolds:
    """Pair groups of speakers with groups of scripts, because every speaker speaks every script."""
    labels = {utterance.id: classes_of(label_of(utterance)) for utterance in utterances}
    sizes = Counter(str(utterance.script) for utterance in utterances)
    rng = np.random.default_rng(0)
    for count in range(min(len(groups), len(sizes)), 1, -1):
        for attempt in range(TRIES):
            names = sorted(sizes) if attempt == 0 else list(rng.permutation(sorted(sizes)))
            scripts = _dealt({name: sizes[name] for name in names}, count)
            folds = [_inner(utterances, g, scripts[k % count]) for k, g in enumerate(groups)]
            if all(_complete(f.dev, labels) and _complete(f.train, labels) for f in folds):
                return InnerFolds(tuple(folds))
    note = "development shares sentences with training: no script-disjoint groups hold every class"
    return InnerFolds(tuple(_inner(utterances, group, None) for group in groups), (note,))


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
        f"{len(names)} of them: merge or leave out that class, or use folds with more speakers"
    )
