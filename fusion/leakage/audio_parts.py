"""Pairs of recordings that have a stretch of sound in common, by landmarks at one distance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from encoders.analysis.landmarks import Landmarks, thinned

#: Landmarks that two recordings have in common at one distance in time, within a frame either way,
#: from which they share a stretch. Of 1.3 million pairs of different recordings of RAVDESS, EmoDB
#: and the demo, the same words by the same speaker among them, none has more than nine.
STRETCH_FROM = 10
#: Fewer are enough where they are this share of the shorter one's: then it is a part of the other,
#: or a copy. Of those pairs none with four in common has more than a twelfth.
PART_FROM, PART_SHARE = 7, 0.15
#: Of thinned landmarks, one in eight: no recording of EmoDB, and none of half of RAVDESS's actors,
#: has more than three in common with one of (the other half of) RAVDESS.
KNOWN_FROM = 4
#: A number that more recordings than this have, or one in so many of all, tells nothing.
COMMON, COMMON_SHARE = 50, 100
#: Frames by which distances are kept apart of recordings.
FARTHEST = 1 << 22


@dataclass(frozen=True, slots=True)
class Shared:
    """Pairs of rows with a stretch in common, and which of them are most of a recording."""

    pairs: Int64[np.ndarray, "pairs 2"]
    most: Bool[np.ndarray, "pairs"]


def sharing(
    landmarks: Sequence[Landmarks],
    speaker: Int64[np.ndarray, "rows"],
    progress: Callable[[int, int], None] | None = None,
) -> Shared:
    """Pairs that share a stretch, the first row before the second.

    Rows of one number in ``speaker`` are not compared, those of -1 with all.
    """
    index = _Index.of(landmarks)
    pairs: list[tuple[int, int]] = []
    most: list[bool] = []
    for row, marks in enumerate(landmarks):
        for other, votes in index.earlier(row, marks, PART_FROM):
            part = votes >= PART_SHARE * min(len(marks), len(landmarks[other]))
            apart = speaker[row] != speaker[other] or speaker[row] < 0
            if apart and (part or votes >= STRETCH_FROM):
                pairs.append((other, row))
                most.append(part)
        if progress is not None and (row + 1) % COMMON == 0:
            progress(row + 1, len(landmarks))
    return Shared(np.array(pairs, np.int64).reshape(-1, 2), np.array(most, bool))


def in_part_known(
    landmarks: Sequence[Landmarks | None], known: Sequence[Landmarks]
) -> Bool[np.ndarray, "rows"]:
    """Rows that have a part in common with some recording of a record, whose landmarks are thinned.

    None has nothing in common.
    """
    index = _Index.of(known)
    few = [None if marks is None else thinned(marks) for marks in landmarks]
    found = [
        marks is not None and bool(index.earlier(len(known), marks, KNOWN_FROM)) for marks in few
    ]
    return np.array(found, bool)


@dataclass(frozen=True, slots=True)
class _Index:
    """All landmarks in the order of their numbers, rows ascending within a number."""

    numbers: Int64[np.ndarray, "marks"]
    rows: Int64[np.ndarray, "marks"]
    frames: Int64[np.ndarray, "marks"]

    @classmethod
    def of(cls, landmarks: Sequence[Landmarks]) -> "_Index":
        count = [len(marks) for marks in landmarks]
        rows = np.repeat(np.arange(len(count)), count)
        nothing = [np.zeros(0, np.int64)]
        numbers = np.concatenate([*nothing, *(marks.numbers for marks in landmarks)])
        frames = np.concatenate([*nothing, *(marks.frames for marks in landmarks)])
        order = np.argsort(numbers, kind="stable")
        numbers, rows, frames = numbers[order], rows[order], frames[order]
        _, place, often = np.unique(numbers, return_inverse=True, return_counts=True)
        kept = often[place] <= max(COMMON, len(count) // COMMON_SHARE)
        return cls(numbers[kept], rows[kept], frames[kept])

    def earlier(self, row: int, marks: Landmarks, least: int) -> list[tuple[int, int]]:
        """Earlier rows with so many landmarks in common with a row, and how many."""
        start = np.searchsorted(self.numbers, marks.numbers, "left")
        count = np.searchsorted(self.numbers, marks.numbers, "right") - start
        # Every landmark of the row with each of the same number.
        own = np.repeat(np.arange(len(marks)), count)
        found = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + start[own]
        before = self.rows[found] < row
        own, found = own[before], found[before]
        distance = marks.frames[own] - self.frames[found] + FARTHEST // 2
        place, votes = np.unique(self.rows[found] * FARTHEST + distance, return_counts=True)
        # Frames of a part begin between those of the whole: two distances count together.
        joined = votes[:-1] + np.where(np.diff(place) == 1, votes[1:], 0)
        votes = np.maximum(votes, np.append(joined, 0))[: len(votes)]
        enough = votes >= least
        best: dict[int, int] = {}
        for other, number in zip(place[enough] // FARTHEST, votes[enough], strict=True):
            best[int(other)] = max(best.get(int(other), 0), int(number))
        return list(best.items())
