"""From what a model says to the segments of a timeline: smoothing, answers as fine as is sure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from experiments.annotations.segments import Kind, Segment
from experiments.interviews.classify_segments import ClassifiedSegment
from experiments.interviews.emotion import EmotionScores
from fusion.evaluation.backoff import Backoff
from fusion.evaluation.conformal import prediction_set


def segments_of(
    heard: Sequence[ClassifiedSegment],
    backoff: Backoff,
    smooth: int,
    kind: Kind = "classes",
    of_set: float | None = None,
) -> tuple[Segment, ...]:
    """Segments of all pieces.

    Each has the finest answer that ``backoff`` finds sure enough, none where the targets have
    values; and the classes whose probability reaches ``of_set``, where sets are asked for. A piece
    that is silent, or that could not be encoded, has no numbers either.
    """
    rows = iter(smoothed([segment for segment in heard if _is_able(segment)], smooth))

    def decide(segment: ClassifiedSegment) -> Segment:
        unscored = _segment(segment)
        if not _is_able(segment):
            return unscored
        assert isinstance(segment.sounds, EmotionScores)
        fused = tuple(map(float, next(rows)))
        voice, words = segment.sounds.voice, segment.sounds.words
        if kind == "values":
            return replace(unscored, values=fused, voice=voice, words=words)
        among = () if of_set is None else prediction_set(fused, backoff.targets, of_set)
        return replace(
            unscored,
            answer=backoff.answer(fused),
            prediction_set=among,
            probabilities=fused,
            voice=voice,
            words=words,
        )

    return tuple(map(decide, heard))


def _is_able(segment: ClassifiedSegment) -> bool:
    """Whether a model could say something of a piece."""
    return isinstance(segment.sounds, EmotionScores) and not segment.silent


def smoothed(
    heard: Sequence[ClassifiedSegment], width: int
) -> Float64[np.ndarray, "pieces targets"]:
    """What all inputs say, each the mean over the ``width`` pieces of its speaker around it.

    At the ends of a recording fewer pieces are there to be averaged.
    """
    rows = np.array(
        [segment.sounds.fused for segment in heard if isinstance(segment.sounds, EmotionScores)]
    )
    if width == 1 or not len(rows):
        return rows.reshape(len(rows), -1 if len(rows) else 0)
    means = np.empty_like(rows)
    for indices in _by_speaker(heard).values():
        for place, index in enumerate(indices):
            around = indices[max(0, place - width // 2) : place + width // 2 + 1]
            means[index] = rows[around].mean(axis=0)
    return means


def redacted(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments without their words, what these alone say, and reasons to doubt them, which quote.

    A class that words alone give tells what was said.
    """
    return tuple(replace(segment, text=None, text_doubtful=(), words=None) for segment in segments)


def without_names(heard: Sequence[ClassifiedSegment]) -> list[ClassifiedSegment]:
    """Pieces whose speakers are numbered in the order in which they are first heard."""
    names = dict.fromkeys(segment.piece.voice.speaker for segment in heard)
    numbers = {name: f"speaker {number}" for number, name in enumerate(names, start=1)}

    def renamed(segment: ClassifiedSegment) -> ClassifiedSegment:
        voice = segment.piece.voice
        voice = replace(voice, speaker=numbers[voice.speaker])
        return replace(segment, piece=replace(segment.piece, voice=voice))

    return list(map(renamed, heard))


def _by_speaker(heard: Sequence[ClassifiedSegment]) -> Mapping[str, list[int]]:
    indices: dict[str, list[int]] = {}
    for index, segment in enumerate(heard):
        indices.setdefault(segment.piece.voice.speaker, []).append(index)
    return indices


def _segment(segment: ClassifiedSegment) -> Segment:
    voice = segment.piece.voice
    return Segment(
        start_s=voice.start_s,
        end_s=voice.end_s,
        speaker=voice.speaker,
        text=segment.said.text,
        text_doubtful=segment.said.doubts,
        probabilities=(),
        overlap=segment.piece.overlap,
    )
