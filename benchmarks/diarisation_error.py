"""Who spoke when, guessed against known: the diarisation error rate of NIST.

Scored as by ``md-eval.pl`` of the Rich Transcription evaluations (NIST 2009): at every instant the
speakers of the reference that are missing, those who are one too many, and those who are confused
are counted, over the time of all speakers in the reference; overlap counts, and within ``collar_s``
of a boundary of the reference nothing does. Guessed speakers are matched with true ones so that
most time agrees.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

COLLAR_S = 0.25


@dataclass(frozen=True, slots=True)
class Spoken:
    """A stretch of one speaker, in seconds."""

    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True, slots=True)
class DiarisationError:
    """Seconds of each kind of error, and of all speakers in the reference."""

    missed_s: float
    false_alarm_s: float
    confused_s: float
    reference_s: float

    @property
    def rate(self) -> float:
        """Diarisation error rate; it may exceed 1."""
        return (self.missed_s + self.false_alarm_s + self.confused_s) / self.reference_s

    @property
    def miss_rate(self) -> float:
        """Speech that was missed, per second of the reference."""
        return self.missed_s / self.reference_s

    @property
    def false_alarm_rate(self) -> float:
        """Speech that is none, per second of the reference."""
        return self.false_alarm_s / self.reference_s


def diarisation_error(
    reference: Sequence[Spoken], guess: Sequence[Spoken], collar_s: float = COLLAR_S
) -> DiarisationError:
    """Errors of a guess; names of guessed speakers mean nothing.

    Raises:
        ValueError: the collars leave nothing of the reference to be scored.
    """
    instants = list(_instants(reference, guess, collar_s))
    mapping = _mapping(instants)
    missed = false_alarm = confused = total = 0.0
    for one in instants:
        known, guessed = len(one.reference), len(one.guess)
        agreed = sum(mapping.get(name) in one.reference for name in one.guess)
        missed += one.length_s * max(0, known - guessed)
        false_alarm += one.length_s * max(0, guessed - known)
        confused += one.length_s * (min(known, guessed) - agreed)
        total += one.length_s * known
    if total <= 0:
        raise ValueError(f"a collar of {collar_s:g} s leaves nothing of the reference to be scored")
    return DiarisationError(missed, false_alarm, confused, total)


def detection_error(
    reference: Sequence[Spoken], guess: Sequence[Spoken], collar_s: float = COLLAR_S
) -> DiarisationError:
    """Errors in where speech is, whoever speaks: stretches of all speakers count as one's."""
    return diarisation_error(_anyone(reference), _anyone(guess), collar_s)


@dataclass(frozen=True, slots=True)
class _Instant:
    """A stretch in which nobody starts or ends."""

    length_s: float
    reference: frozenset[str]
    guess: frozenset[str]


def _instants(
    reference: Sequence[Spoken], guess: Sequence[Spoken], collar_s: float
) -> Iterable[_Instant]:
    """The stretches that are scored: outside the collars, and somebody speaks in one or other."""
    bounds = sorted({time for one in reference for time in (one.start_s, one.end_s)})
    edges = {time + side for time in bounds for side in (-collar_s, collar_s)}
    edges |= {time for one in (*reference, *guess) for time in (one.start_s, one.end_s)}
    ordered = sorted(edges)
    collars = np.array(bounds)
    true, guessed = _Active(reference), _Active(guess)
    for start_s, end_s in pairwise(ordered):
        middle_s = (start_s + end_s) / 2
        near = np.searchsorted(collars, middle_s)
        around = collars[max(0, near - 1) : near + 1]
        if (np.abs(around - middle_s) < collar_s).any():
            continue
        found = _Instant(end_s - start_s, true.at(middle_s), guessed.at(middle_s))
        if found.reference or found.guess:
            yield found


class _Active:
    """Speakers at a time, asked in the order of time."""

    def __init__(self, spoken: Sequence[Spoken]) -> None:
        self._coming = sorted(spoken, key=lambda one: one.start_s, reverse=True)
        self._now: list[Spoken] = []

    def at(self, time_s: float) -> frozenset[str]:
        while self._coming and self._coming[-1].start_s <= time_s:
            self._now.append(self._coming.pop())
        self._now = [one for one in self._now if one.end_s > time_s]
        return frozenset(one.speaker for one in self._now)


def _mapping(instants: Iterable[_Instant]) -> dict[str, str]:
    """The true speaker of each guessed one, each at most once."""
    shared: dict[tuple[str, str], float] = {}
    for one in instants:
        for true in one.reference:
            for guessed in one.guess:
                pair = (true, guessed)
                shared[pair] = shared.get(pair, 0.0) + one.length_s
    rows = sorted({true for true, _ in shared})
    columns = sorted({guessed for _, guessed in shared})
    table = np.array([[shared.get((row, column), 0.0) for column in columns] for row in rows])
    if not shared:
        return {}
    pairs = zip(*linear_sum_assignment(table, maximize=True), strict=True)
    return {columns[column]: rows[row] for row, column in pairs if table[row, column] > 0}


def _anyone(spoken: Sequence[Spoken]) -> list[Spoken]:
    return [replace(one, speaker="") for one in spoken]
