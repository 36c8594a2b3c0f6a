"""Reading a segment: exact cuts, every container, and how much of it is held in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings, strategies as st

from encoders.audio.reading import read_segment, read_utterance
from encoders.audio.waveform import Audio, AudioError, resample
from encoders.utterance import Utterance
from tests.encoders.audio.containers import AV_CONTAINERS, write_av

RATE = 16000
SEGMENTS = [(0.0, 0.01), (0.1, 0.5), (0.12345, 0.4567), (1.0, 2.0), (2.0001, 2.9), (2.5, None)]
#: Name, container and encoding of what soundfile writes.
CONTAINERS = {
    "wav": ("WAV", "PCM_16"),
    "wav-float": ("WAV", "FLOAT"),
    "wav-24-bit": ("WAV", "PCM_24"),
    "wav-8-bit": ("WAV", "PCM_U8"),
    "wav-ulaw": ("WAV", "ULAW"),
    "wav-ima-adpcm": ("WAV", "IMA_ADPCM"),
    "wav-ms-adpcm": ("WAV", "MS_ADPCM"),
    "wav-gsm": ("WAV", "GSM610"),
    "wavex": ("WAVEX", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "aiff": ("AIFF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "au": ("AU", "PCM_16"),
}
LOSSLESS = ("wav", "wav-float", "wav-24-bit", "wavex", "flac", "aiff", "w64", "rf64", "au")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, make_tone) -> Callable[[str], Path]:
    """Three seconds of one tone in the container named."""
    folder = tmp_path_factory.mktemp("recordings")

    def path(name: str) -> Path:
        container, encoding = CONTAINERS[name]
        found = folder / f"{name}.{container.lower()}"
        if not found.exists():
            try:
                soundfile.write(found, make_tone(3.0), RATE, format=container, subtype=encoding)
            except (soundfile.LibsndfileError, ValueError) as error:
                pytest.skip(f"this libsndfile does not write {container} {encoding}: {error}")
        return found

    return path


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples).mean()))


# ---------------------------------------------------------------- cuts


@pytest.mark.parametrize(("start_s", "end_s"), SEGMENTS)
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_segment_is_a_slice_of_the_whole(recordings, name, start_s, end_s):
    path = recordings(name)
    whole = read_segment(path).samples
    last = None if end_s is None else round(end_s * RATE)
    found = read_segment(path, start_s, end_s).samples
    assert np.array_equal(found, whole[round(start_s * RATE) : last])


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_give_their_samples_back(recordings, make_tone, name):
    found = read_segment(recordings(name)).samples
    assert np.abs(found - make_tone(3.0)).max() <= 1 / 32768


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_rate_is_the_files_own(recordings, name):
    assert read_segment(recordings(name)).sample_rate_hz == RATE


@given(start=st.integers(0, 900), count=st.integers(1, 100), rate=st.sampled_from([8000, 11025]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_time_written_with_six_digits_finds_its_sample(tmp_path, start, count, rate):
    path = tmp_path / f"ramp{rate}.wav"
    if not path.exists():
        soundfile.write(path, np.arange(1000) / 1000, rate, subtype="FLOAT")
    found = read_segment(path, round(start / rate, 6), round((start + count) / rate, 6)).samples
    assert np.array_equal(found, (np.arange(start, start + count) / 1000).astype(np.float32))


@pytest.mark.parametrize(
    ("start_s", "end_s", "samples"),
    [(0.0, 0.00009, 1), (0.00004, 0.0002, 2), (0.5, 0.50006, 1)],
)
def test_times_between_two_samples_are_rounded(write_tone, start_s, end_s, samples):
    assert len(read_segment(write_tone("a.wav"), start_s, end_s).samples) == samples


@pytest.mark.parametrize("suffix", ["flac", "aiff", "au", "w64"])
def test_the_same_samples_are_read_alike_from_any_lossless_file(tmp_path, make_tone, suffix):
    samples = (make_tone(0.5) * 32767).astype(np.int16)
    for name in (f"a.{suffix}", "a.wav"):
        soundfile.write(tmp_path / name, samples, RATE)
    found, wav = read_segment(tmp_path / f"a.{suffix}"), read_segment(tmp_path / "a.wav")
    assert np.array_equal(found.samples, wav.samples)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_stereo_becomes_the_mean_of_its_channels(tmp_path, make_tone, suffix):
    left, right = make_tone(0.5), make_tone(0.5, hertz=700.0, seed=1)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="PCM_24")
    assert np.abs(read_segment(path).samples - (left + right) / 2).max() < 1e-6


def test_channels_of_opposite_sign_cancel(tmp_path, make_tone):
    wave = make_tone(0.5)
    soundfile.write(tmp_path / "a.wav", np.stack([wave, -wave], axis=1), RATE)
    assert read_segment(tmp_path / "a.wav").is_silent


# ---------------------------------------------------------------- what only PyAV opens


@pytest.mark.parametrize("suffix", AV_CONTAINERS)
def test_other_containers_are_read(tmp_path, make_tone, suffix):
    wave = make_tone(1.0, 48000)
    found = read_segment(write_av(tmp_path / f"a.{suffix}", [wave]))
    assert found.sample_rate_hz == 48000
    assert found.duration_s == pytest.approx(1.0, abs=0.06)
    assert level(found.samples[4800:-4800]) == pytest.approx(level(wave), rel=0.02)


@pytest.mark.parametrize("suffix", AV_CONTAINERS)
def test_mixing_two_equal_channels_does_not_raise_the_level(tmp_path, make_tone, suffix):
    wave = make_tone(1.0, 48000)
    found = read_segment(write_av(tmp_path / f"a.{suffix}", [wave, wave])).samples
    decibels = 20 * np.log10(level(found[4800:-4800]) / level(wave))
    assert abs(decibels) < 0.3


@pytest.mark.parametrize("suffix", AV_CONTAINERS)
def test_a_single_loud_channel_is_halved(tmp_path, make_tone, suffix):
    wave = make_tone(1.0, 48000)
    found = read_segment(write_av(tmp_path / f"a.{suffix}", [wave, 0 * wave])).samples
    assert level(found[4800:-4800]) == pytest.approx(level(wave) / 2, rel=0.05)


@pytest.mark.parametrize(("start_s", "end_s"), [(0.1, 0.5), (0.0, 0.2), (0.7, None)])
@pytest.mark.parametrize("suffix", AV_CONTAINERS)
def test_a_segment_of_another_container_is_a_slice_too(tmp_path, make_tone, suffix, start_s, end_s):
    path = write_av(tmp_path / f"a.{suffix}", [make_tone(1.0, 48000)])
    whole = read_segment(path).samples
    last = None if end_s is None else round(end_s * 48000)
    found = read_segment(path, start_s, end_s).samples
    assert np.array_equal(found, whole[round(start_s * 48000) : last])


def test_a_video_without_sound_is_refused(tmp_path):
    import av

    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"silent\.mp4: holds no audio stream"):
        read_segment(path)


# ---------------------------------------------------------------- past the end, and nonsense


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_an_end_just_past_the_file_is_its_end(tmp_path, write_tone, make_tone, suffix):
    path = tmp_path / f"a.{suffix}"
    _ = write_av(path, [make_tone(1.0, RATE)], RATE) if suffix == "m4a" else write_tone(path.name)
    whole = read_segment(path)
    found = read_segment(path, 0.5, whole.duration_s + 0.09)
    assert np.array_equal(found.samples, whole.samples[8000:])


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 1.5), (2.0, None), (2.0, 3.0), (0.0, 1e9)])
def test_a_segment_past_the_end_is_refused(tmp_path, write_tone, make_tone, suffix, start_s, end_s):
    path = tmp_path / f"a.{suffix}"
    _ = write_av(path, [make_tone(1.0, RATE)], RATE) if suffix == "m4a" else write_tone(path.name)
    with pytest.raises(AudioError, match=rf"a\.{suffix}: segment .* the file ends at 1"):
        read_segment(path, start_s, end_s)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a"])
@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [
        (-0.1, 0.5),
        (-1.0, None),
        (float("nan"), 0.5),
        (0.0, float("nan")),
        (0.0, float("inf")),
        (float("inf"), None),
        (0.5, 0.5),
        (0.5, 0.2),
        (0.5, -0.2),
        (0.5, 0.50001),
    ],
)
def test_a_segment_that_holds_nothing_is_refused(
    tmp_path, write_tone, make_tone, suffix, start_s, end_s
):
    path = tmp_path / f"a.{suffix}"
    _ = write_av(path, [make_tone(1.0, RATE)], RATE) if suffix == "m4a" else write_tone(path.name)
    with pytest.raises(AudioError, match=rf"a\.{suffix}: segment"):
        read_segment(path, start_s, end_s)


# ---------------------------------------------------------------- utterances, silence, resampling


def test_an_utterance_is_read_from_start_to_end(write_tone):
    path = write_tone("a.wav")
    found = read_utterance(Utterance(id="u", audio=path, start_s=0.25, end_s=0.75))
    assert np.array_equal(found.samples, read_segment(path).samples[4000:12000])


def test_an_utterance_without_audio_is_named():
    with pytest.raises(AudioError, match="u7: has no audio file"):
        read_utterance(Utterance(id="u7"))


@pytest.mark.parametrize(("peak", "silent"), [(0.0, True), (0.9e-4, True), (1.1e-4, False)])
def test_silence_lies_below_minus_eighty_decibels(peak, silent):
    assert Audio(np.full(10, -peak, np.float32), RATE).is_silent is silent


def test_no_sample_is_silence():
    assert Audio(np.zeros(0, np.float32), RATE).is_silent


def test_the_right_rate_is_left_alone(make_audio):
    audio = make_audio(0.1)
    assert resample(audio, RATE) is audio


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_the_tone(make_tone, rate):
    time = np.arange(rate) / rate
    wave = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    found = resample(Audio(wave, rate), RATE)
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(found.samples)) / RATE)
    assert len(found.samples) == RATE
    assert np.abs(found.samples - expected)[800:-800].max() < 1e-3


def test_resampling_does_not_fold_high_tones_down():
    time = np.arange(48000) / 48000
    wave = (0.5 * np.sin(2 * np.pi * 11000 * time)).astype(np.float32)
    assert level(resample(Audio(wave, 48000), RATE).samples[800:-800]) < 0.5 * 1e-4


@pytest.mark.realdata
def test_a_real_segment_is_a_slice_of_its_file(data_folder):
    path = data_folder / "interview" / "multilingual.mp3"
    whole = read_segment(path)
    found = read_segment(path, 1.5, 2.25)
    rate = whole.sample_rate_hz
    assert np.array_equal(found.samples, whole.samples[round(1.5 * rate) : round(2.25 * rate)])


# ---------------------------------------------------------------- what is held in memory


def peak_of(read: Callable[[], object]) -> int:
    """Most bytes that were in memory at once, numpy's too."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_hour_and_a_half_is_no_utterance_and_takes_no_memory(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(90 * 60 * 1000, np.int16), 1000)

    def refused() -> None:
        with pytest.raises(AudioError, match="90 min or more as one utterance, at most 60 min"):
            read_segment(path)

    assert peak_of(refused) < 1_000_000
    assert read_segment(path, 5000.0, 5001.0).duration_s == 1.0


@pytest.mark.parametrize("name", ["flac", "mp3", "opus"])
def test_a_part_of_what_is_too_long_is_an_utterance(recordings, monkeypatch, name):
    monkeypatch.setattr("encoders.audio.waveform.MAX_UTTERANCE_S", 2.0)
    with pytest.raises(AudioError, match="as one utterance"):
        read_segment(recordings(name))
    with pytest.raises(AudioError, match="as one utterance"):
        read_segment(recordings(name), 0.5, 2.9)
    assert read_segment(recordings(name), 1.5, 2.5).duration_s == 1.0


def test_of_a_container_only_the_segment_is_held(tmp_path, make_tone, monkeypatch):
    path = write_av(tmp_path / "a.mka", [make_tone(40.0, 48000)])
    whole = read_segment(path).samples
    assert peak_of(lambda: read_segment(path, 39.0, 39.5)) < whole.nbytes / 4
    found = read_segment(path, 39.0, 39.5).samples
    assert np.array_equal(found, whole[39 * 48000 : round(39.5 * 48000)])
    monkeypatch.setattr("encoders.audio.waveform.MAX_UTTERANCE_S", 30.0)
    with pytest.raises(AudioError, match="as one utterance"):
        read_segment(path)
    with pytest.raises(AudioError, match="as one utterance"):
        read_segment(path, 1.0, 39.0)


def test_a_container_that_declares_no_length_is_read_up_to_the_longest_utterance(
    tmp_path, make_tone, monkeypatch
):
    path = write_av(tmp_path / "a.mka", [make_tone(10.0, 48000)])
    monkeypatch.setattr("encoders.audio.waveform.MAX_UTTERANCE_S", 5.0)
    monkeypatch.setattr("encoders.audio.containers.declared_seconds", lambda _path: None)
    with pytest.raises(AudioError, match="as one utterance"):
        read_segment(path)
