"""Make the demo corpus: 480 synthetic utterances, spoken by espeak-ng in twelve voices.

    python -m scripts.demo_corpus.make OUT_DIR

A development tool: it needs ``espeakng-loader``, ``soundfile`` and ``soxr``, and nothing that runs
with the package imports it. PROVENANCE.md says what the parameters mean.
"""

from __future__ import annotations

import csv
import ctypes
import hashlib
import importlib
import itertools
import math
import multiprocessing
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Samples = npt.NDArray[np.float32]

CORPUS = Path(__file__).resolve().parents[2] / "experiments" / "demo_corpus"
SEED = "serfusion-demo-1"
RANDOM_SEED = 1
RATE_HZ = 16_000
COMPRESSION = 0.7
# Segments are cut on this grid, so that times with two decimals are exact in samples.
GRID = RATE_HZ // 100
MARGIN = 5 * GRID
GAP_CS = (15, 30)
# Below this share of full scale espeak-ng's pauses at both ends count as silence.
SILENCE = 0.0005
# espeak-ng clips some voices from volume 100 on; levels are set afterwards, without loss.
VOLUME = 50
# Headroom for the loudest style, and for resampling and Vorbis, which overshoot.
GAIN = 0.5
PEAK_LIMIT = 0.95


@dataclass(frozen=True, slots=True)
class Voice:
    """One speaker; ``espeak`` is an accent and a voice variant."""

    name: str
    espeak: str
    sex: str
    fold: int


@dataclass(frozen=True, slots=True)
class Style:
    """Words per minute, two of espeak-ng's scales from 0 to 99, and the level."""

    rate: float
    pitch: float
    pitch_range: float
    level_db: float


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence and the emotion of the scene it belongs to."""

    id: str
    fold: int
    emotion: str
    ambiguous: bool
    text: str


@dataclass(frozen=True, slots=True)
class Take:
    """One utterance: who says what, in whose emotion's style, with which settings."""

    voice: Voice
    text: Text
    delivered: str
    style: Style
    transcript_missing: bool


COLUMNS = "id,audio,start_s,end_s,transcript,speaker,label,script,fold,language,sex".split(",")
VOICES = (
    Voice("anna", "en+f1", "female", 1),
    Voice("ben", "en-us+m1", "male", 1),
    Voice("clara", "en-gb-scotland+f2", "female", 1),
    Voice("david", "en-gb-x-rp+m2", "male", 2),
    Voice("ella", "en-us+f3", "female", 2),
    Voice("frank", "en-gb-x-gbclan+m3", "male", 2),
    Voice("grace", "en-029+f4", "female", 3),
    Voice("henry", "en+m4", "male", 3),
    Voice("iris", "en-gb-x-rp+f5", "female", 3),
    Voice("jack", "en-gb-scotland+m5", "male", 4),
    Voice("kate", "en-us+steph", "female", 4),
    Voice("liam", "en-029+m6", "male", 4),
)
STYLES = {
    "angry": Style(rate=195, pitch=54, pitch_range=75, level_db=3.6),
    "happy": Style(rate=188, pitch=66, pitch_range=75, level_db=2.0),
    "neutral": Style(rate=175, pitch=48, pitch_range=45, level_db=0.0),
    "sad": Style(rate=150, pitch=40, pitch_range=25, level_db=-2.6),
}
WEAK_SHARE = 1 / 3
WEAK_STYLES = {
    "angry": ("neutral", "happy"),
    "happy": ("neutral", "angry"),
    "neutral": ("sad", "happy"),
    "sad": ("neutral",),
}
# Standard deviations per utterance and per voice: of the rate as a factor, else in steps and dB.
JITTER = Style(rate=0.06, pitch=5, pitch_range=10, level_db=1.0)
HABIT = Style(rate=0.05, pitch=3, pitch_range=6, level_db=0.7)


def draw(*key: str) -> random.Random:
    """Return the random numbers that belong to ``key``, whatever was drawn before."""
    return random.Random("/".join((SEED, *key)))


def read_texts() -> list[Text]:
    """Read the sentences; their number in the file is their id."""
    with (CORPUS / "texts.csv").open(encoding="utf-8", newline="") as file:
        return [
            Text(f"t{n:03d}", int(r["fold"]), r["emotion"], r["ambiguous"] == "1", r["text"])
            for n, r in enumerate(csv.DictReader(file), start=1)
        ]


def vary(style: Style, spread: Style, rng: random.Random) -> Style:
    """Return ``style`` with a normal deviation of the given spread in each setting."""
    return Style(
        rate=style.rate * math.exp(rng.gauss(0, spread.rate)),
        pitch=style.pitch + rng.gauss(0, spread.pitch),
        pitch_range=style.pitch_range + rng.gauss(0, spread.pitch_range),
        level_db=style.level_db + rng.gauss(0, spread.level_db),
    )


def deliveries(texts: list[Text]) -> dict[tuple[str, str], str]:
    """Say in whose emotion's style each voice says each text.

    The share of weak deliveries is the same for clear and ambiguous texts of every fold and
    emotion, so that the voice knows nothing of the words.
    """
    heard: dict[tuple[str, str], str] = {}
    for cell in sorted({(t.fold, t.emotion, t.ambiguous) for t in texts}):
        ids = [t.id for t in texts if (t.fold, t.emotion, t.ambiguous) == cell]
        pairs = [(v.name, i) for v in VOICES if v.fold == cell[0] for i in ids]
        weak = draw("weak", *map(str, cell)).sample(pairs, round(len(pairs) * WEAK_SHARE))
        heard |= dict.fromkeys(pairs, cell[1])
        heard |= dict(zip(weak, itertools.cycle(WEAK_STYLES[cell[1]]), strict=False))
    return heard


def settings(voice: Voice, text: Text, delivered: str) -> Style:
    """Return how ``voice`` says ``text`` in the style ``delivered``."""
    habit = vary(STYLES[delivered], HABIT, draw("habit", voice.name))
    return vary(habit, JITTER, draw("jitter", voice.name, text.id))


def without_transcript(texts: list[Text]) -> set[tuple[str, str]]:
    """Choose one text for each voice and emotion, never the same text twice."""
    chosen = set()
    for fold in sorted({v.fold for v in VOICES}):
        names = [v.name for v in VOICES if v.fold == fold]
        for emotion in STYLES:
            ids = [t.id for t in texts if (t.fold, t.emotion) == (fold, emotion)]
            picked = draw("missing", str(fold), emotion).sample(ids, len(names))
            chosen |= set(zip(names, picked, strict=True))
    return chosen


def plan() -> list[Take]:
    """Return every utterance, voice by voice, in the order in which it stands in its file."""
    texts = read_texts()
    heard, missing = deliveries(texts), without_transcript(texts)
    takes = []
    for voice in VOICES:
        of_fold = [t for t in texts if t.fold == voice.fold]
        draw("order", voice.name).shuffle(of_fold)
        for text in of_fold:
            key = (voice.name, text.id)
            style = settings(voice, text, heard[key])
            takes.append(Take(voice, text, heard[key], style, key in missing))
    return takes


def speak(item: Take) -> Samples:
    """Speak one utterance; espeak-ng repeats itself only as the first call of a process."""
    loader = importlib.import_module("espeakng_loader")
    lib = ctypes.CDLL(loader.get_library_path())
    rate_hz = lib.espeak_Initialize(2, 0, loader.get_data_path().encode(), 0)
    if rate_hz <= 0 or lib.espeak_SetVoiceByName(item.voice.espeak.encode()):
        raise RuntimeError(f"espeak-ng has no voice {item.voice.espeak}")
    # Initialising seeds its noise from the clock.
    lib.espeak_ng_SetRandSeed(ctypes.c_long(RANDOM_SEED))
    lib.espeak_SetParameter(2, VOLUME, 0)
    # The numbers are espeak-ng's own for rate, pitch and range.
    how = item.style
    for number, value, top in ((1, how.rate, 450), (3, how.pitch, 99), (4, how.pitch_range, 99)):
        lib.espeak_SetParameter(number, round(min(max(value, 0), top)), 0)
    spoken = collect(lib, item.text.text)
    if np.abs(spoken.astype(np.int32)).max() >= 32767:
        raise RuntimeError(f"{item.voice.name} clips in {item.text.id}")
    voiced = cut(soxr.resample(spoken.astype(np.float32) / 32768, rate_hz, RATE_HZ, "HQ"))
    return voiced * np.float32(GAIN * 10 ** (how.level_db / 20))


def collect(lib: ctypes.CDLL, text: str) -> npt.NDArray[np.int16]:
    """Synthesise ``text`` and return what espeak-ng hands over, piece by piece."""
    pieces: list[bytes] = []
    signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

    def receive(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = signature(receive)
    lib.espeak_SetSynthCallback(callback)
    data = text.encode()
    # Position 0 of type 1 to the end; flag 1 says that the text is UTF-8.
    if lib.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, 1, None, None):
        raise RuntimeError(f"espeak-ng refused {text!r}")
    return np.frombuffer(b"".join(pieces), dtype="<i2")


def cut(samples: Samples) -> Samples:
    """Cut the pauses at both ends, leave a margin, and fill up to the grid."""
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    voiced = samples[loud[0] : loud[-1] + 1]
    return np.pad(voiced, (MARGIN, MARGIN + -len(voiced) % GRID))


def rows(takes: list[Take], lengths: list[int]) -> Iterator[tuple[list[str], int]]:
    """Lay one voice's utterances end to end with gaps; yield each row and its first sample."""
    start = 0
    for item, length in zip(takes, lengths, strict=True):
        name, text = item.voice.name, item.text
        start += GRID * draw("gap", name, text.id).randint(*GAP_CS)
        times = [f"{start / RATE_HZ:.2f}", f"{(start + length) / RATE_HZ:.2f}"]
        said = "" if item.transcript_missing else text.text
        row = [f"{name}-{text.id}", f"voices/{name}.ogg", *times, said, name, text.emotion]
        yield [*row, text.id, str(text.fold), "en", item.voice.sex], start
        start += length


def write_voice(path: Path, takes: list[Take], spoken: list[Samples]) -> list[list[str]]:
    """Write the file of one voice and return its rows of the manifest."""
    laid = list(rows(takes, [len(s) for s in spoken]))
    whole = np.zeros(laid[-1][1] + len(spoken[-1]) + GRID * GAP_CS[0], np.float32)
    for (_, start), samples in zip(laid, spoken, strict=True):
        whole[start : start + len(samples)] = samples
    kind = {"format": "OGG", "subtype": "VORBIS"}
    soundfile.write(path, whole, RATE_HZ, **kind, compression_level=COMPRESSION)
    if np.abs(soundfile.read(path, dtype="float32")[0]).max() > PEAK_LIMIT:
        raise RuntimeError(f"{path.name} is too loud")
    return [row for row, _ in laid]


def write_hashes(out: Path) -> None:
    """Write the hashes of the manifest and of every voice, as ``sha256sum -c`` reads them."""
    paths = [out / "manifest.csv", *sorted((out / "voices").glob("*.ogg"))]
    with (out / "SHA256SUMS").open("w", encoding="utf-8", newline="") as file:
        for path in paths:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            file.write(f"{digest}  {path.relative_to(out).as_posix()}\n")


def main(out: Path) -> None:
    """Make the whole corpus in ``out``."""
    (out / "voices").mkdir(parents=True, exist_ok=True)
    takes = plan()
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        spoken = pool.map(speak, takes, chunksize=1)
    manifest: list[list[str]] = []
    for voice in VOICES:
        indices = [n for n, t in enumerate(takes) if t.voice == voice]
        path = out / "voices" / f"{voice.name}.ogg"
        manifest += write_voice(path, [takes[n] for n in indices], [spoken[n] for n in indices])
    with (out / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *manifest])
    write_hashes(out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m scripts.demo_corpus.make OUT_DIR")
    main(Path(sys.argv[1]))
