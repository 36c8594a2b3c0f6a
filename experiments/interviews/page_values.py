"""What a page shows of values, as of valence and arousal: the level of every segment over time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.annotations.segments import Segment, Timeline


@dataclass(frozen=True, slots=True)
class ValuePoint:
    """A segment as a bar of a chart; all in percent, ``bottom`` of the chart's height."""

    left: str
    width: str
    bottom: str
    title: str


@dataclass(frozen=True, slots=True)
class ValueCurve:
    """A dimension of one speaker over time, between the least and the greatest value of all."""

    dimension: str
    speaker: str
    low: str
    high: str
    levels: tuple[ValuePoint, ...]


def values_in_words(values: Sequence[float], targets: Sequence[str]) -> str:
    """Values as words.

    >>> values_in_words((3.21, 0.5), ("valence", "arousal"))
    'valence 3.21, arousal 0.5'
    """
    return ", ".join(f"{name} {value:.3g}" for name, value in zip(targets, values, strict=True))


def traces_of(timeline: Timeline) -> tuple[ValueCurve, ...]:
    """A chart for each dimension and speaker; charts of a dimension have one scale."""
    return tuple(_traces(timeline))


def means_of(own: Sequence[Segment], targets: Sequence[str]) -> tuple[str, ...]:
    """The mean of each dimension over a speaker's segments, each weighted by its length."""
    known = [one for one in own if one.values]
    if not known:
        return ("–",) * len(targets)
    lengths = [one.end_s - one.start_s for one in known]
    means = np.average([one.values for one in known], axis=0, weights=lengths)
    return tuple(f"{mean:.3g}" for mean in means)


def _traces(timeline: Timeline) -> Iterator[ValueCurve]:
    known = [one for one in timeline.segments if one.values]
    for number, dimension in enumerate(timeline.targets if known else ()):
        found = [one.values[number] for one in known]
        low, high = min(found), max(found)
        for speaker in timeline.speakers:
            own = [one for one in known if one.speaker == speaker]
            scale = 100 / timeline.duration_s
            levels = tuple(
                ValuePoint(
                    f"{scale * one.start_s:.3f}",
                    f"{scale * (one.end_s - one.start_s):.3f}",
                    f"{_height(one.values[number], low, high):.1f}",
                    f"{dimension} {one.values[number]:.3g}",
                )
                for one in own
            )
            yield ValueCurve(dimension, speaker, f"{low:.3g}", f"{high:.3g}", levels)


def _height(value: float, low: float, high: float) -> float:
    return 50.0 if high == low else 100 * (value - low) / (high - low)
