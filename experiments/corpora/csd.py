"""Computational sequences (``.csd``) of the CMU-MultimodalSDK: HDF5 with one group per video.

``<name>/data/<video>/features`` [N, D] and ``/intervals`` [N, 2] in seconds
(https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK, ``mmdatasdk/computational_sequence``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from encoders.utterance import CorpusError, Fault
from experiments.corpora.clips import Segment
from experiments.corpora.cmu import of_sentiment

#: What the SDK writes where nobody speaks.
PAUSE = "sp"


@dataclass(frozen=True, slots=True)
class Series:
    """Features [N, D] of one video and their intervals [N, 2] in seconds."""

    video: str
    features: np.ndarray
    intervals: np.ndarray


def csd_segments(labels: Path, words: Path | None, names: Sequence[str]) -> tuple[Segment, ...]:
    """Labelled segments, with the words spoken in each where their times are there.

    Raises:
        CorpusError: no such file of the SDK, or h5py is not installed.
    """
    spoken = {series.video: series for series in _series(words)} if words is not None else {}
    segments = []
    for series in _series(labels):
        if series.features.shape[1:] != (len(names),):
            what = (
                f"{series.video}: expected {len(names)} values, found {series.features.shape[1:]}"
            )
            raise CorpusError(str(labels), [Fault(series.video, what)])
        for index, (values, (start, end)) in enumerate(
            zip(series.features, series.intervals, strict=True)
        ):
            scores = dict(zip(names, map(float, values), strict=True))
            segments.append(
                Segment(
                    video=series.video,
                    index=str(index),
                    start_s=max(0.0, float(start)),
                    end_s=float(end),
                    text=_text(spoken.get(series.video), float(start), float(end)),
                    split=None,
                    values=scores | of_sentiment(scores["sentiment"]),
                    early_s=max(0.0, -float(start)),
                )
            )
    return tuple(segments)


def _text(words: Series | None, start_s: float, end_s: float) -> str | None:
    """Words whose middle lies in a segment."""
    if words is None:
        return None
    middle = words.intervals.mean(axis=1)
    spoken = words.features[(middle >= start_s) & (middle < end_s), 0]
    text = [word.decode("utf-8", "replace") for word in spoken if isinstance(word, bytes)]
    return " ".join(word for word in text if word != PAUSE) or None


def _series(path: Path) -> Iterator[Series]:
    try:
        import h5py
    except ImportError as error:
        what = "is HDF5: pip install 'serfusion[mosei]', or give a table of labels"
        raise CorpusError(str(path), [Fault(path.name, what)]) from error
    try:
        with h5py.File(path, "r") as file:
            data = _child(_child(file, next(iter(file))), "data")
            for video in data:
                group = _child(data, video)
                features = np.asarray(_child(group, "features"))
                intervals = np.asarray(_child(group, "intervals"), dtype=np.float64)
                if features.ndim != 2 or intervals.shape != (len(features), 2):
                    raise ValueError(f"{video}: {features.shape} values at {intervals.shape} times")
                yield Series(video, features, intervals)
    except (OSError, KeyError, ValueError, StopIteration) as error:
        what = f"no computational sequence ({error}): expected <name>/data/<video>/features"
        raise CorpusError(str(path), [Fault(path.name, what)]) from error


def _child(group: Any, name: str) -> Any:  # noqa: ANN401 - h5py has no types
    """What lies in the file itself: a link in it must not make us read another one."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise KeyError(f"{name} is a link, or not there")
    return group[name]
