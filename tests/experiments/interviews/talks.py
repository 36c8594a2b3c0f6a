"""Small talks for the pages of interviews."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from experiments.annotations.segments import Segment, Timeline
from fusion.evaluation.backoff import Answer


def segment(start_s: float, end_s: float, speaker: str, **fields) -> Segment:
    given = {"label": "sad", "level": "class", "probabilities": (0.3, 0.7), **fields}
    label, level = given.pop("label"), given.pop("level")
    sure = given.pop("sure", max(given["probabilities"], default=0.0))
    answer = None if label is None else Answer(level, label, sure)
    return Segment(start_s=start_s, end_s=end_s, speaker=speaker, answer=answer, **given)


def timeline(*segments: Segment, name: str = "talk.wav") -> Timeline:
    facts = {"speakers": "given", "words": "none", "notes": ["a note"], "model": "late"}
    return Timeline(
        recording=name,
        duration_s=10.0,
        targets=("calm", "sad"),
        segments=segments,
        facts=facts,
    )


TALK = timeline(
    segment(0.0, 3.0, "anna", text="I thought you had left", voice=(0.2, 0.8), words=(0.6, 0.4)),
    segment(
        3.0,
        6.0,
        "ben",
        text="Thank you",
        text_doubtful=("repeats 'x'",),
        label="calm",
        probabilities=(0.9, 0.1),
    ),
    segment(6.5, 9.0, "anna", label=None, probabilities=(0.5, 0.5), overlap=True),
)
PEAKS = np.linspace(0, 1, 200, dtype=np.float32)


def moods(*angry: float, speaker: str = "anna", start_s: float = 0.0) -> tuple[Segment, ...]:
    """Segments of a second each, between neutral and angry."""
    return tuple(
        segment(start_s + k, start_s + k + 1, speaker, label=None, probabilities=(p, 1 - p))
        for k, p in enumerate(angry)
    )


def angry_or_neutral(*segments: Segment) -> Timeline:
    return replace(timeline(), duration_s=20.0, targets=("angry", "neutral"), segments=segments)
