"""All the sound that a file holds is read, whatever its header declares, and that is told."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from encoders.audio import flac
from encoders.audio.mpeg import streams_of
from encoders.audio.reading import read_segment
from encoders.audio.sound_files import JOINED, open_sound
from encoders.audio.streaming import read_blocks
from encoders.audio.waveform import CANCELLED, LONGER, AudioError

RATE = 16000


def chirp(seconds: float, seed: int = 0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 50 * seed + 90 * time) * time)).astype(np.float32)


def wav(samples: np.ndarray, announced: int | None = None, behind: bytes = b"") -> bytes:
    data = (samples * 32767).astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    size = len(data) if announced is None else announced
    body = b"WAVE" + form + b"data" + struct.pack("<I", size) + data + behind
    return b"RIFF" + struct.pack("<I", len(body)) + body


def read(path):
    """Samples and notes, which must be the same block by block."""
    whole = read_segment(path)
    blocks = list(read_blocks(path, 0.7))
    joined = np.concatenate([block.mono() for block in blocks])
    np.testing.assert_array_equal(joined, whole.samples)
    assert [note for block in blocks for note in block.notes] == list(whole.notes)
    return whole


# ---------------------------------------------------------------- wav


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (24, struct.pack("<I", 28800), "28800 Hz, 1 channel of 16 bits, 2 bytes a sample, 32000"),
        (22, struct.pack("<H", 15), "16000 Hz, 15 channels of 16 bits, 2 bytes a sample, 32000"),
    ],
    ids=["rate", "channels"],
)
def test_a_wav_whose_header_contradicts_itself_says_so(tmp_path, at, value, said):
    content = wav(chirp(3.0))
    (tmp_path / "a.wav").write_bytes(content[:at] + value + content[at + len(value) :])
    (note,) = read(tmp_path / "a.wav").notes
    assert note.startswith(f"its header contradicts itself ({said} a second)")


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW"])
def test_no_wav_of_any_sample_contradicts_itself(tmp_path, form, subtype):
    soundfile.write(tmp_path / "a.wav", chirp(0.5), RATE, format=form, subtype=subtype)
    assert read(tmp_path / "a.wav").notes == ()


@pytest.mark.parametrize("announced", [0, 40_000], ids=["none", "too little"])
def test_sound_behind_the_length_of_a_wav_is_read(tmp_path, announced):
    (tmp_path / "a.wav").write_bytes(wav(chirp(3.0), announced))
    (tmp_path / "whole.wav").write_bytes(wav(chirp(3.0)))
    heard = read(tmp_path / "a.wav")
    assert heard.notes == (LONGER,)
    assert np.array_equal(heard.samples, read_segment(tmp_path / "whole.wav").samples)


@pytest.mark.parametrize(
    "behind",
    [
        b"LIST" + struct.pack("<I", 4000) + b"INFO" + bytes(range(1, 200)) * 21,
        bytes(64_000),
        b"TAG" + b"x" * 125,
    ],
    ids=["chunks", "filled up with zeros", "a tag"],
)
def test_what_follows_the_sound_of_a_right_wav_is_no_sound(tmp_path, behind):
    behind = behind[: 8 + 4000] if behind.startswith(b"LIST") else behind
    (tmp_path / "a.wav").write_bytes(wav(chirp(1.0), behind=behind))
    heard = read(tmp_path / "a.wav")
    assert (heard.duration_s, heard.notes) == (1.0, ())


# ---------------------------------------------------------------- mp3


def write_bare_mp3(path, samples: np.ndarray) -> None:
    """Variable bit rate without a Xing header, as a pipe or a recorder leaves it."""
    bare = {"write_xing": "0", "id3v2_version": "0"}
    with av.open(str(path), "w", format="mp3", options=bare) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono", options={"abr": "1"})
        stream.bit_rate = 32000
        size = stream.codec_context.frame_size or 576
        for start in range(0, len(samples), size):
            part = samples[None, start : start + size]
            frame = av.AudioFrame.from_ndarray(part, "fltp", "mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture
def uneven():
    """Five seconds of silence and five of noise: guesses from the first frames go far wrong."""
    noise = np.random.default_rng(1).normal(0, 0.3, 5 * RATE).clip(-1, 1).astype(np.float32)
    return [np.zeros(5 * RATE, np.float32), noise]


@pytest.mark.parametrize("order", [1, -1], ids=["quiet first", "loud first"])
def test_an_mp3_that_does_not_declare_its_length_is_read_to_its_end(tmp_path, uneven, order):
    write_bare_mp3(tmp_path / "a.mp3", np.concatenate(uneven[::order]))
    heard = read(tmp_path / "a.mp3")
    assert heard.duration_s == pytest.approx(10.0, abs=0.15)
    assert heard.notes == (LONGER,)
    halves = [np.abs(part).mean() > 0.1 for part in np.array_split(heard.samples, 2)]
    assert halves == [order < 0, order > 0]


def test_a_hole_in_an_mp3_that_declares_nothing_is_damage(tmp_path, uneven):
    write_bare_mp3(tmp_path / "a.mp3", np.concatenate(uneven))
    content = (tmp_path / "a.mp3").read_bytes()
    place = len(content) * 3 // 4
    hole = np.random.default_rng(7).bytes(400)
    (tmp_path / "b.mp3").write_bytes(content[:place] + hole + content[place + 400 :])
    with pytest.raises(AudioError, match=r"b\.mp3: \d+ bytes between its frames are none"):
        read_segment(tmp_path / "b.mp3")


def test_an_mp3_that_declares_its_length_is_left_as_it_is(tmp_path):
    soundfile.write(tmp_path / "a.mp3", chirp(2.0), RATE)
    (stream,) = streams_of(tmp_path / "a.mp3")
    assert stream.declared in (stream.frames, stream.frames + 1)
    assert read(tmp_path / "a.mp3").notes == ()


def test_an_mp3_in_blocks_has_no_holes(tmp_path):
    """A tone at a seam needs what lies before it: the decoder must not seek there."""
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    soundfile.write(tmp_path / "a.mp3", tone, RATE)
    joined = np.concatenate([block.mono() for block in read_blocks(tmp_path / "a.mp3", 0.5)])
    levels = [np.sqrt(np.square(part).mean()) for part in np.array_split(joined, 100)][2:-2]
    assert min(levels) > 0.2


@pytest.mark.parametrize("name", ["mp3", "ogg", "opus", "flac"])
def test_recordings_joined_end_to_end_are_all_read(tmp_path, name):
    kind = {"format": "OGG", "subtype": "OPUS"} if name == "opus" else {}
    for part, seconds in (("a", 3.0), ("b", 2.0)):
        soundfile.write(tmp_path / f"{part}.{name}", chirp(seconds, 2), RATE, **kind)
    parts = [tmp_path / f"{part}.{name}" for part in ("a", "b")]
    (tmp_path / f"ab.{name}").write_bytes(b"".join(path.read_bytes() for path in parts))
    heard = read(tmp_path / f"ab.{name}")
    assert heard.notes == (JOINED,)
    alone = np.concatenate([read_segment(path).samples for path in parts])
    np.testing.assert_allclose(heard.samples, alone, rtol=0, atol=1e-6)


def test_a_segment_behind_the_joint_is_read_from_there(tmp_path):
    for part, seconds in (("a", 3.0), ("b", 2.0)):
        soundfile.write(tmp_path / f"{part}.ogg", chirp(seconds, 2), RATE)
    joined = tmp_path / "ab.ogg"
    joined.write_bytes((tmp_path / "a.ogg").read_bytes() + (tmp_path / "b.ogg").read_bytes())
    expected = read_segment(joined).samples[round(3.5 * RATE) : 4 * RATE]
    assert np.array_equal(read_segment(joined, 3.5, 4.0).samples, expected)


def test_recordings_of_several_rates_are_not_joined(tmp_path):
    soundfile.write(tmp_path / "a.ogg", chirp(1.0), RATE)
    soundfile.write(tmp_path / "b.ogg", chirp(1.0), 2 * RATE)
    joined = tmp_path / "ab.ogg"
    joined.write_bytes((tmp_path / "a.ogg").read_bytes() + (tmp_path / "b.ogg").read_bytes())
    with pytest.raises(AudioError, match=r"of several kinds.*16000 Hz with 1, 32000 Hz with 1"):
        read_segment(joined)


def test_a_flac_that_declares_too_little_is_read_to_its_end(tmp_path):
    soundfile.write(tmp_path / "a.flac", chirp(3.0), RATE)
    whole = read_segment(tmp_path / "a.flac").samples
    content = bytearray((tmp_path / "a.flac").read_bytes())
    # The last 32 bits of the number of samples in STREAMINFO (RFC 9639, section 8.2).
    content[22:26] = (RATE).to_bytes(4, "big")
    # The checksum of the samples is of other ones then; zeros stand for none.
    content[26:42] = bytes(16)
    (tmp_path / "b.flac").write_bytes(content)
    heard = read(tmp_path / "b.flac")
    assert heard.notes == (LONGER,)
    np.testing.assert_allclose(heard.samples, whole, rtol=0, atol=1e-7)


def test_a_right_flac_reaches_what_it_declares(tmp_path):
    soundfile.write(tmp_path / "a.flac", chirp(3.0), RATE)
    held = flac.held_by(tmp_path / "a.flac")
    assert held is not None
    assert (held.declared, held.reached, held.starts) == (3 * RATE, 3 * RATE, (0,))


# ---------------------------------------------------------------- gaps


def write_call(path, samples: np.ndarray, without: tuple[float, float]) -> None:
    """Opus packets of 20 ms, some of which were never sent."""
    with av.open(str(path), "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        for start in range(0, len(samples) - 959, 960):
            part = (samples[None, start : start + 960] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part, "s16", "mono")
            frame.sample_rate, frame.pts = 48000, start
            frame.time_base = Fraction(1, 48000)
            for packet in stream.encode(frame):
                if not without[0] < float(packet.pts * packet.time_base) < without[1]:
                    container.mux(packet)


def test_a_pause_in_the_times_is_silence_of_that_length(tmp_path):
    time = np.arange(8 * 48000) / 48000
    tone = (0.3 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    write_call(tmp_path / "call.webm", tone, (3.0, 3.4))
    heard = read(tmp_path / "call.webm")
    assert heard.duration_s == pytest.approx(8.0, abs=0.05)
    assert heard.notes == ("0.40 s of sound are missing at 3.01 s: silence stands for them",)
    gap = heard.samples[round(3.05 * 48000) : round(3.35 * 48000)]
    assert np.abs(gap).max() < 1e-3
    after = heard.samples[round(3.6 * 48000) : round(7.5 * 48000)]
    assert np.sqrt(np.square(after).mean()) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


# ---------------------------------------------------------------- channels


@pytest.fixture
def opposite(tmp_path):
    """The right channel is the left one turned over."""
    soundfile.write(tmp_path / "a.wav", np.stack([chirp(1.0), -chirp(1.0)], 1), RATE)
    return tmp_path / "a.wav"


def test_channels_that_cancel_are_told(opposite):
    heard = read_segment(opposite)
    assert heard.is_silent
    assert heard.notes == (CANCELLED,)


@pytest.mark.parametrize("channel", [1, 2])
def test_one_channel_is_that_channel_and_nothing_is_told(opposite, channel):
    heard = read_segment(opposite, 0.0, None, channel)
    expected, _ = soundfile.read(opposite, dtype="float32")
    assert np.array_equal(heard.samples, expected[:, channel - 1])
    assert heard.notes == ()


def test_a_channel_that_is_not_there_is_refused(opposite):
    with pytest.raises(AudioError, match=r"a\.wav: channel 3 asked for, it has 2 channels"):
        read_segment(opposite, channel=3)


def test_two_microphones_do_not_cancel(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal((RATE, 2)), RATE)
    assert read_segment(tmp_path / "a.wav").notes == ()


def test_a_right_file_is_given_to_libsndfile_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("encoders.audio.sound_files.Spliced", None)
    for name in ("wav", "mp3", "ogg", "flac", "aiff"):
        soundfile.write(tmp_path / f"a.{name}", chirp(1.0), RATE)
        with open_sound(tmp_path / f"a.{name}") as file:
            assert file.notes == ()


# ---------------------------------------------------------------- mp3 that are damaged


@pytest.fixture(scope="module")
def variable(tmp_path_factory) -> bytes:
    """Six seconds at a variable bit rate, which begin with a Xing frame."""
    path = tmp_path_factory.mktemp("variable") / "a.mp3"
    quality = {"bitrate_mode": "VARIABLE", "compression_level": 0.5}
    soundfile.write(path, chirp(6.0), RATE, "MPEG_LAYER_III", format="MP3", **quality)
    content = path.read_bytes()
    assert content.index(b"Xing") == 13
    return content


@pytest.mark.parametrize("place", [7, 8, 11, 12])
def test_a_xing_frame_that_the_decoder_passes_over_does_not_shorten(tmp_path, variable, place):
    # Its side information is to be zero; where it is not, libmpg123 guesses 2.6 s by a bit rate.
    path = tmp_path / "a.mp3"
    path.write_bytes(variable[:place] + b"\1" + variable[place + 1 :])
    heard = read(path)
    assert (round(heard.duration_s, 1), heard.notes) == (6.1, (LONGER,))


def test_a_tag_that_takes_sound_away_does_not_shorten(tmp_path, variable):
    # Delay and padding, 12 bits each, stand 141 bytes behind the word Xing.
    place = 13 + 141
    path = tmp_path / "a.mp3"
    path.write_bytes(variable[:place] + b"\xff\xff\xff" + variable[place + 3 :])
    assert read(path).notes == (LONGER,)


@pytest.mark.parametrize("filled", [b"\0", b"\x55"], ids=["zeros", "other bytes"])
@pytest.mark.parametrize("place", [369, 563])
def test_a_hole_that_only_the_other_decoder_passes_over_is_damage(
    tmp_path, variable, place, filled
):
    path = tmp_path / "a.mp3"
    path.write_bytes(variable[:place] + 2000 * filled + variable[place + 2000 :])
    with pytest.raises(AudioError, match=r"a\.mp3: .*damaged"):
        read_segment(path)


def test_zeros_between_frames_of_an_undeclared_length_are_damage(tmp_path, variable):
    (stream,) = streams_of(_written(tmp_path / "whole.mp3", variable))
    bare = variable[stream.begin :]
    assert read_segment(_written(tmp_path / "bare.mp3", bare)).duration_s > 6.0
    holed = _written(tmp_path / "a.mp3", bare[:3000] + bytes(1000) + bare[4000:])
    with pytest.raises(AudioError, match="bytes between its frames are none"):
        read_segment(holed)
    # Behind the last frame they fill the file up.
    assert read_segment(_written(tmp_path / "full.mp3", bare + bytes(3000))).duration_s > 6.0


def _written(path, content):
    path.write_bytes(content)
    return path
