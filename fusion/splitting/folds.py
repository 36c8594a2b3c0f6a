"""Outer and inner folds as values, and the check at their border."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from encoders.utterance import Utterance
from fusion.splitting.protocols import SplitError

#: The class of an utterance, its classes, or none.
Classes = str | frozenset[str] | None
LabelOf = Callable[[Utterance], Classes]


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


def classes_of(classes: Classes) -> frozenset[str]:
    """What a row stands for where a fold must hold every class: one, several, or none."""
    if classes is None:
        return frozenset()
    return frozenset({classes}) if isinstance(classes, str) else classes


def speaker_of(utterance: Utterance) -> str:
    """Speaker of an utterance; an error where it is not known, because a leak could hide there."""
    if utterance.speaker is None:
        raise SplitError(
            f"{utterance.id}: the speaker is not known, so folds cannot be kept apart; "
            "fill the 'speaker' column (one name per person)"
        )
    return utterance.speaker


def assert_speakers_apart(
    fold: Fold | InnerFold, utterances: Sequence[Utterance], remedy: str = ""
) -> None:
    """Raise a :class:`SplitError`, with what helps, if a speaker is on two sides of a fold."""
    speakers = {utterance.id: speaker_of(utterance) for utterance in utterances}
    sides = {
        side: {speakers[name] for name in getattr(fold, side, ())}
        for side in ("train", "dev", "test")
    }
    for left, right in (("train", "dev"), ("train", "test"), ("dev", "test")):
        shared = sorted(sides[left] & sides[right])
        if shared:
            raise SplitError(
                f"fold {getattr(fold, 'name', '')}: speaker {', '.join(shared[:5])} "
                f"({len(shared)} in all) is in both {left} and {right}{remedy and f'; {remedy}'}"
            )


def grouped(
    utterances: Iterable[Utterance], name_of: Callable[[Utterance], str | None], what: str
) -> dict[str, list[str]]:
    """Ids by the name of something; a :class:`SplitError` where an utterance has none."""
    groups: dict[str, list[str]] = {}
    for utterance in utterances:
        name = name_of(utterance)
        if name is None:
            raise SplitError(f"--folds {what}: {utterance.id} has no {what}")
        groups.setdefault(name, []).append(utterance.id)
    return groups


def balanced(sizes: Mapping[str, int], groups: int) -> list[list[str]]:
    """Groups of nearly equal size: the largest first, each to the group that has least."""
    filled: list[list[str]] = [[] for _ in range(groups)]
    for name in sorted(sizes, key=lambda n: (-sizes[n], n)):
        min(filled, key=lambda group: sum(sizes[member] for member in group)).append(name)
    return filled


def in_turn(
    utterances: Sequence[Utterance], tests: Mapping[str, Sequence[str]], what: str
) -> tuple[Fold, ...]:
    """One fold for each test set, trained on all other rows, in the order of their names."""
    if len(tests) < 2:
        raise SplitError(f"--folds {what}: only one {what}, at least two are needed")
    side = {i: name for name, test in tests.items() for i in test}
    return tuple(
        Fold(name, tuple(u.id for u in utterances if side[u.id] != name), tuple(test))
        for name, test in sorted(tests.items(), key=lambda item: _natural(item[0]))
    )


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (10**9, name)
