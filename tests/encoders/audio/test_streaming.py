"""Block by block is the same as at once; damage is found all the same."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies as st

from encoders.audio.reading import read_segment
from encoders.audio.streaming import Block, HeldBlocks, Resampler, Span, read_blocks, read_spans
from encoders.audio.waveform import Audio, AudioError, resample

RATE = 16000


def stereo(seconds: float, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (0.2 * rng.standard_normal((round(seconds * rate), 2))).astype(np.float32)


def write_mp4(path, wave: np.ndarray, rate: int, fast: bool = False) -> None:
    """With its index before its sound where it is ``fast``, as what is streamed has it."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if fast else {}) as container:
        stream = container.add_stream("aac", rate=rate, layout="stereo")
        size = stream.codec_context.frame_size or 1024
        for start in range(0, len(wave), size):
            part = np.ascontiguousarray(wave[start : start + size].T)
            frame = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")

    def path_of(name: str):
        path = folder / f"a.{name}"
        if path.exists():
            return path
        if name.endswith("mp4"):
            write_mp4(path, stereo(3.3), RATE, fast=name.startswith("fast"))
        else:
            soundfile.write(path, stereo(3.3), RATE)
        return path

    return path_of


@pytest.mark.parametrize("name", ["wav", "flac", "ogg", "mp3", "mp4"])
@pytest.mark.parametrize("block_s", [0.01, 0.7, 10.0])
def test_blocks_joined_equal_the_whole_reading(recording, name, block_s):
    path = recording(name)
    blocks = list(read_blocks(path, block_s))
    whole = read_segment(path)
    joined = np.concatenate([block.mono() for block in blocks])
    np.testing.assert_array_equal(joined, whole.samples)
    assert {block.sample_rate_hz for block in blocks} == {whole.sample_rate_hz}
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]
    assert all(block.samples.shape[0] == 2 for block in blocks)


def test_a_channel_is_that_channel(tmp_path):
    wave = stereo(0.5)
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    for channel in (0, 1):
        parts = [block.mono(channel) for block in read_blocks(tmp_path / "a.wav", 0.1)]
        np.testing.assert_array_equal(np.concatenate(parts), wave[:, channel])


def test_a_recording_may_be_one_of_its_channels(tmp_path):
    wave = stereo(0.5)
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    blocks = list(read_blocks(tmp_path / "a.wav", 0.1, channel=2))
    assert {block.samples.shape[0] for block in blocks} == {1}
    joined = np.concatenate([block.mono() for block in blocks])
    np.testing.assert_array_equal(joined, wave[:, 1])
    (span,) = read_spans(tmp_path / "a.wav", [Span(0.1, 0.3)], 0.1, channel=2)
    np.testing.assert_array_equal(
        span.samples, read_segment(tmp_path / "a.wav", 0.1, 0.3, 2).samples
    )
    with pytest.raises(AudioError, match="channel 3 asked for, it has 2 channels"):
        list(read_blocks(tmp_path / "a.wav", channel=3))


@pytest.mark.parametrize("name", ["wav", "mp3", "mp4"])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_spans_equal_segments_read_alone(recording, name, data):
    path = recording(name)
    number = st.floats(0, 3.2)
    starts = sorted(data.draw(st.lists(number, max_size=6)))
    lengths = data.draw(st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6))
    spans = [
        Span(start, min(start + length, 3.29))
        for start, length in zip(starts, lengths, strict=False)
    ]
    found = list(read_spans(path, spans, data.draw(st.sampled_from([0.05, 0.4, 5.0]))))
    assert len(found) == len(spans)
    for span, audio in zip(spans, found, strict=True):
        alone = read_segment(path, span.start_s, span.end_s)
        np.testing.assert_array_equal(audio.samples, alone.samples)


def test_spans_have_to_come_in_order(recording):
    with pytest.raises(ValueError, match="in the order of their starts"):
        list(read_spans(recording("wav"), [Span(1.0, 2.0), Span(0.0, 1.0)]))


def test_a_span_past_the_end_is_an_error(recording):
    with pytest.raises(AudioError, match=r"the file ends at 3\.3 s"):
        list(read_spans(recording("wav"), [Span(3.0, 4.0)]))


def test_what_was_passed_is_not_held(recording, monkeypatch):
    """At most the blocks that a span still needs, whatever the length."""

    most = []
    cut = HeldBlocks.cut
    monkeypatch.setattr(
        HeldBlocks, "cut", lambda held, span: most.append(len(held._blocks)) or cut(held, span)
    )
    spans = [Span(at / 10, at / 10 + 0.2) for at in range(30)]
    assert len(list(read_spans(recording("wav"), spans, 0.1))) == 30
    assert max(most) <= 4


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_resampling_in_blocks_has_no_seams(make_tone, rate):
    wave = make_tone(2.0, rate)
    parts = [wave[start : start + 7001] for start in range(0, len(wave), 7001)]
    resampler = Resampler(rate, RATE)
    made = [resampler.push(part) for part in parts]
    joined = np.concatenate([*made, resampler.push(np.zeros(0, np.float32), last=True)])
    whole = resample(Audio(wave, rate), RATE).samples
    assert len(joined) == len(whole)
    np.testing.assert_allclose(joined, whole, atol=1e-6)


@pytest.mark.parametrize("name", ["wav", "flac", "ogg", "mp3", "mp4"])
def test_a_recording_cut_short_is_refused(recording, tmp_path, name):
    content = recording(name).read_bytes()
    path = tmp_path / f"cut.{name}"
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(AudioError, match=r"cut\.|read|damaged"):
        list(read_blocks(path, 0.5))


@pytest.mark.parametrize("name", ["wav", "flac", "ogg", "mp3", "fast.mp4"])
def test_of_a_recording_cut_short_what_is_there_can_be_kept(recording, tmp_path, name):
    whole = recording(name)
    content = whole.read_bytes()
    path = tmp_path / f"cut.{name}"
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(AudioError):
        list(read_blocks(path))
    blocks = list(read_blocks(path, keep_damaged=True))
    kept = np.concatenate([block.samples for block in blocks], axis=1)
    expected = np.concatenate([block.samples for block in read_blocks(whole)], axis=1)
    assert kept.shape[1] > 0.5 * RATE
    # The last frame of a lossy format lacks what overlaps it.
    safe = kept.shape[1] - 2048
    np.testing.assert_allclose(kept[:, :safe], expected[:, :safe], atol=1e-6)
    read_s = kept.shape[1] / RATE
    assert 3.3 * 2 / 3 - 1.3 < read_s < 3.3 * 2 / 3 + 0.3
    (note,) = blocks[-1].notes
    assert note.startswith(f"damaged: {read_s:.2f} s were read, ")
    known = re.search(r"([\d.]+) s are lost", note)
    assert name == "ogg" or float(known[1]) == pytest.approx(3.3 - read_s, abs=0.1)
    spans = [Span(0.0, 0.3), Span(0.2, 0.5)]
    again = read_spans(path, spans, keep_damaged=True)
    assert [audio.duration_s for audio in again] == [pytest.approx(0.3)] * 2


def test_behind_a_hole_a_file_that_knows_its_times_goes_on(recording, tmp_path):
    whole = recording("fast.mp4")
    content = bytearray(whole.read_bytes())
    place = content.index(b"mdat") + 8000
    content[place : place + 2000] = bytes(2000)
    (tmp_path / "hole.mp4").write_bytes(content)
    blocks = list(read_blocks(tmp_path / "hole.mp4", keep_damaged=True))
    kept = np.concatenate([block.samples for block in blocks], axis=1)
    expected = np.concatenate([block.samples for block in read_blocks(whole)], axis=1)
    notes = [note for block in blocks for note in block.notes]
    assert any("silence stands for them" in note for note in notes)
    # Nothing behind it lies at another time.
    assert kept.shape == expected.shape
    np.testing.assert_allclose(kept[:, -RATE:], expected[:, -RATE:], atol=1e-6)


def test_what_lies_behind_a_hole_of_an_mp3_comes_too_early_and_nobody_prints(
    recording, tmp_path, capfd
):
    frame = b"COMM\0\0\0\3\0\0\1ab"  # too short: libmpg123 says so
    content = bytearray(recording("mp3").read_bytes())
    third = len(content) // 3
    content[third : third + 700] = np.random.default_rng(7).bytes(700)
    (tmp_path / "a.mp3").write_bytes(b"ID3\3\0\0\0\0\0" + bytes([len(frame)]) + frame + content)
    blocks = list(read_blocks(tmp_path / "a.mp3", keep_damaged=True))
    assert re.search(r"0\.\d\d s are lost \(\d+ bytes .* comes too early\)", blocks[-1].notes[0])
    assert capfd.readouterr().err == ""


def test_a_whole_recording_is_the_same_where_damage_would_be_kept(recording):
    for name in ("wav", "ogg", "mp3", "mp4"):
        blocks = list(read_blocks(recording(name), keep_damaged=True))
        kept = np.concatenate([block.samples for block in blocks], axis=1)
        expected = np.concatenate([block.samples for block in read_blocks(recording(name))], axis=1)
        np.testing.assert_array_equal(kept, expected)
        assert not any(block.notes for block in blocks)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"no sound at all", "not a recording we can read")],
)
def test_what_is_no_recording_is_refused(tmp_path, content, message):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=message):
        list(read_blocks(tmp_path / "a.wav"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match="no such file"):
        list(read_blocks(tmp_path / "a.wav"))


def test_samples_that_are_no_numbers_are_refused(tmp_path):
    wave = stereo(1.0)
    wave[9000] = np.nan
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        list(read_blocks(tmp_path / "a.wav", 0.1))


def test_a_block_knows_where_it_ends():
    assert Block(np.zeros((2, 5), np.float32), 7, RATE).stop == 12
