"""What reaches a model in an interview is no studio and no script: copies that are like it.

Heads that learned from RAVDESS as it is fall to chance on its telephone copies where their encoder
hears the level (log-mel functionals, logistic regression, seven classes: UAR .465 for .209).
"""

import re

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfilt

from encoders.asr.transcript import normalise
from encoders.audio.waveform import Audio, resample
from encoders.finetuning.augmentation import WaveformChanges, changed

#: A line of the telephone: ITU-T G.712 passes 300 to 3400 Hz at 8 kHz, G.711 takes 8 bits.
LINE_RATE_HZ, LINE_BAND_HZ, MU = 8000, (300.0, 3400.0), 255.0
#: Noise of the second copy below the speech, a loud office.
NOISE = WaveformChanges(gain_db=0.0, pitch_semitones=0.0, noise_snr_db=15.0)
#: How a recording is heard, and how words are written.
HEARD = ("studio", "telephone", "noise")
WRITTEN = ("script", "bare")


def heard(audio: Audio, how: str, number: int) -> Audio:
    """A copy of a recording; the noise of each ``number`` is its own."""
    if how == "telephone":
        return telephone(audio)
    if how == "noise":
        samples = changed(audio.samples, NOISE, np.random.default_rng(number))
        return Audio(samples, audio.sample_rate_hz)
    return audio


def telephone(audio: Audio) -> Audio:
    """A recording as a telephone brings it: 300 to 3400 Hz, 8 kHz, logarithmic steps of 8 bits.

    >>> telephone(Audio(np.zeros(4800, np.float32), 48000)).samples.shape
    (800,)
    """
    narrow = resample(audio, LINE_RATE_HZ).samples
    band = butter(4, LINE_BAND_HZ, "bandpass", fs=LINE_RATE_HZ, output="sos")
    passed = sosfilt(band, narrow.astype(np.float64))
    peak = max(float(np.abs(passed).max(initial=0.0)), 1e-9)
    return Audio((peak * _in_steps(passed / peak)).astype(np.float32), LINE_RATE_HZ)


def _in_steps(samples: Float[np.ndarray, "samples"]) -> Float[np.ndarray, "samples"]:
    """Samples from -1 to 1 in the steps of mu-law."""
    curved = np.sign(samples) * np.log1p(MU * np.abs(samples)) / np.log1p(MU)
    steps = np.round(curved * 127) / 127
    back: Float[np.ndarray, samples] = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU))
    return back / MU


def written(text: str, how: str) -> str:
    """Words as a script has them, or bare as many recognisers write them: no capitals, no marks.

    Where nothing would be left ("...!"), the text stays as it is.

    >>> written("Oh, my God!!! He's here.", "bare")
    "oh my god he's here"
    """
    if how == "script":
        return text
    return normalise(re.sub(r"[^\w'\s]|_", " ", text.lower().replace("’", "'"))) or text
