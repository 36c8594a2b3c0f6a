"""Files changed at random: annotations by what their readers trip over, recordings, single bits."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile

from experiments.annotations import eaf_writing, rttm, segments_csv, textgrid, timeline_json, vtt
from experiments.annotations.segments import Segment, Timeline
from fusion.evaluation.backoff import Answer

#: Numbers, marks and markup of all formats: what a reader may trip over where it does not belong.
TOKENS = (
    *(b"", b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b"\t", b" "),
    *(b'"', b"'", b",", b";", b":", b"-", b"-1", b"0", b"1e999", b"nan", b"inf", b"9" * 18),
    *(b"9" * 5000, b"-->", b"<", b">", b"</", b"&", b"&#0;", b"&x;", b"<v ", b"<!DOCTYPE x>"),
    *(b"]]>", b"[", b"]", b"{", b"}", b"null", b"true", b"1.5", b"<exists>", b"size = 1000000000"),
    *(b"item [", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"TIME_VALUE", b"ts1", b"a1", b"PARENT_REF"),
    *(b"=cmd()", b"("),
)
STM = "x 1 Anna 0.5 2 <o,f0> No.\nx 1 Ben 1 3.25 Oh!\n" * 3
SRT = "1\n00:00:00,500 --> 00:00:02,000\n[Anna] (sad): No <i>way</i>\n\n" * 3
TXT = "0:01.5 - 0:03 Anna: No.\n4.0\t5.5\tBen: Oh\n" * 3
RATE = 16000


def replaced(data: bytes, token: bytes, rng: np.random.Generator) -> bytes:
    start = rng.integers(len(data))
    return data[:start] + token + data[start + rng.integers(60) :]


def inserted(data: bytes, token: bytes, rng: np.random.Generator) -> bytes:
    start = rng.integers(len(data))
    return data[:start] + token + data[start:]


def lost(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    return replaced(data, b"", rng)


def changed(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    start = rng.integers(len(data))
    return data[:start] + bytes([rng.integers(256)]) + data[start + 1 :]


def repeated(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    start = rng.integers(len(data))
    chunk = data[start : start + rng.integers(1, 60)]
    return data[:start] + chunk * int(rng.integers(1, 30)) + data[start:]


def cut_off(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(len(data))]


def moved(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    start, to = rng.integers(len(data), size=2)
    chunk = data[start : start + rng.integers(1, 60)]
    rest = data[:start] + data[start + len(chunk) :]
    return rest[:to] + chunk + rest[to:]


def renumbered(data: bytes, token: bytes, rng: np.random.Generator) -> bytes:
    spans = [match.span() for match in re.finditer(rb"\d[\d.]*", data)] or [(0, 0)]
    start, end = spans[rng.integers(len(spans))]
    return data[:start] + token + data[end:]


def flipped(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    """One bit is another."""
    at = int(rng.integers(len(data)))
    return data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]


def patched(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    """The start of a recording, where its header is, says something else."""
    return changed(data[:64], b"", rng) + data[64:]


def noisy(data: bytes, _token: bytes, rng: np.random.Generator) -> bytes:
    """A stretch of noise, as of a block of a disk that was lost."""
    start = int(rng.integers(len(data)))
    count = min(int(rng.integers(1, 600)), len(data) - start)
    return data[:start] + rng.bytes(count) + data[start + count :]


Mutation = Callable[[bytes, bytes, np.random.Generator], bytes]
ANNOTATIONS: tuple[Mutation, ...] = (
    *(replaced, inserted, lost, changed, repeated, cut_off, moved, renumbered, renumbered),
)
RECORDINGS: tuple[Mutation, ...] = (
    *(flipped, patched, noisy, replaced, lost, repeated, cut_off, moved),
)


def mutated(content: bytes, rng: np.random.Generator, mutations: tuple[Mutation, ...]) -> bytes:
    """Content with one to four changes, of recordings one or two: most are refused after one."""
    for _ in range(rng.integers(1, 3 if mutations is RECORDINGS else 5)):
        if content:
            mutation = mutations[rng.integers(len(mutations))]
            content = mutation(content, TOKENS[rng.integers(len(TOKENS))], rng)
    return content


# ---------------------------------------------------------------- whole files to begin with


def timeline() -> Timeline:
    """Two speakers, one of them twice at once; one segment without words, one without a class."""
    angry, sad = Answer("class", "angry", 0.7), Answer("class", "sad", 0.3)
    both = (0.7, 0.3)
    return Timeline(
        recording="talk.wav",
        duration_s=10.0,
        targets=("angry", "sad"),
        segments=(
            Segment(start_s=0.5, end_s=2.0, speaker="Anna Maria", text="No & <no>", answer=angry,
                    text_doubtful=("recogniser unsure",), probabilities=both),
            Segment(start_s=1.0, end_s=3.25, speaker="Ben", text="Oh\n\n--> =1", overlap=True,
                    probabilities=both),
            Segment(start_s=1.5, end_s=1.75, speaker="Anna Maria", answer=sad, probabilities=both),
            Segment(start_s=4.0, end_s=5.0, speaker="Ben", answer=angry, probabilities=both),
        ),
        facts={"model": "demo"},
    )  # fmt: skip


WRITERS: Mapping[str, Callable[[Timeline, Path], None]] = {
    ".json": timeline_json.write,
    ".csv": segments_csv.write,
    ".textgrid": textgrid.write,
    ".eaf": eaf_writing.write,
    ".rttm": rttm.write,
    ".vtt": vtt.write,
}


def write_annotation(suffix: str, folder: Path) -> Path:
    """A small file of a format of annotations."""
    path = folder / f"x{suffix}"
    if suffix in WRITERS:
        WRITERS[suffix](timeline(), path)
    elif suffix == ".tsv":
        segments_csv.write(timeline(), folder / "x.csv")
        path.write_text((folder / "x.csv").read_text().replace(",", "\t"))
    else:
        path.write_text({".stm": STM, ".srt": SRT}.get(suffix, TXT))
    return path


@dataclass(frozen=True, slots=True)
class Recording:
    """How a recording is written: by libsndfile, or by PyAV with the name of a codec."""

    subtype: str = ""
    codec: str = ""
    rate: int = RATE


FORMATS: Mapping[str, Recording] = {
    "wav": Recording("PCM_16"),
    "flac": Recording("PCM_16"),
    "mp3": Recording("MPEG_LAYER_III"),
    "ogg": Recording("VORBIS"),
    "webm": Recording(codec="libopus", rate=48000),
}


def write_recording(suffix: str, folder: Path, seconds: float) -> Path:
    """A rising tone of so many seconds."""
    how, path = FORMATS[suffix], folder / f"x.{suffix}"
    time = np.arange(round(seconds * how.rate)) / how.rate
    wave = (0.3 * np.sin(2 * np.pi * (300 + 200 * time) * time)).astype(np.float32)
    if how.subtype:
        soundfile.write(path, wave, how.rate, format=suffix.upper(), subtype=how.subtype)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream(how.codec, rate=how.rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for start in range(0, len(wave), 960):
            part = (wave[None, start : start + 960] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part, "s16", "mono")
            frame.sample_rate, frame.pts = how.rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
