"""Speaker-independent folds, inner development groups, and the checks at their border."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.utterance import Utterance

PROTOCOLS = ("groups", "speaker", "session", "fold", "split")
OUTER_GROUPS = 5
INNER_GROUPS = 3
#: Random groupings tried before fewer groups are; a bound on time, not on quality.
TRIES = 200


class SplitError(ValueError):
    """Folds that would leak, or that cannot be made from these speakers."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Ids of one outer fold; ``dev`` is empty where development speakers are carved from train."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    dev: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InnerFold:
    """Ids that one head trains on and ids that it is stopped and selected on."""

    train: tuple[str, ...]
    dev: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InnerFolds:
    """The inner folds of one outer fold, and what could not be had."""

    folds: tuple[InnerFold, ...]
    notes: tuple[str, ...] = ()


def outer_folds(utterances: Sequence[Utterance], protocol: str) -> tuple[Fold, ...]:
    """Folds by name.

    ``groups`` are five speaker groups, ``speaker`` leaves one speaker out, ``session`` one
    session; ``fold`` and ``split`` are the manifest's own; those of :mod:`fusion.crossing` are
    across corpora.

    Raises:
        SplitError: fewer than three speakers, a speaker on both sides of a fold, or a speaker,
            session, fold or split that some utterance does not have.
    """
    if protocol.partition(":")[0] in ("corpus", "cross", "matrix"):
        from fusion.crossing import cross_folds

        crossed = cross_folds(utterances, protocol)
        for fold in crossed:
            assert_speakers_apart(fold, utterances)
        return crossed
    if protocol not in PROTOCOLS:
        raise SplitError(f"--folds {protocol}: expected one of {', '.join(PROTOCOLS)}")
    speakers = {speaker_of(utterance) for utterance in utterances}
    if len(speakers) < 3:
        raise SplitError(
            f"{len(speakers)} speaker{'s' * (len(speakers) != 1)}: a corpus with fewer than three "
            "can train or be tested on, not both; add speakers, or check the 'speaker' column"
        )
    folds = _official(utterances) if protocol == "split" else _rotating(utterances, protocol)
    for fold in folds:
        assert_speakers_apart(fold, utterances)
    return folds


def speaker_of(utterance: Utterance) -> str:
    """Speaker of an utterance; an error where it is not known, because a leak could hide there."""
    if utterance.speaker is None:
        raise SplitError(
            f"{utterance.id}: the speaker is not known, so folds cannot be kept apart; "
            "fill the 'speaker' column (one name per person)"
        )
    return utterance.speaker


def assert_speakers_apart(fold: Fold | InnerFold, utterances: Sequence[Utterance]) -> None:
    """Raise a :class:`SplitError` if a speaker is on two sides of a fold."""
    speakers = {utterance.id: speaker_of(utterance) for utterance in utterances}
    sides = {
        side: {speakers[name] for name in getattr(fold, side, ())}
        for side in ("train", "dev", "test")
    }
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        shared = sorted(sides[one] & sides[other])
        if shared:
            raise SplitError(
                f"fold {getattr(fold, 'name', '')}: speaker {', '.join(shared[:5])} "
                f"({len(shared)} in all) is in both {one} and {other}"
            )


def _official(utterances: Sequence[Utterance]) -> tuple[Fold, ...]:
    by_split = _grouped(utterances, lambda u: u.split, "split")
    for name in ("train", "test"):
        if not by_split.get(name):
            raise SplitError(f"--folds split: no utterance is marked {name!r}")
    dev = tuple(by_split.get("dev", ()))
    return (Fold("test", tuple(by_split["train"]), tuple(by_split["test"]), dev),)


def _rotating(utterances: Sequence[Utterance], protocol: str) -> tuple[Fold, ...]:
    if protocol == "groups":
        counts = Counter(speaker_of(utterance) for utterance in utterances)
        groups = _balanced(counts, min(OUTER_GROUPS, len(counts)))
        fold_of = {
            speaker: str(number) for number, group in enumerate(groups, 1) for speaker in group
        }
        tests = _grouped(utterances, lambda u: fold_of[speaker_of(u)], protocol)
    elif protocol == "speaker":
        tests = _grouped(utterances, speaker_of, protocol)
    else:
        tests = _grouped(utterances, lambda u: getattr(u, protocol), protocol)
    if len(tests) < 2:
        raise SplitError(f"--folds {protocol}: only one {protocol}, at least two are needed")
    side = {i: name for name, test in tests.items() for i in test}
    return tuple(
        Fold(name, tuple(u.id for u in utterances if side[u.id] != name), tuple(test))
        for name, test in sorted(tests.items(), key=lambda item: _natural(item[0]))
    )


def _grouped(
    utterances: Iterable[Utterance], name_of: Callable[[Utterance], str | None], what: str
) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for utterance in utterances:
        name = name_of(utterance)
        if name is None:
            raise SplitError(f"--folds {what}: {utterance.id} has no {what}")
        groups.setdefault(name, []).append(utterance.id)
    return groups


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (10**9, name)


def _balanced(sizes: Mapping[str, int], groups: int) -> list[list[str]]:
    """Groups of nearly equal size: the largest first, each to the group that has least."""
    filled: list[list[str]] = [[] for _ in range(groups)]
    for name in sorted(sizes, key=lambda n: (-sizes[n], n)):
        min(filled, key=lambda group: sum(sizes[member] for member in group)).append(name)
    return filled


# ---------------------------------------------------------------- inner development groups


def inner_folds(
    utterances: Sequence[Utterance], label_of: Callable[[Utterance], str | None]
) -> InnerFolds:
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
    label_of: Callable[[Utterance], str | None],
) -> list[set[str]] | None:
    """Ids of up to three groups of whole units, each with every class; None if there are none."""
    units = {utterance.id: unit_of(utterance) for utterance in utterances}
    labels = {utterance.id: label_of(utterance) for utterance in utterances}
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


def _complete(ids: Iterable[str], labels: Mapping[str, Hashable]) -> bool:
    return {labels[name] for name in ids} == set(labels.values())


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
    label_of: Callable[[Utterance], str | None],
) -> InnerFolds:
    """Pair groups of speakers with groups of scripts, because every speaker speaks every script."""
    labels = {utterance.id: label_of(utterance) for utterance in utterances}
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


def _no_groups(utterances: Sequence[Utterance], label_of: Callable[[Utterance], str | None]) -> str:
    speakers: dict[str | None, set[str]] = {}
    for utterance in utterances:
        speakers.setdefault(label_of(utterance), set()).add(speaker_of(utterance))
    rare, names = min(speakers.items(), key=lambda item: len(item[1]))
    return (
        f"no two groups of training speakers both hold every class; {rare!r} is spoken by "
        f"{len(names)} of them: merge or leave out that class, or use folds with more speakers"
    )
