"""Word error rate and speed of every recogniser that is on this machine, on clips with references.

The clips are a telephone call, cut at the sentences of its reference (thirteen, two speakers), one
channel of a studio, and a speech of 1961. They are few: they tell a recogniser that works from
one that does not, and no more. What has no weights here is listed with the command that fetches
them.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.functionals import DATA
from encoders.asr.recognisers import parse_recogniser
from encoders.asr.transcription import Recogniser, load_recogniser
from encoders.audio.reading import read_segment
from encoders.audio.streaming import Span, read_spans
from encoders.audio.waveform import Audio
from encoders.weights.sources import MissingWeightsError
from experiments.annotations.turns import read_turns

NAMES = (
    "pocketsphinx",
    *("whisper-tiny.en", "whisper-base", "whisper-small", "whisper-large-v3-turbo"),
    *("faster-whisper-base", "faster-whisper-small", "transformers-whisper-base"),
)
#: What is said in the second channel; of the first the reference has the beginning only.
SECOND = "The horizon seems extremely distant"
JFK = (
    "And so my fellow Americans, ask not what your country can do for you, ask what you can do for "
    "your country."
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of speech with the words that are said in it."""

    group: str
    audio: Audio
    said: str


def measure() -> str:
    """A line for each recogniser."""
    clips = list(_clips(DATA / "interview"))
    groups = list(dict.fromkeys(clip.group for clip in clips))
    lines = [
        f"| recogniser | {' | '.join(groups)} | seconds per second |",
        f"|---|{'---|' * (len(groups) + 1)}",
    ]
    for name in NAMES:
        try:
            recogniser = load_recogniser(parse_recogniser(name))
        except MissingWeightsError:
            how = f"not measured: `serfusion models fetch {name}; python -m benchmarks recognisers`"
            lines.append(f"| {name} | {how} |{' |' * len(groups)}")
            continue
        lines.append(_line(name, recogniser, clips, groups))
    words = {
        group: sum(len(words_of(c.said)) for c in clips if c.group == group) for group in groups
    }
    counts = ", ".join(f"{group} {count}" for group, count in words.items())
    return "\n".join(lines) + f"\n\nWord error rate; words in the references: {counts}."


def _line(name: str, recogniser: Recogniser, clips: Sequence[Clip], groups: Sequence[str]) -> str:
    errors, words = dict.fromkeys(groups, 0), dict.fromkeys(groups, 0)
    start_s = time.perf_counter()
    for clip in clips:
        said = words_of(clip.said)
        errors[clip.group] += edits(said, words_of(recogniser.transcribe(clip.audio).text or ""))
        words[clip.group] += len(said)
    took_s = time.perf_counter() - start_s
    rates = " | ".join(f"{errors[group] / words[group]:.2f}" for group in groups)
    return f"| {name} | {rates} | {took_s / sum(clip.audio.duration_s for clip in clips):.2f} |"


def _clips(folder: Path) -> Iterator[Clip]:
    for turn in read_turns(folder / "sample.stm"):
        audio = read_segment(folder / "sample.wav", turn.start_s, turn.end_s)
        yield Clip("telephone", audio, turn.text or "")
    both = folder / "stereo_diarization.wav"
    span = Span(0.0, read_segment(both).duration_s, 1)
    yield Clip("studio", next(iter(read_spans(both, [span]))), SECOND)
    yield Clip("speech of 1961", read_segment(folder / "jfk.flac"), JFK)


def words_of(text: str) -> list[str]:
    """Words without capitals and marks.

    >>> words_of("I don't, you know...")
    ['i', "don't", 'you', 'know']
    """
    return re.findall(r"[\w']+", text.casefold().replace("’", "'"))


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """Least number of words to put in, leave out or change (Levenshtein).

    >>> edits("a b c".split(), "a c d e".split())
    3
    """
    row = np.arange(len(heard) + 1)
    for word in said:
        before, row = row, np.empty_like(row)
        row[0] = before[0] + 1
        for place, other in enumerate(heard, start=1):
            change = before[place - 1] + (word != other)
            row[place] = min(before[place] + 1, row[place - 1] + 1, change)
    return int(row[-1])
