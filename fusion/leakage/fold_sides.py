"""What lies on two sides of a fold: training, development and test rows that belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8, Int64

from fusion.splitting.folds import Fold, InnerFolds

#: Sides in the order in which they know of each other: a later one must not know an earlier one.
NOWHERE, TRAIN, DEV, TEST = range(4)
#: Rows that a finding names.
NAMED = 3


@dataclass(frozen=True, slots=True)
class Leak:
    """A row that is scored, one that it has something in common with, and the fold's name."""

    row: int
    other: int
    fold: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """Rows that are scored or stopped on and have a counterpart on an earlier side, some shown."""

    rows: Bool[np.ndarray, "rows"]
    leaks: tuple[Leak, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows of one number belong together; -1 is alone."""

    number: Int64[np.ndarray, "rows"]

    def leaking(self, side: Int8[np.ndarray, "rows"]) -> Int64[np.ndarray, "found 2"]:
        """Rows of a later side whose group is on an earlier one too."""
        pairs = []
        for later in (DEV, TEST):
            first = _first_before(self.number, side, later)
            rows = np.flatnonzero((self.number >= 0) & (side == later))
            other = first[self.number[rows]]
            pairs.append(np.stack([rows, other], axis=1)[other >= 0])
        return np.concatenate(pairs)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Groups of rows, and edges between different groups that belong together."""

    number: Int64[np.ndarray, "rows"]
    edges: Int64[np.ndarray, "edges 2"]

    def leaking(self, side: Int8[np.ndarray, "rows"]) -> Int64[np.ndarray, "found 2"]:
        """Rows of a later side that have a neighbouring group on an earlier one."""
        pairs = []
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        for later in (DEV, TEST):
            first = _first_before(self.number, side, later)
            near = np.full_like(first, -1)
            np.maximum.at(near, both[:, 0], first[both[:, 1]])
            rows = np.flatnonzero((self.number >= 0) & (side == later))
            other = near[self.number[rows]]
            pairs.append(np.stack([rows, other], axis=1)[other >= 0])
        return np.concatenate(pairs)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of rows that belong together."""

    pairs: Int64[np.ndarray, "pairs 2"]

    def leaking(self, side: Int8[np.ndarray, "rows"]) -> Int64[np.ndarray, "found 2"]:
        """Pairs on two sides of a fold, the later side first."""
        sides = side[self.pairs]
        apart = (sides.min(axis=1, initial=TEST) > NOWHERE) & (sides[:, 0] != sides[:, 1])
        order = np.argsort(-sides[apart], axis=1)
        return np.take_along_axis(self.pairs[apart], order, axis=1)


#: Rows that belong together.
Link = Groups | Neighbours | Pairs


def _first_before(
    number: Int64[np.ndarray, "rows"], side: Int8[np.ndarray, "rows"], later: int
) -> Int64[np.ndarray, "groups"]:
    """The first row of each group on a side before ``later``, -1 where there is none."""
    before = np.flatnonzero((number >= 0) & (side > NOWHERE) & (side < later))
    first = np.full(int(number.max(initial=-1)) + 1, -1)
    # Backwards, because of several writes to one place the last one stays.
    first[number[before][::-1]] = before[::-1]
    return first


def overlaps(
    ids: Sequence[str], folds: Sequence[Fold], links: Sequence[Link]
) -> tuple[Overlap, ...]:
    """What each link has on two sides of some fold."""
    rows = [np.zeros(len(ids), bool) for _ in links]
    leaks: list[list[Leak]] = [[] for _ in links]
    for name, side in sides_of(ids, folds):
        for link, marked, shown in zip(links, rows, leaks, strict=True):
            pairs = link.leaking(side)
            fresh = pairs[~marked[pairs[:, 0]]][: NAMED - len(shown)]
            shown += [Leak(int(row), int(other), name) for row, other in fresh]
            marked[pairs[:, 0]] = True
    return tuple(Overlap(*parts) for parts in zip(rows, map(tuple, leaks), strict=True))


def inner_sides(names: Sequence[str], inner: Sequence[InnerFolds]) -> tuple[Fold, ...]:
    """Inner folds as folds without a test side, called after the outer fold that they are of."""
    return tuple(
        Fold(f"{name}, inner {number}", fold.train, (), fold.dev)
        for name, splits in zip(names, inner, strict=True)
        for number, fold in enumerate(splits.folds, start=1)
    )


def scored(ids: Sequence[str], folds: Sequence[Fold]) -> Bool[np.ndarray, "rows"]:
    """Rows that some fold scores or stops on."""
    rows = np.zeros(len(ids), bool)
    for _, side in sides_of(ids, folds):
        rows |= side > TRAIN
    return rows


def sides_of(
    ids: Sequence[str], folds: Sequence[Fold]
) -> Iterator[tuple[str, Int8[np.ndarray, "rows"]]]:
    """Name of each fold and the side of each row; ids that are no row are passed over."""
    place = {name: number for number, name in enumerate(ids)}
    for fold in folds:
        side = np.zeros(len(ids), np.int8)
        for names, value in ((fold.train, TRAIN), (fold.dev, DEV), (fold.test, TEST)):
            side[[place[name] for name in names if name in place]] = value
        yield fold.name, side


def numbered(names: Sequence[object | None]) -> Int64[np.ndarray, "rows"]:
    """A number for each different name, -1 for None."""
    number: dict[object, int] = {}
    return np.array(
        [-1 if name is None else number.setdefault(name, len(number)) for name in names], np.int64
    )
