"""From what a model says to the segments of a timeline: smoothing over neighbours, abstention."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from experiments.annotations.segments import Kind, Segment
from experiments.interviews.classify_segments import ClassifiedSegment
from experiments.interviews.emotion import EmotionScores


def segments_of(
    heard: Sequence[ClassifiedSegment],
    targets: Sequence[str],
    abstain: float | None,
    smooth: int,
    kind: Kind = "classes",
) -> tuple[Segment, ...]:
    """Segments of all pieces.

    No class is named where the highest probability is below ``abstain``, nor where the targets have
    values. A piece that is silent, or that could not be encoded, has no numbers either.
    """
    able = [one for one in heard if _is_able(one)]
    rows = iter(smoothed(able, smooth))

    def told(one: ClassifiedSegment) -> Segment:
        if not _is_able(one):
            return _segment(one)
        fused = tuple(map(float, next(rows)))
        if kind == "values":
            return _valued(one, fused)
        return _classified(one, fused, targets, abstain)

    return tuple(told(one) for one in heard)


def _is_able(one: ClassifiedSegment) -> bool:
    """Whether a model could say something of a piece."""
    return isinstance(one.sounds, EmotionScores) and not one.silent


def smoothed(
    heard: Sequence[ClassifiedSegment], width: int
) -> Float64[np.ndarray, "pieces targets"]:
    """What all inputs say, each the mean over the ``width`` pieces of its speaker around it.

    At the ends of a recording fewer pieces are there to be averaged.
    """
    rows = np.array([one.sounds.fused for one in heard if isinstance(one.sounds, EmotionScores)])
    if width == 1 or not len(rows):
        return rows.reshape(len(rows), -1 if len(rows) else 0)
    found = np.empty_like(rows)
    for own in _by_speaker(heard).values():
        for place, index in enumerate(own):
            around = own[max(0, place - width // 2) : place + width // 2 + 1]
            found[index] = rows[around].mean(axis=0)
    return found


def redacted(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments without their words, and without reasons to doubt them, which quote words."""
    return tuple(replace(one, text=None, text_doubtful=()) for one in segments)


def _by_speaker(heard: Sequence[ClassifiedSegment]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, one in enumerate(heard):
        found.setdefault(one.piece.voice.speaker, []).append(index)
    return found


def _classified(
    one: ClassifiedSegment, fused: tuple[float, ...], targets: Sequence[str], abstain: float | None
) -> Segment:
    assert isinstance(one.sounds, EmotionScores)
    highest = max(fused)
    unsure = abstain is not None and highest < abstain
    return replace(
        _segment(one),
        label=None if unsure else targets[fused.index(highest)],
        probabilities=fused,
        voice=one.sounds.voice,
        words=one.sounds.words,
    )


def _valued(one: ClassifiedSegment, fused: tuple[float, ...]) -> Segment:
    assert isinstance(one.sounds, EmotionScores)
    found = _segment(one)
    return replace(found, values=fused, voice=one.sounds.voice, words=one.sounds.words)


def _segment(one: ClassifiedSegment) -> Segment:
    voice = one.piece.voice
    return Segment(
        start_s=voice.start_s,
        end_s=voice.end_s,
        speaker=voice.speaker,
        text=one.said.text,
        text_doubtful=one.said.doubts,
        probabilities=(),
        overlap=one.piece.overlap,
    )
