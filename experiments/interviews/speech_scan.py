"""The first pass over a recording: its length, its loudness, and where speech is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

from encoders.analysis.voice_activity import (
    SAMPLE_RATE_HZ,
    SILERO_DEFAULTS,
    WINDOW,
    ActivityOptions,
    SpeechSegmenter,
    Stretch,
    VoiceActivity,
    padded,
    speech_in,
)
from encoders.audio.sound_files import quiet_stderr
from encoders.audio.streaming import BLOCK_S, Block, HeldBlocks, Resampler, Span, read_blocks
from encoders.audio.waveform import Audio, AudioError, Mono, Samples
from encoders.extraction import Progress
from experiments.interviews.diarisation import SpeechDescriber

#: Seconds that one peak of the drawn wave speaks for.
PEAK_S = 0.05
#: Length up to which a recording is kept as it was heard, to be put into its page.
KEPT_S = 120.0
#: A channel that is this much softer than the loudest one hears that one's speaker, not its own.
CROSSTALK_DB = 12.0
#: Two channels whose difference lies this far below them hold the same sound.
SAME_DB = -60.0
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Track:
    """One stream at 16 kHz in windows of 32 ms: probability of speech, and power."""

    probabilities: Float32[np.ndarray, "windows"]
    power: Float32[np.ndarray, "windows"]


@dataclass(frozen=True, slots=True)
class SpeechScan:
    """What one pass tells of a recording.

    ``tracks`` is the mean of the channels, or one per channel where each is a speaker; ``peaks``
    are the largest magnitudes of every :data:`PEAK_S` seconds of the mean; ``whole`` is the mean
    itself of a recording of at most :data:`KEPT_S`; ``notes`` are what was odd about the file.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    tracks: tuple[Track, ...]
    peaks: Float32[np.ndarray, "points"]
    whole: Audio | None = None
    notes: tuple[str, ...] = ()
    activity: ActivityOptions = SILERO_DEFAULTS

    def speech(self) -> tuple[Stretch, ...]:
        """Stretches of speech in the mean of the channels."""
        return speech_in(self.tracks[0].probabilities, self.duration_s, self.activity)

    def all_speech(self) -> tuple[Stretch, ...]:
        """Stretches in which any track holds speech, without overlap."""
        if len(self.tracks) == 1:
            return self.speech()
        return union([stretch for track in self.speech_by_channel() for stretch in track])

    def level(self) -> str:
        """How loud the recording is on average and at its loudest, for who wonders what it holds.

        In decibels of full scale, of the power of windows of 32 ms.
        """
        power = np.stack([track.power for track in self.tracks]).max(axis=0)
        if not power.any():
            return "digital silence"
        mean, loudest = (10 * math.log10(value) for value in (power.mean(), power.max()))
        return f"{mean:.0f} dBFS on average, {loudest:.0f} dBFS where it is loudest"

    def speech_by_channel(self) -> tuple[tuple[Stretch, ...], ...]:
        """Stretches of speech in each channel, without what it only hears of a louder one."""
        power = np.stack([track.power for track in self.tracks])
        masks = power >= power.max(axis=0) * 10 ** (-CROSSTALK_DB / 10)
        return tuple(
            speech_in(
                np.where(mine, track.probabilities, np.float32(0)), self.duration_s, self.activity
            )
            for track, mine in zip(self.tracks, masks, strict=True)
        )


def survey(
    path: Path,
    by_channel: bool = False,
    describer: SpeechDescriber | None = None,
    progress: Progress | None = None,
    channel: int | None = None,
    activity: ActivityOptions = SILERO_DEFAULTS,
    keep_damaged: bool = False,
) -> SpeechScan:
    """Listen to a recording once, block by block; each stretch of speech is given to ``describer``.

    With ``channel``, counted from 1, the recording is that channel alone; ``activity`` says what
    is speech; ``keep_damaged`` is that of :func:`encoders.audio.streaming.read_blocks`.

    Raises:
        AudioError: it cannot be read, is damaged, or has no channels to tell apart.
    """
    listeners: list[_Listener] = []
    peaks, difference = _Peaks(), _Difference()
    speech = None if describer is None else _Speech(path, describer, activity)
    short: list[Samples] = []
    mean, notes = Mono(path), list[str]()
    end, rate, channels, expected = 0, 0, 0, _blocks_of(path)
    blocks = read_blocks(path, channel=channel, keep_damaged=keep_damaged)
    for number, block in enumerate(blocks, start=1):
        if not listeners:
            rate, channels = block.sample_rate_hz, len(block.samples)
            _check_channels(path, channels, by_channel)
            listeners = [_Listener(rate, c) for c in (range(channels) if by_channel else [None])]
        heard = [listener.hear(block) for listener in listeners]
        mono = mean.of(block.samples)
        notes += block.notes
        peaks.add(mono, rate)
        short = [*short, mono] if block.stop <= KEPT_S * rate else []
        if speech is not None:
            speech.hear(block, heard[0])
        if by_channel:
            difference.add(block)
        end = block.stop
        if progress is not None:
            progress("blocks heard", number, max(number, expected))
    if by_channel:
        difference.check(path)
    tracks = tuple(listener.track() for listener in listeners)
    whole = Audio(np.concatenate(short), rate) if short else None
    scan = SpeechScan(
        end / rate, rate, channels, tracks, peaks.all(), whole, (*notes, *mean.notes()), activity
    )
    if speech is not None:
        speech.end(scan.speech())
    return scan


def _blocks_of(path: Path) -> int:
    """Blocks that a header promises; 0 where only reading tells."""
    try:
        with quiet_stderr():
            return math.ceil(soundfile.info(path).duration / BLOCK_S)
    except (RuntimeError, OverflowError):
        return 0


def union(stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """What lies in any of some stretches, in its order, without overlap."""
    joined: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda one: one.start_s):
        if joined and stretch.start_s <= joined[-1].end_s:
            joined[-1] = Stretch(joined[-1].start_s, max(joined[-1].end_s, stretch.end_s))
        else:
            joined.append(stretch)
    return tuple(joined)


class _Listener:
    """Speech and power of one channel, or of their mean."""

    def __init__(self, rate_hz: int, channel: int | None) -> None:
        self.channel = channel
        self._resampler = Resampler(rate_hz, SAMPLE_RATE_HZ)
        self._activity = VoiceActivity()
        self._rest = np.zeros(0, np.float32)
        self._probabilities: list[np.ndarray] = []
        self._power: list[np.ndarray] = []

    def hear(self, block: Block) -> Float32[np.ndarray, "windows"]:
        """Probabilities of the windows that end in a block."""
        self._take(self._resampler.push(block.mono(self.channel)), last=False)
        return self._probabilities[-1]

    def track(self) -> Track:
        self._take(self._resampler.push(np.zeros(0, np.float32), last=True), last=True)
        return Track(np.concatenate(self._probabilities), np.concatenate(self._power))

    def _take(self, samples: Samples, last: bool) -> None:
        self._probabilities.append(self._activity.probabilities(samples, last))
        joined = np.concatenate([self._rest, samples])
        if last:
            joined = np.pad(joined, (0, -len(joined) % WINDOW))
        whole = len(joined) // WINDOW * WINDOW
        self._power.append(np.square(joined[:whole]).reshape(-1, WINDOW).mean(axis=1))
        self._rest = joined[whole:]


class _Speech:
    """Gives each stretch of speech in the mean of the channels away as soon as it has ended."""

    def __init__(self, path: Path, describer: SpeechDescriber, activity: ActivityOptions) -> None:
        self._describer = describer
        self._held = HeldBlocks(path)
        self._segmenter = SpeechSegmenter(activity)
        self._ended: list[Stretch] = []
        self._given: list[Stretch] = []

    def hear(self, block: Block, probabilities: Float32[np.ndarray, "windows"]) -> None:
        self._held.add(block)
        self._ended += self._segmenter.push(probabilities)
        padding_s = self._segmenter.options.padding_s
        while len(self._given) < len(self._ended) and self._next_is_known(padding_s):
            # A pause that is too short for two paddings is shared with the stretch beside it.
            place = len(self._given)
            around = self._ended[max(0, place - 1) : place + 2]
            self._give(padded(around, math.inf, padding_s)[min(place, 1)])
        waiting = self._ended[len(self._given) :]
        starts_s = [self._segmenter.open_s, *(s.start_s - padding_s for s in waiting)]
        self._held.forget(min(starts_s))

    def _next_is_known(self, padding_s: float) -> bool:
        """Whether what follows the next stretch has ended too, or starts too late to matter."""
        place = len(self._given)
        ended_s = self._ended[place].end_s
        return place + 1 < len(self._ended) or self._segmenter.open_s >= ended_s + padding_s

    def end(self, speech: Sequence[Stretch]) -> None:
        for stretch in speech[len(self._given) :]:
            self._give(stretch)
        assert self._given == [*speech], "what was described is the speech of the recording"

    def _give(self, stretch: Stretch) -> None:
        self._given.append(stretch)
        self._describer.add(self._held.cut(Span(stretch.start_s, stretch.end_s)))


class _Peaks:
    """Largest magnitude of every stretch of the same length."""

    def __init__(self) -> None:
        self._peaks: list[np.ndarray] = []
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: Samples, rate: int) -> None:
        size = max(1, round(PEAK_S * rate))
        joined = np.concatenate([self._rest, np.abs(samples)])
        whole = len(joined) // size * size
        self._peaks.append(joined[:whole].reshape(-1, size).max(axis=1))
        self._rest = joined[whole:]

    def all(self) -> Float32[np.ndarray, "points"]:
        rest = [self._rest.max(keepdims=True)] if len(self._rest) else []
        return np.concatenate([*self._peaks, *rest])


class _Difference:
    """Whether the channels differ at all: a mono recording may be stored as stereo."""

    def __init__(self) -> None:
        self.power = 0.0
        self.apart = 0.0

    def add(self, block: Block) -> None:
        first = block.samples[0].astype(np.float64)
        self.power += float(np.square(first).sum())
        for other in block.samples[1:]:
            self.apart += float(np.square(first - other).sum())

    def check(self, path: Path) -> None:
        if self.apart <= self.power * 10 ** (SAME_DB / 10) + _TINY:
            raise AudioError(
                f"{path}: all its channels hold the same sound, so that they are no speakers: "
                "leave out --channels, or say --speakers N or --turns FILE"
            )


def _check_channels(path: Path, channels: int, by_channel: bool) -> None:
    if by_channel and channels < 2:
        raise AudioError(
            f"{path}: one channel, expected one per speaker (--channels): "
            "say --speakers N or --turns FILE instead"
        )
