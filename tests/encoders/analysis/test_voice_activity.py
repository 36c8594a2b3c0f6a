"""Voice activity: equal to the package that carries it, however it is cut into blocks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st

from encoders.analysis.voice_activity import (
    WINDOW,
    WINDOW_S,
    ActivityOptions,
    SpeechSegmenter,
    VoiceActivity,
    padded,
    speech_in,
)
from encoders.audio.reading import read_segment

pytestmark = pytest.mark.arithmetic

SPEECH = "experiments/demo_corpus/voices/anna.ogg"
#: Every processor and every size of batch adds the up to 387 products of a convolution in another
#: order, good to sqrt(387) * 2**-24 of their root mean square. Noise of that size on all five of
#: them, computed in float64, moves a probability by up to 1.4e-4 where the sigmoid is steep (the
#: recurrence adds 4e-7), and here two such runs are compared.
ROUNDING = 2e-4


@pytest.fixture(scope="module")
def speech():
    from encoders.audio.waveform import resample
    from tests.conftest import REPOSITORY

    return resample(read_segment(REPOSITORY / SPEECH, 0.0, 6.0), 16000).samples


@pytest.fixture(scope="module")
def silero():
    threads = torch.get_num_threads()
    package = pytest.importorskip("silero_vad")
    torch.set_num_threads(threads)
    return package


def theirs(package, samples: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        # Of TorchScript, and of how the package finds its file.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = package.load_silero_vad()
    padded = np.pad(samples, (0, -len(samples) % WINDOW))
    with torch.inference_mode():
        windows = torch.from_numpy(padded).split(WINDOW)
        return np.array([model(window, 16000).item() for window in windows])


def test_probabilities_are_those_of_the_package(speech, silero):
    ours, packaged = VoiceActivity().probabilities(speech, last=True), theirs(silero, speech)
    np.testing.assert_allclose(ours, packaged, rtol=0, atol=ROUNDING)
    assert ours.min() < 0.1
    assert ours.max() > 0.9
    # What is promised: the same stretches. No probability here is near what starts or ends one.
    assert all(np.abs(packaged - edge).min() > 10 * ROUNDING for edge in (0.5, 0.35))
    duration_s = len(speech) / 16000
    assert speech_in(ours, duration_s) == speech_in(packaged.astype(np.float32), duration_s)


def test_stretches_are_those_of_the_package(speech, silero):
    probabilities = theirs(silero, speech)
    expected = silero.get_speech_timestamps_from_probs(
        probabilities.tolist(), audio_length_samples=len(speech)
    )
    found = speech_in(probabilities.astype(np.float32), len(speech) / 16000)
    assert len(found) == len(expected) > 0
    for ours, one in zip(found, expected, strict=True):
        assert ours.start_s == pytest.approx(one["start"] / 16000, abs=1e-3)
        assert ours.end_s == pytest.approx(one["end"] / 16000, abs=1e-3)


@given(st.lists(st.integers(0, 9000), max_size=12))
@settings(max_examples=10, deadline=None)
def test_cutting_into_blocks_changes_nothing(speech, lengths):
    whole = VoiceActivity().probabilities(speech, last=True)
    activity, start, parts = VoiceActivity(), 0, []
    for length in lengths:
        parts.append(activity.probabilities(speech[start : start + length]))
        start += length
    parts.append(activity.probabilities(speech[start:], last=True))
    joined, duration_s = np.concatenate(parts), len(speech) / 16000
    np.testing.assert_allclose(joined, whole, rtol=0, atol=ROUNDING)
    assert speech_in(joined, duration_s) == speech_in(whole, duration_s)


def test_silence_holds_no_speech():
    quiet = VoiceActivity().probabilities(np.zeros(32000, np.float32), last=True)
    assert speech_in(quiet, 2.0) == ()


@given(st.lists(st.floats(0, 1, width=32), max_size=120), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
@example([0.0, 0.0, 1.0, *[0.0] * 8, 1.0], 0.0, 0.5)
def test_stretches_are_in_order_and_inside_the_recording(values, pause_s, padding_s):
    probabilities = np.array(values, np.float32)
    duration_s = len(values) * WINDOW_S
    options = ActivityOptions(min_pause_s=pause_s, min_speech_s=0.0, padding_s=padding_s)
    found = speech_in(probabilities, duration_s, options)
    edges = [edge for one in found for edge in (one.start_s, one.end_s)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= duration_s + 1e-9 for edge in edges)
    assert bool(found) == bool((probabilities >= 0.5).any())


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(1, 30)), max_size=30),
    st.integers(1, 40),
)
def test_stretches_that_have_ended_are_those_of_the_whole_recording(runs, block):
    """Whatever it is cut into, and nothing that is told later begins before what is still open."""
    values = np.array([value for value, length in runs for _ in range(length)], np.float32)
    whole = speech_in(values, len(values) * WINDOW_S)
    segmenter, ended = SpeechSegmenter(), []
    for start in range(0, len(values), block):
        for one in segmenter.push(values[start : start + block]):
            ended += padded([one], np.inf, segmenter.options.padding_s)
        later = whole[len(ended) :]
        assert all(one.start_s >= segmenter.open_s for one in later)
    assert ended == [*whole[: len(ended)]]
    assert len(whole) - len(ended) == len(segmenter.rest())


def test_a_longer_minimal_pause_joins():
    values = np.array([0.9] * 20 + [0.0] * 6 + [0.9] * 20, np.float32)
    duration_s = len(values) * WINDOW_S
    assert len(speech_in(values, duration_s)) == 2
    assert len(speech_in(values, duration_s, ActivityOptions(min_pause_s=0.3))) == 1


def test_short_speech_is_none():
    values = np.array([0.0] * 10 + [0.9] * 4 + [0.0] * 10, np.float32)
    assert speech_in(values, 1.0) == ()
    assert len(speech_in(values, 1.0, ActivityOptions(min_speech_s=0.1))) == 1


@pytest.mark.realdata
def test_a_phone_call_is_mostly_speech(data_folder):
    audio = read_segment(data_folder / "interview" / "sample.wav")
    found = speech_in(VoiceActivity().probabilities(audio.samples, last=True), audio.duration_s)
    assert sum(one.length_s for one in found) > 0.6 * audio.duration_s
