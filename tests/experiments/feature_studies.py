"""Tiny studies over made features that tell chosen classes, and their runs."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from experiments.comparing.comparison import Outcome, compare
from experiments.config import Study

TRAINED = ("audio", "text", "audio_frames", "concat", "late", "attention")
DIM = 4
#: What of a study takes least.
SMALL = {"arms": ("audio",), "trials": 1, "seeds": 1, "repeats": 1}


def write_corpus(
    folder: Path,
    *,
    speakers: int = 6,
    repeats: int = 2,
    classes: tuple[str, ...] = ("a", "b", "c"),
    audio_of: tuple[int, ...] = (0, 1, 2),
    text_of: tuple[int, ...] = (0, 1, 2),
    noise: float = 1.0,
    sequences: bool = True,
    words: str | None = None,
    shuffled: bool = False,
    without_audio: tuple[str, ...] = (),
    without_text: tuple[str, ...] = (),
    **study: object,
) -> Study:
    """Manifest and two feature files; ``audio_of`` and ``text_of`` say which classes each tells."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [(s, k) for s in range(speakers) for _ in range(repeats) for k in range(len(classes))]
    truth = rng.permutation([k for _, k in rows]) if shuffled else [k for _, k in rows]
    ids = [f"u{n}" for n in range(len(rows))]
    with (folder / "manifest.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "speaker", "label", "fold", *(["transcript"] if words else [])])
        for name, (speaker, _), label in zip(ids, rows, truth, strict=True):
            told = [name, f"s{speaker}", classes[label], speaker % 3]
            writer.writerow([*told, *([words] if words else [])])
    for kind, told in (("audio", audio_of), ("text", text_of)):
        centre = 2.0 * rng.standard_normal((max(told) + 1, DIM))
        lengths = rng.integers(2, 6, len(rows)) if sequences else np.ones(len(rows), int)
        frames = [
            centre[told[k]] * (max(told) > 0) + noise * rng.standard_normal((length, DIM))
            for (_, k), length in zip(rows, lengths, strict=True)
        ]
        absent = without_text if kind == "text" else without_audio
        there = [n for n, name in enumerate(ids) if name not in absent]
        np.savez(
            folder / f"{kind}.npz",
            id=np.array([ids[n] for n in there]),
            values=np.concatenate([frames[n] for n in there]).astype(np.float32),
            lengths=lengths[there],
        )
    settings = {"trials": 2, "seeds": 2, **study}
    return Study(
        audio=f"features:{folder / 'audio.npz'}",
        text=f"features:{folder / 'text.npz'}",
        manifest=str(folder / "manifest.csv"),
        **settings,
    )


def run(study: Study, out: Path, jobs: int = 1) -> Outcome:
    return compare(study, out=out, jobs=jobs)


def bytes_of(outcome: Outcome) -> bytes:
    return (outcome.folder / "predictions.safetensors").read_bytes()


def run_elsewhere(study: Study, folder: Path, jobs: int = 1) -> Outcome:
    """The run of a study that finds nothing in its cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        return run(study, folder / "run", jobs)
