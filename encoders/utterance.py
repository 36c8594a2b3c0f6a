"""The utterance and the corpus: what every later step is about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Task = Literal["single-label", "multi-label", "distribution", "regression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One stretch of speech by one speaker, with what is known of it.

    ``target`` has the length of ``Corpus.targets`` (one-hot, multi-hot, shares or values); None
    means unlabelled, which is not "no class present". ``transcript`` is None where the words are
    not known, never an empty string. ``turn`` orders the utterances of a ``dialogue``, a lower one
    comes first. ``end_s`` None means: to the end of the file. ``channel``
    counts from 1; None is the mean of all. ``corpus`` is the corpus of origin where several were
    merged, None elsewhere.
    """

    id: str
    audio: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    channel: int | None = None
    transcript: str | None = None
    speaker: str | None = None
    target: tuple[float, ...] | None = None
    dialogue: str | None = None
    turn: float | None = None
    session: str | None = None
    script: str | None = None
    split: str | None = None
    fold: str | None = None
    language: str | None = None
    sex: str | None = None
    age: float | None = None
    corpus: str | None = None


@dataclass(frozen=True, slots=True)
class Listeners:
    """What people heard: the share of their votes for each target, by utterance.

    ``source`` says whose votes these are and what a reader must know; ``counted`` is False where
    only majorities are known.
    """

    votes: Mapping[str, tuple[float, ...]]
    source: str
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Utterances with one task and one fixed order of targets.

    ``folds`` names the protocol that the corpus brings along: ``fold`` (column), ``split``
    (official train / dev / test), ``speaker`` (leave one speaker out) or ``groups``. ``synthetic``
    speech is said to be so beside every number. ``extra`` are rows that only train, in every fold,
    with the corpus that they come from by their id; ``listeners`` are votes beside the labels.
    """

    name: str
    root: Path
    task: Task
    targets: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    folds: str = "groups"
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    listeners: Listeners | None = field(default=None, repr=False)

    def own(self, utterances: Iterable[Utterance]) -> tuple[Utterance, ...]:
        """Those of some utterances that are not only trained on."""
        return tuple(utterance for utterance in utterances if utterance.id not in self.extra)

    def label(self, utterance: Utterance) -> str | None:
        """Name of the class of a single-label utterance; None where it is unlabelled."""
        target = utterance.target
        return None if target is None else self.targets[target.index(max(target))]

    def classes(self, utterance: Utterance) -> frozenset[str]:
        """Targets that an utterance stands for where folds must hold every one.

        Its class, all its labels, or the one that most votes are for; none where several share the
        most votes, where targets are values, or without a label.
        """
        target = utterance.target
        if target is None or self.task == "regression":
            return frozenset()
        # Shares are stored as decimals: a tie is one within rounding.
        least = 0.5 if self.task == "multi-label" else max(target) - 1e-9
        named = frozenset([n for n, v in zip(self.targets, target, strict=True) if v >= least])
        return frozenset() if self.task == "distribution" and len(named) > 1 else named


def linked(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Names that share a place, however indirectly, each by the name of one of them.

    >>> linked([("ann", "1"), ("bob", "1"), ("cem", "2"), ("bob", "2"), ("dot", None)])
    {'ann': 'bob', 'bob': 'bob', 'cem': 'bob', 'dot': 'dot'}
    """
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    first: dict[str, str] = {}
    for name, place in pairs:
        one = find(name)
        if place is not None:
            root[find(first.setdefault(place, one))] = one
    return {name: find(name) for name in root}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input, where it is, and what to do about it.

    Faults of one ``kind`` are shown as one; those without a kind where their words are equal.
    """

    where: str
    what: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def grouped(faults: Iterable[Fault]) -> list[str]:
    """One line for each kind of fault, in the order of their first.

    >>> grouped([Fault("line 2", "no file", "file"), Fault("line 3", "no files", "file")])
    ['2 rows (first line 2): no file']
    """
    kinds: dict[str, list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind or fault.what, []).append(fault)
    return [
        str(alike[0])
        if len(alike) == 1
        else f"{len(alike)} rows (first {alike[0].where}): {alike[0].what}"
        for alike in kinds.values()
    ]


class CorpusError(ValueError):
    """A corpus cannot be used as it is; carries every fault found, not only the first."""

    SHOWN = 20

    def __init__(self, source: str, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = grouped(self.faults)
        shown = [f"  {line}" for line in lines[: self.SHOWN]]
        if len(lines) > self.SHOWN:
            shown.append(f"  ... and {len(lines) - self.SHOWN} more")
        count = f"{len(self.faults)} fault" + ("s" if len(self.faults) != 1 else "")
        super().__init__("\n".join([f"{source}: {count}", *shown]))


def one_hot(label: str, targets: tuple[str, ...]) -> tuple[float, ...]:
    """Target of a single-label utterance.

    >>> one_hot("happy", ("angry", "happy"))
    (0.0, 1.0)
    """
    if label not in targets:
        raise ValueError(f"unknown label {label!r}: expected one of {', '.join(targets)}")
    return tuple(float(label == target) for target in targets)
