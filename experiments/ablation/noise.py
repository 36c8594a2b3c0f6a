"""Noise on recordings: white, babble of other people, reverberation."""

import math

import numpy as np
from jaxtyping import Float
from scipy.signal import fftconvolve

from encoders.audio.waveform import Audio, resample

Samples = Float[np.ndarray, "samples"]

#: Voices of babble; six talkers sound like a crowd and no longer like persons.
VOICES = 6
#: Length of the babble that each speaker hears; every recording gets a stretch of it.
BABBLE_S = 20.0
#: A tail has fallen by 60 dB after T60: ln(10 ** 3) in amplitude.
DECAY = math.log(1000.0)


def with_noise(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """Speech plus noise, the ratio of their mean powers as asked for; silence stays silent.

    >>> noisy = with_noise(np.ones(4), np.array([1.0, -1.0, 1.0, -1.0]), 0.0)
    >>> noisy.tolist()
    [2.0, 0.0, 2.0, 0.0]
    """
    power, other = _power(speech), _power(noise)
    if power == 0 or other == 0:
        return speech
    level = math.sqrt(power / other / 10 ** (snr_db / 10))
    return speech + level * noise


def white(samples: int, random: np.random.Generator) -> Samples:
    """Gaussian noise with the same power at every frequency."""
    return random.standard_normal(samples)


def stretch(track: Audio, samples: int, rate: int, random: np.random.Generator) -> Samples:
    """A stretch of a track at a rate, from a random place on; a track that ends begins again."""
    at_rate = resample(track, rate).samples
    start = int(random.integers(len(at_rate)))
    return np.take(at_rate, np.arange(start, start + samples), mode="wrap").astype(np.float64)


def reverberated(speech: Samples, rate: int, t60_s: float, random: np.random.Generator) -> Samples:
    """Speech in a room: the direct sound, then a tail of noise that decays exponentially.

    The statistical model of late reverberation (Polack 1988), with as much energy in the tail as in
    the direct sound. As long and as loud as before; what rings on behind the end is cut off.
    """
    power = _power(speech)
    if power == 0:
        return speech
    time = np.arange(1, max(2, round(t60_s * rate))) / rate
    tail = random.standard_normal(len(time)) * np.exp(-DECAY * time / t60_s)
    response = np.concatenate([[1.0], tail / np.sqrt(np.square(tail).sum())])
    wet = fftconvolve(speech, response)[: len(speech)]
    return np.asarray(wet * math.sqrt(power / _power(wet)))


def babble(voices: list[list[Audio]], rate: int) -> Audio:
    """People who talk at once, each voice its recordings one after the other, all equally loud."""
    length = round(BABBLE_S * rate)
    total = np.zeros(length)
    for recordings in voices:
        said = np.concatenate(
            [_even(resample(recording, rate).samples) for recording in recordings]
        )
        total += np.take(said, np.arange(length), mode="wrap")
    return Audio(total.astype(np.float32), rate)


def _even(samples: Samples) -> Samples:
    """At a mean power of 1, so that no loud recording is the whole crowd."""
    power = _power(samples)
    return samples / math.sqrt(power) if power > 0 else samples


def _power(samples: Samples) -> float:
    return float(np.square(samples, dtype=np.float64).mean()) if len(samples) else 0.0
