"""What a recogniser heard: words with their times, and how sure it was of them."""

import unicodedata
from dataclasses import dataclass

import numpy as np

from encoders.audio.waveform import Audio, Samples, resample

SAMPLE_RATE_HZ = 16000
#: What Whisper hears at once, in seconds.
WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of recognised speech, in seconds from the start of the audio.

    ``avg_logprob`` is the mean natural log-probability of its tokens, ``no_speech_prob`` the
    probability that its window holds no speech; None where a recogniser has no such number.
    """

    start_s: float
    end_s: float
    text: str
    avg_logprob: float | None
    no_speech_prob: float | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser heard; its scores are means over the segments, weighted by tokens."""

    segments: tuple[Segment, ...]
    language: str | None
    avg_logprob: float | None
    no_speech_prob: float | None

    @property
    def text(self) -> str | None:
        """All words, normalised; None where none were heard."""
        return normalise(" ".join(segment.text for segment in self.segments))


#: What is heard in a recording that is silent, empty, or holds no word.
NOTHING = Transcript((), None, None, None)


def normalise(text: str | None) -> str | None:
    """Text in NFC with white space collapsed; None where nothing is left."""
    return " ".join(unicodedata.normalize("NFC", text or "").split()) or None


def heard_samples(audio: Audio) -> Samples:
    """Samples at 16 kHz; none where the audio is silent."""
    if audio.is_silent:
        return np.zeros(0, np.float32)
    return resample(audio, SAMPLE_RATE_HZ).samples
