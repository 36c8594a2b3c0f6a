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


def means_of(segments: Sequence[Segment], targets: Sequence[str]) -> tuple[str, ...]:
    """The mean of each dimension over a speaker's segments, each weighted by its length."""
    known = [segment for segment in segments if segment.values]
    if not known:
        return ("–",) * len(targets)
    lengths = [segment.end_s - segment.start_s for segment in known]
    means = np.average([segment.values for segment in known], axis=0, weights=lengths)
    return tuple(f"{mean:.3g}" for mean in means)


def _traces(timeline: Timeline) -> Iterator[ValueCurve]:
    known = [segment for segment in timeline.segments if segment.values]
    for number, dimension in enumerate(timeline.targets if known else ()):
        values = [segment.values[number] for segment in known]
        low, high = min(values), max(values)
        for speaker in timeline.speakers:
            segments = [segment for segment in known if segment.speaker == speaker]
            scale = 100 / timeline.duration_s
            levels = tuple(
                ValuePoint(
                    f"{scale * segment.start_s:.3f}",
                    f"{scale * (segment.end_s - segment.start_s):.3f}",
                    f"{_height(segment.values[number], low, high):.1f}",
                    f"{dimension} {segment.values[number]:.3g}",
                )
                for segment in segments
            )
            yield ValueCurve(dimension, speaker, f"{low:.3g}", f"{high:.3g}", levels)


def _height(value: float, low: float, high: float) -> float:
    return 50.0 if high == low else 100 * (value - low) / (high - low)
