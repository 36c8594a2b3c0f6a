"""Predictions as columns: a row costs a few bytes, however long its names are.

What rows share stands in two tables: :class:`Subject`, what an utterance is, and :class:`Place`,
which head said something of it. A row is a number into each, a window and its scores.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar, overload

import numpy as np
from jaxtyping import Bool, Float, Float64, Int32, Int64, Shaped

Split = Literal["dev", "test"]
Key = TypeVar("Key", bound=Hashable)
Rows = Bool[np.ndarray, "rows"] | Int64[np.ndarray, "some"] | slice

#: Probabilities have six decimals: whole millionths are kept of them.
MILLION = 1_000_000
#: Stands for a row that is no window.
WHOLE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Scores of one arm for one utterance.

    ``turn`` is its place in its dialogue; session, dialogue and turn are None where they are not
    known. ``inner_fold`` is None for the mean over the inner folds' heads, which is what is scored
    on test rows; ``window`` is the number of a window, None where the utterance is scored as one.
    """

    run: str
    corpus: str
    utterance: str
    speaker: str
    session: str | None = None
    dialogue: str | None = None
    turn: int | None = None
    arm: str
    outer_fold: str
    inner_fold: int | None
    seed: int
    split: Split
    window: int | None
    target: tuple[float, ...]
    scores: tuple[float, ...]


class Subject(NamedTuple):
    """What an utterance is."""

    corpus: str
    utterance: str
    speaker: str
    session: str | None
    dialogue: str | None
    turn: int | None
    target: tuple[float, ...]


class Place(NamedTuple):
    """Which head of which run said something, and on which side of its fold."""

    run: str
    arm: str
    outer_fold: str
    inner_fold: int | None
    seed: int
    split: Split


@dataclass(frozen=True, slots=True, eq=False)
class Predictions(Sequence[Prediction]):
    """Rows of predictions; ``scores`` are whole millionths where all are, else float64."""

    subjects: tuple[Subject, ...]
    places: tuple[Place, ...]
    subject: Int32[np.ndarray, "rows"]
    place: Int32[np.ndarray, "rows"]
    window: Int32[np.ndarray, "rows"]
    scores: Shaped[np.ndarray, "rows targets"]

    @property
    def values(self) -> Float64[np.ndarray, "rows targets"]:
        """Scores as numbers."""
        return unpacked(self.scores)

    @property
    def windowed(self) -> bool:
        """Whether some rows are of windows."""
        return bool((self.window != WHOLE).any())

    def __len__(self) -> int:
        return len(self.subject)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> "Predictions": ...
    def __getitem__(self, index: int | slice) -> "Prediction | Predictions":
        if isinstance(index, slice):
            return self.where(index)
        return next(iter(self.where(np.array([index]))))

    def __iter__(self) -> Iterator[Prediction]:
        columns = (self.subject, self.place, self.window)
        # In blocks, because as Python's own numbers scores take eight times as much.
        for start in range(0, len(self), MILLION):
            block = [column[start : start + MILLION].tolist() for column in columns]
            scores = unpacked(self.scores[start : start + MILLION]).tolist()
            for subject, place, window, row in zip(*block, scores, strict=True):
                yield Prediction(
                    **self.subjects[subject]._asdict(),
                    **self.places[place]._asdict(),
                    window=None if window == WHOLE else window,
                    scores=tuple(row),
                )

    def where(self, rows: Rows) -> "Predictions":
        """Some rows, by a mask, their numbers or a slice."""
        columns = (self.subject, self.place, self.window, self.scores)
        return Predictions(self.subjects, self.places, *(column[rows] for column in columns))

    def at(self, keep: Callable[[Place], bool]) -> "Predictions":
        """Rows of some places."""
        return self.where(np.array([*map(keep, self.places)], bool)[self.place])

    def of(self, keep: Callable[[Subject], bool]) -> "Predictions":
        """Rows of some utterances."""
        return self.where(np.array([*map(keep, self.subjects)], bool)[self.subject])

    def by(self, key: Callable[[Place], Key]) -> dict[Key, "Predictions"]:
        """Rows apart by something of their place, the group of the first row first."""
        keys: dict[Key, int] = {}
        number = [keys.setdefault(key(place), len(keys)) for place in self.places]
        group = np.array(number, np.int64)[self.place]
        order = np.argsort(group, kind="stable")
        ends = np.searchsorted(group[order], np.arange(1, len(keys)))
        parts = zip(keys, np.split(order, ends), strict=True)
        there = sorted((part for part in parts if len(part[1])), key=lambda part: part[1][0])
        return {name: self.where(rows) for name, rows in there}

    def with_places(self, change: Callable[[Place], Place]) -> "Predictions":
        """The same rows at other places."""
        return replace(self, places=tuple(map(change, self.places)))

    def with_subjects(self, change: Callable[[Subject], Subject]) -> "Predictions":
        """The same rows with other knowledge of the utterances."""
        return replace(self, subjects=tuple(map(change, self.subjects)))

    def present(self) -> list[Subject]:
        """Subjects that some row is of."""
        return [self.subjects[number] for number in np.unique(self.subject)]


def columns(rows: Iterable[Prediction]) -> Predictions:
    """Rows as columns, if they are not already.

    Raises:
        ValueError: rows have different numbers of scores or targets.
    """
    if isinstance(rows, Predictions):
        return rows
    subjects: dict[Subject, int] = {}
    places: dict[Place, int] = {}
    about: list[tuple[int, int, int]] = []
    scores: list[tuple[float, ...]] = []
    for row in rows:
        subject = Subject(*(getattr(row, name) for name in Subject._fields))
        place = Place(*(getattr(row, name) for name in Place._fields))
        window = WHOLE if row.window is None else row.window
        number = subjects.setdefault(subject, len(subjects))
        about.append((number, places.setdefault(place, len(places)), window))
        scores.append(row.scores)
    widths = {*map(len, scores), *(len(subject.target) for subject in subjects)}
    if len(widths) > 1:
        raise ValueError(f"expected as many scores as targets in every row, got {sorted(widths)}")
    known = np.array(about, np.int32).reshape(-1, 3)
    values = np.array(scores, float).reshape(len(known), -1) if scores else np.zeros((0, 0))
    subject, place, window = np.ascontiguousarray(known.T)
    tables = (tuple(subjects), tuple(places))
    return Predictions(*tables, subject, place, window, packed(values))


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Rows of several one after the other."""
    subjects: dict[Subject, int] = {}
    places: dict[Place, int] = {}
    numbers = [
        (
            _into(subjects, part.subjects)[part.subject],
            _into(places, part.places)[part.place],
            part.window,
        )
        for part in parts
    ]
    alike = len({part.scores.dtype for part in parts}) == 1
    scores = np.concatenate([part.scores if alike else part.values for part in parts])
    subject, place, window = map(np.concatenate, zip(*numbers, strict=True))
    return Predictions(tuple(subjects), tuple(places), subject, place, window, scores)


def _into(table: dict[Key, int], rows: Sequence[Key]) -> Int32[np.ndarray, "rows"]:
    """Numbers of rows in a table that they are added to."""
    return np.array([table.setdefault(row, len(table)) for row in rows], np.int32)


def packed(values: Float[np.ndarray, "rows targets"]) -> Shaped[np.ndarray, "rows targets"]:
    """Scores as whole millionths, where that loses nothing."""
    if (np.abs(values) < np.iinfo(np.int32).max / MILLION).all():
        millionths = np.rint(values * MILLION)
        if (millionths / MILLION == values).all():
            return millionths.astype(np.int32)
    return np.asarray(values, float)


def unpacked(scores: Shaped[np.ndarray, "rows targets"]) -> Float64[np.ndarray, "rows targets"]:
    """Scores as numbers, of :func:`packed`."""
    return scores / MILLION if scores.dtype == np.int32 else scores
