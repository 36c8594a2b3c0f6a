"""Copies as a telephone and a recogniser make them."""

from __future__ import annotations

import numpy as np
import pytest

from encoders.audio.waveform import Audio
from scripts.ready_model.copies import HEARD, WRITTEN, heard, telephone, written

RATE = 48000


def tone(hz: float) -> Audio:
    times = np.arange(RATE) / RATE
    return Audio((0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32), RATE)


def level_db(audio: Audio) -> float:
    inner = audio.samples[len(audio.samples) // 4 : -len(audio.samples) // 4]
    return 10 * np.log10(np.square(inner).mean() + 1e-12)


@pytest.mark.parametrize(
    ("hz", "passes"), [(100, False), (1000, True), (3000, True), (3900, False)]
)
def test_the_line_passes_300_to_3400_hz(hz, passes):
    lost = level_db(tone(hz)) - level_db(telephone(tone(hz)))
    assert (abs(lost) < 1) if passes else (lost > 15)


def test_the_line_has_steps_of_eight_bits():
    ramp = telephone(tone(440))
    assert len(np.unique(np.abs(ramp.samples).round(7))) <= 128
    assert ramp.sample_rate_hz == 8000


def test_silence_stays_silence():
    assert not telephone(Audio(np.zeros(RATE, np.float32), RATE)).samples.any()


def test_noise_is_15_db_below_and_its_own_for_each_number():
    one, other, again = (heard(tone(440), "noise", number) for number in (1, 2, 1))
    noise = Audio(one.samples - tone(440).samples, RATE)
    assert level_db(tone(440)) - level_db(noise) == pytest.approx(15, abs=0.3)
    assert np.array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples)
    assert heard(tone(440), HEARD[0], 1).samples is not None


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Oh, my God!!! He’s HERE.", "oh my god he's here"),
        ("...!", "...!"),
        ("Größe_2 — ja?", "größe 2 ja"),
    ],
)
def test_bare_words_have_no_capitals_and_marks(text, bare):
    assert written(text, WRITTEN[0]) == text
    assert written(text, WRITTEN[1]) == bare
