"""Damaged recordings are refused, whole ones of every container are read, none opens another."""

from __future__ import annotations

import http.server
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies as st

from encoders.audio.containers import Joint
from encoders.audio.ogg import damage_of, page_checksum
from encoders.audio.reading import read_segment
from encoders.audio.waveform import MAX_PEAK, MAX_RATE_HZ, MIN_RATE_HZ, AudioError

RATE = 16000
SECONDS = 6.0
#: Suffix, and what libsndfile writes there, or the codec that PyAV does.
SOUNDFILE = {"flac": "PCM_16", "ogg": "VORBIS", "opus.ogg": "OPUS", "mp3": "MPEG_LAYER_III"}
PYAV = {
    "m4a": "aac",
    "mov": "aac",
    "webm": "libopus",
    "mka": "flac",
    "aac": "aac",
    "ts": "aac",
    "flv": "aac",
    "avi": "pcm_s16le",
    "wma": "wmav2",
}
FORMATS = {"mka": "matroska", "aac": "adts", "ts": "mpegts", "wma": "asf"}

Recording = Callable[[str], bytes]


def write_av(path: Path, wave: np.ndarray, rate: int, *, late_s: float = 0.0) -> None:
    """Audio through PyAV; where it is late, beside pictures that start at 0."""
    suffix = path.suffix[1:]
    with av.open(str(path), "w", format=FORMATS.get(suffix)) as container:
        pictures = _picture_stream(container) if late_s else None
        stream = container.add_stream(PYAV[suffix], rate=rate, layout="mono")
        stream.bit_rate = 64000
        if pictures is not None:
            _mux_pictures(container, pictures)
        kind, size = stream.format.name, stream.codec_context.frame_size or 960
        samples = wave if kind.startswith("flt") else (wave * 32767).astype(np.int16)
        for start in range(0, len(wave), size):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], kind, "mono")
            frame.sample_rate, frame.pts = rate, start + round(late_s * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _picture_stream(container: av.container.OutputContainer) -> av.VideoStream:
    stream = container.add_stream("mpeg4", rate=10)
    stream.width = stream.height = 16
    return stream


def _mux_pictures(container: av.container.OutputContainer, stream: av.VideoStream) -> None:
    for _ in range(20):
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def recording(tmp_path_factory, make_tone) -> Recording:
    """Bytes of six seconds of a tone in a format, written once."""
    folder = tmp_path_factory.mktemp("whole")

    def content(name: str) -> bytes:
        path = folder / f"a.{name}"
        if not path.exists() and name in SOUNDFILE:
            form = name.rpartition(".")[2].upper()
            soundfile.write(path, make_tone(SECONDS), RATE, format=form, subtype=SOUNDFILE[name])
        elif not path.exists():
            rate = 44100 if name in ("flv", "wma") else 48000
            write_av(path, make_tone(SECONDS, rate), rate)
        return path.read_bytes()

    return content


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize("name", [*SOUNDFILE, *PYAV])
def test_a_whole_file_of_every_container_is_read(tmp_path, recording, name):
    path = tmp_path / f"a.{name}"
    path.write_bytes(recording(name))
    assert read_segment(path).duration_s == pytest.approx(SECONDS, abs=0.1)


def test_a_flac_from_a_pipe_does_not_say_its_length_and_is_read(tmp_path, recording):
    content = bytearray(recording("flac"))
    # The 36 bits of the number of samples in STREAMINFO (RFC 9639, section 8.2); 0 is unknown.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (tmp_path / "pipe.flac").write_bytes(content)
    assert len(read_segment(tmp_path / "pipe.flac").samples) == SECONDS * RATE


def test_tags_behind_the_end_of_an_ogg_stream_are_no_damage(tmp_path, recording):
    (tmp_path / "a.ogg").write_bytes(recording("ogg") + b"TAG" + bytes(125))
    assert read_segment(tmp_path / "a.ogg").duration_s == SECONDS


def test_audio_that_starts_late_in_a_video_keeps_its_time(tmp_path, make_tone):
    path = tmp_path / "video.mov"
    write_av(path, make_tone(1.0, 48000), 48000, late_s=0.75)
    found = read_segment(path)
    loud = np.abs(found.samples) > 0.1
    assert np.argmax(loud) / 48000 == pytest.approx(0.75, abs=0.06)
    assert read_segment(path, 0.0, 0.5).is_silent


# ---------------------------------------------------------------- damage


def overwritten(content: bytes, share: float) -> bytes:
    place = int(len(content) * share) - 200
    noise = np.random.default_rng(7).bytes(400)
    return content[:place] + noise + content[place + 400 :]


def shortened(content: bytes, share: float) -> bytes:
    place = int(len(content) * share)
    return content[:place] + content[place + 400 :]


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("damage", [overwritten, shortened, cut], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", [*SOUNDFILE, "m4a", "webm", "mka"])
def test_damage_is_refused_and_nothing_is_shifted(tmp_path, recording, name, damage, share):
    path = tmp_path / f"broken.{name}"
    path.write_bytes(damage(recording(name), share))
    with pytest.raises(AudioError, match=rf"broken\.{name}: .*(damaged|whole|declared)"):
        read_segment(path)


def test_the_message_says_what_was_declared_and_what_was_decoded(tmp_path, recording):
    path = tmp_path / "a.webm"
    path.write_bytes(cut(recording("webm"), 0.5))
    with pytest.raises(AudioError, match=r"2\.9\d s decoded of the 6\.01 s declared"):
        read_segment(path)


@pytest.mark.parametrize(("start_s", "end_s"), [(4.0, 5.0), (5.0, None), (0.0, 5.5)])
@pytest.mark.parametrize("name", ["mp3", "ogg", "opus.ogg"])
def test_a_segment_behind_a_hole_is_not_read_from_another_time(
    tmp_path, recording, name, start_s, end_s
):
    path = tmp_path / f"broken.{name}"
    path.write_bytes(overwritten(recording(name), 0.3))
    with pytest.raises(AudioError, match=rf"broken\.{name}: .*damaged"):
        read_segment(path, start_s, end_s)


def test_a_page_that_is_missing_is_a_hole(tmp_path, recording):
    """Every page that is left has its right checksum; only the numbers of pages tell."""
    content = recording("ogg")
    starts = [k for k in range(len(content)) if content.startswith(b"OggS", k)]
    path = tmp_path / "broken.ogg"
    path.write_bytes(content[: starts[3]] + content[starts[4] :])
    assert damage_of(path) is None
    with pytest.raises(AudioError, match=r"broken\.ogg: .*decoded of the 6\.000 s declared"):
        read_segment(path)


def test_the_checksum_of_ogg_has_its_published_check_value():
    # CRC-32 with this polynomial, start 0, not mirrored, not inverted: "CKSUM" without length.
    assert page_checksum(b"123456789") == 0x89A1897F


@given(lost=st.integers(0, 40), count=st.integers(43, 60), jitter=st.floats(-0.004, 0.004))
@settings(max_examples=50, deadline=None)
def test_a_lost_frame_is_a_gap_and_jitter_is_none(lost, count, jitter):
    def gaps(*, without: int | None) -> list[float]:
        joint = Joint(Path("a.webm"), 0.0)
        times = [0.02 * k + jitter * (k % 2) for k in range(count) if k != without]
        return [gap_s for time in times if (gap_s := joint.join(time, 0.02))]

    assert gaps(without=None) == []
    assert gaps(without=lost + 1) == [pytest.approx(0.02, abs=0.0041)]


def test_small_steps_that_add_up_are_gaps_as_long_as_they():
    joint = Joint(Path("a.webm"), 0.0)
    missing = sum(joint.join(0.029 * k, 0.02) for k in range(50))
    assert missing == pytest.approx(49 * 0.009, abs=0.11)


def test_frames_that_overlap_are_damage():
    joint = Joint(Path("a.webm"), 0.0)
    joint.join(0.0, 0.02)
    with pytest.raises(AudioError, match=r"0\.020 s of audio doubled at 0\.020 s"):
        joint.join(0.0, 0.02)


# ---------------------------------------------------------------- absurd headers and samples


def patched(path: Path, place: int, value: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(value)] = value
    path.write_bytes(content)


@pytest.mark.parametrize("rate", [1, MIN_RATE_HZ - 1, MAX_RATE_HZ + 1, 2147483647])
def test_a_rate_that_no_recorder_has_is_refused(write_tone, rate):
    path = write_tone("a.wav")
    patched(path, 24, struct.pack("<I", rate))
    with pytest.raises(AudioError, match=rf"a\.wav: its header says {rate} samples a second"):
        read_segment(path)


@pytest.mark.parametrize("rate", [MIN_RATE_HZ, MAX_RATE_HZ])
def test_the_slowest_and_the_fastest_recorder_are_read(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.full(100, 0.5), rate)
    assert read_segment(tmp_path / "a.wav").sample_rate_hz == rate


@pytest.mark.parametrize("peak", [1e30, -3e38, 2 * MAX_PEAK])
def test_a_sample_that_is_no_sound_is_refused(tmp_path, peak):
    soundfile.write(tmp_path / "a.wav", np.full((100, 2), peak), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: (its loudest sample is|holds samples)"):
        read_segment(tmp_path / "a.wav")


def test_unscaled_integers_are_sound(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(100, -32768.0), RATE, subtype="FLOAT")
    assert np.abs(read_segment(tmp_path / "a.wav").samples).max() == 32768


# ---------------------------------------------------------------- files that open other files


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A port, and the paths that were asked for there."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    yield httpd.server_port, asked
    httpd.shutdown()
    httpd.server_close()


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{}'\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
PLAYLISTS = {
    "hls, absolute": ("a.m3u8", HLS, "file://{folder}/secret.m4a"),
    "hls, relative": ("a.m3u8", HLS, "../secret.m4a"),
    "hls, web": ("a.m3u8", HLS, "http://127.0.0.1:{port}/x.ts"),
    "hls named wav": ("a.wav", HLS, "../secret.m4a"),
    "concat": ("a.wav", CONCAT, "../secret.m4a"),
    "concat, absolute": ("a.ffconcat", CONCAT, "{folder}/secret.m4a"),
    "concat, beside": ("a.ffconcat", CONCAT, "beside.m4a"),
    "concat, web": ("a.ffconcat", CONCAT, "http://127.0.0.1:{port}/x.m4a"),
    "sdp": ("a.sdp", SDP, ""),
}


@pytest.mark.parametrize(("name", "form", "aim"), PLAYLISTS.values(), ids=PLAYLISTS.keys())
def test_a_file_that_opens_others_is_refused(tmp_path, recording, server, name, form, aim):
    port, asked = server
    root = tmp_path / "root"
    root.mkdir()
    for secret in (tmp_path / "secret.m4a", root / "beside.m4a"):
        secret.write_bytes(recording("m4a"))
    (root / name).write_text(form.format(aim.format(folder=tmp_path, port=port)))
    with pytest.raises(AudioError, match=r"not a recording we can read .*no playlist"):
        read_segment(root / name)
    assert asked == []
