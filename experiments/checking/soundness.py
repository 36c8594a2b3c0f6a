"""What can be counted in a corpus: lengths, sample rates, silence, clipping, words per second."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from encoders.analysis.recording_quality import RecordingQuality
from encoders.decode_index import DecodedAudio
from encoders.messages import with_count
from encoders.utterance import Utterance
from fusion.leakage.text_copies import words_of

#: Bins of the histogram of lengths.
BINS = 12
#: Lengths that differ by less count as one, in seconds.
SAME_S = 0.01
#: Share of clipped samples, and of quiet frames, from which a recording is named.
CLIPPED_FROM, QUIET_FROM = 0.001, 0.6
#: Words per second that speech hardly reaches; the times or the words may belong elsewhere.
FAST, SLOW = 7.0, 0.3


@dataclass(frozen=True, slots=True)
class Bin:
    """Recordings whose length in seconds lies from ``low`` up to ``high``."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the table: what was measured, its value, ids that want a look."""

    name: str
    value: str
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Soundness:
    """Everything that was counted."""

    lengths: tuple[Bin, ...]
    measures: tuple[Measure, ...]


def soundness(
    utterances: Sequence[Utterance],
    heard: Mapping[str, DecodedAudio],
    sounds: Mapping[str, RecordingQuality],
) -> Soundness:
    """Count what was heard; utterances that could not be heard are left out."""
    measures = [*_lengths(heard), *_sound(heard, sounds), *_words(utterances, heard)]
    return Soundness(_histogram(_seconds(heard)), tuple(measures))


def _seconds(heard: Mapping[str, DecodedAudio]) -> Float[np.ndarray, "recordings"]:
    return np.array([recording.duration_s for recording in heard.values()])


def _histogram(seconds: Float[np.ndarray, "recordings"]) -> tuple[Bin, ...]:
    if not len(seconds):
        return ()
    # A single long recording must not press all others into one bin.
    low, top, most = np.quantile(seconds, (0, 0.99, 1))
    bins = BINS if top - low > SAME_S else 1
    counts, edges = np.histogram(np.minimum(seconds, top), bins, (low, max(top, low + SAME_S)))
    edges[-1] = most
    return tuple(
        Bin(float(low), float(high), int(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _lengths(heard: Mapping[str, DecodedAudio]) -> list[Measure]:
    if not heard:
        return []
    low, middle, high, most = np.quantile(_seconds(heard), (0, 0.5, 0.95, 1))
    value = f"{low:.2f} s to {most:.2f} s, median {middle:.2f} s, 95 % up to {high:.2f} s"
    return [Measure("length", value)]


def _sound(
    heard: Mapping[str, DecodedAudio], sounds: Mapping[str, RecordingQuality]
) -> list[Measure]:
    if not sounds:
        return []
    rates = Counter(quality.sample_rate_hz for quality in sounds.values())
    rate_counts = ", ".join(f"{rate} Hz in {count}" for rate, count in rates.most_common())
    silent = _named(heard, lambda name: heard[name].silent)
    clipped = _named(sounds, lambda name: sounds[name].clipped >= CLIPPED_FROM)
    quiet = _named(sounds, lambda name: QUIET_FROM <= sounds[name].quiet < 1)
    middle = float(np.median([quality.quiet for quality in sounds.values()]))
    return [
        Measure("sample rate", rate_counts),
        Measure("silent", _of(silent, heard), silent),
        Measure("clipped", f"{_of(clipped, sounds)} (over {CLIPPED_FROM:.1%} of samples)", clipped),
        Measure("mostly quiet", f"{_of(quiet, sounds)} (half have {middle:.0%} and more)", quiet),
    ]


def _words(utterances: Sequence[Utterance], heard: Mapping[str, DecodedAudio]) -> list[Measure]:
    """Words per second, and how well the number of words follows the length (S4's check)."""
    counts = {
        u.id: len(words_of(u.transcript)) for u in utterances if u.transcript and u.id in heard
    }
    seconds = {name: heard[name].duration_s for name in counts}
    if len(counts) < 2:
        return []
    rate = {name: counts[name] / max(seconds[name], 1e-3) for name in counts}
    odd = _named(rate, lambda name: rate[name] > FAST or rate[name] < SLOW)
    pair = np.array([[*counts.values()], [*seconds.values()]], float)
    varied = bool((pair.std(axis=1) > 0).all())
    r = f"{np.corrcoef(pair)[0, 1]:.2f}" if varied else "undefined (all have one length)"
    middle = f"median {np.median([*rate.values()]):.1f}"
    summary = f"{middle}; {_of(odd, rate)} above {FAST:g} or below {SLOW:g}"
    return [
        Measure("words per second", summary, odd),
        Measure("correlation of words and seconds", r),
    ]


def _named(names: Mapping[str, object], which: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(name for name in names if which(name))


def _of(names: Sequence[str], all_of: Mapping[str, object]) -> str:
    return f"{len(names)} of {with_count(len(all_of), 'recording')}"
