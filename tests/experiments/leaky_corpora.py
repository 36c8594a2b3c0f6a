"""Random corpora of speech-like sounds, and fourteen ways to leak a test row into training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from encoders.audio.reading import read_segment
from encoders.finetuning.augmentation import WaveformChanges, changed
from encoders.utterance import Utterance, one_hot

RATE = 16_000
TARGETS = ("angry", "happy", "sad")
WORDS = (
    "I you they we never always door window train letter rain money doctor garden left found lost "
    "wanted carried opened finished remember believe understand the a this that every no and but "
    "because after before about tomorrow yesterday morning night slowly again together alone"
).split()

Rows = list[Utterance]


def babble(rng: np.random.Generator) -> np.ndarray:
    """A second of syllables, each with a pitch and two resonances of its own."""
    parts = [np.zeros(round(RATE * rng.uniform(0.05, 0.2)))]
    for _ in range(rng.integers(5, 8)):
        time = np.arange(round(RATE * rng.uniform(0.09, 0.22))) / RATE
        pitch, glide = rng.uniform(90, 260), rng.uniform(-120, 120)
        phase = 2 * np.pi * (pitch * time + glide * time**2 / 2)
        peaks = rng.uniform(300, 900), rng.uniform(1000, 3000)
        harmonic = np.arange(1, 16)[:, None]
        loud = sum(np.exp(-(((harmonic * pitch - peak) / 150) ** 2)) for peak in peaks)
        wave = (loud * np.sin(harmonic * phase)).sum(axis=0)
        parts += [wave * np.hanning(len(time)) * rng.uniform(0.3, 1.0)]
        parts += [np.zeros(round(RATE * rng.uniform(0.01, 0.08)))]
    whole = np.concatenate([*parts, np.zeros(round(RATE * rng.uniform(0.05, 0.2)))])
    whole = 0.3 * whole / np.abs(whole).max() + 1e-3 * rng.standard_normal(len(whole))
    return whole.astype(np.float32)


def sentence(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, rng.integers(7, 12), replace=False))


def corpus(folder: Path, seed: int) -> Rows:
    """Three or four speakers in as many folds and dialogues, four rows each, files beside."""
    rng = np.random.default_rng(seed)
    rows = []
    for speaker in range(rng.integers(3, 5)):
        for item in range(4):
            path = folder / f"{seed}" / f"s{speaker}-{item}.wav"
            if not path.is_file():
                path.parent.mkdir(exist_ok=True, parents=True)
                soundfile.write(path, babble(np.random.default_rng((seed, speaker, item))), RATE)
            rows.append(
                Utterance(
                    id=path.stem,
                    audio=path,
                    speaker=f"speaker {chr(97 + speaker)}",
                    target=one_hot(TARGETS[(item + speaker) % 3], TARGETS),
                    transcript=sentence(rng),
                    dialogue=f"d{speaker}",
                    session=f"x{speaker}",
                    fold=str(speaker),
                )
            )
    return rows


# ---------------------------------------------------------------- leaks


def planted(
    rows: Rows, rng: np.random.Generator, change: Callable[[Utterance, Utterance], Utterance]
) -> Rows:
    """A random row replaced by what ``change`` makes of it and of a row of another fold."""
    place = int(rng.integers(len(rows)))
    others = [row for row in rows if row.fold != rows[place].fold]
    other = others[rng.integers(len(others))]
    return [*rows[:place], change(rows[place], other), *rows[place + 1 :]]


def written(row: Utterance, samples: np.ndarray, rate: int = RATE, suffix: str = ".wav") -> Path:
    assert row.audio is not None
    path = row.audio.with_name(f"{row.audio.stem}-planted{suffix}")
    soundfile.write(path, samples, rate)
    return path


def heard(row: Utterance) -> np.ndarray:
    assert row.audio is not None
    return read_segment(row.audio).samples


def same_speaker(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(rows, rng, lambda row, other: replace(row, speaker=other.speaker))


def two_spellings(rows: Rows, rng: np.random.Generator) -> Rows:
    def change(row: Utterance, other: Utterance) -> Utterance:
        assert other.speaker is not None
        return replace(row, speaker=other.speaker.upper(), audio=written(row, heard(other)))

    return planted(rows, rng, change)


def same_dialogue(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(
        rows, rng, lambda row, other: replace(row, dialogue=other.dialogue, session=other.session)
    )


def same_session(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(rows, rng, lambda row, other: replace(row, session=other.session))


def another_id(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(rows, rng, lambda row, other: replace(row, audio=written(row, heard(other))))


def another_container(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(
        rows,
        rng,
        lambda row, other: replace(row, audio=written(row, heard(other), suffix=".flac")),
    )


def shifted(rows: Rows, rng: np.random.Generator) -> Rows:
    silence = np.zeros(round(0.02 * RATE), np.float32)

    def change(row: Utterance, other: Utterance) -> Utterance:
        late = np.concatenate([silence, heard(other)])
        return replace(row, audio=written(row, late if rng.random() < 0.5 else late[2 * 320 :]))

    return planted(rows, rng, change)


def louder(rows: Rows, rng: np.random.Generator) -> Rows:
    gain = 10 ** (rng.uniform(-12, 6) / 20)
    return planted(
        rows, rng, lambda row, other: replace(row, audio=written(row, gain * heard(other)))
    )


def augmented(rows: Rows, rng: np.random.Generator) -> Rows:
    """A child as augmentation tools name it, with noise, gain and another pitch."""

    def change(row: Utterance, other: Utterance) -> Utterance:
        child = changed(heard(other), WaveformChanges(copies=1), rng)
        path = written(row, child)
        assert other.audio is not None
        return replace(row, audio=path.rename(path.with_name(f"{other.audio.stem}_aug1.wav")))

    return planted(rows, rng, change)


def segment_overlap(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(
        rows, rng, lambda row, other: replace(row, audio=other.audio, start_s=0.3, end_s=0.8)
    )


def same_text(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(rows, rng, lambda row, other: replace(row, transcript=other.transcript))


def label_written(rows: Rows, _rng: np.random.Generator) -> Rows:
    return [
        replace(row, transcript=f"[{TARGETS[row.target.index(1.0)]}] {row.transcript}")
        for row in rows
        if row.target is not None
    ]


def in_part(rows: Rows, rng: np.random.Generator) -> Rows:
    """Nine tenths of the other recording behind the row's own, and a little noise."""

    def change(row: Utterance, other: Utterance) -> Utterance:
        whole = heard(other)
        both = np.concatenate([heard(row), whole[len(whole) // 10 :]])
        noise = 0.02 * both.std() * rng.standard_normal(len(both))
        return replace(row, audio=written(row, both + noise))

    return planted(rows, rng, change)


def lower_rate(rows: Rows, rng: np.random.Generator) -> Rows:
    return planted(
        rows,
        rng,
        lambda row, other: replace(
            row, audio=written(row, soxr.resample(heard(other), RATE, 8000, "HQ"), 8000)
        ),
    )


#: Each leak, with the test of the certificate that must find it and how grave that is.
LEAKS: dict[str, tuple[Callable[[Rows, np.random.Generator], Rows], str, str]] = {
    "same speaker": (same_speaker, "same speaker", "error"),
    "two spellings, one recording": (two_spellings, "identical audio", "error"),
    "same dialogue": (same_dialogue, "same dialogue", "error"),
    "same session": (same_session, "same session", "warning"),
    "identical file, another id": (another_id, "identical audio", "error"),
    "another container": (another_container, "identical audio", "error"),
    "shifted by 20 ms": (shifted, "the same recording, changed", "error"),
    "gain": (louder, "the same recording, changed", "error"),
    "8 kHz": (lower_rate, "the same recording, changed", "error"),
    "behind another one": (in_part, "part of the same recording", "error"),
    "augmented child": (augmented, "copies", "warning"),
    "overlap in time": (segment_overlap, "overlap in time", "error"),
    "identical text": (same_text, "identical text", "warning"),
    "label in the transcript": (label_written, "label in the words", "warning"),
}
