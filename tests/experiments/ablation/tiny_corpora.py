"""Tiny corpora for ablations: precomputed features, or tones with words."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from experiments.config import Study

CLASSES = ("a", "b", "c")
DIM = 4
RATE = 8000


def features_study(folder: Path, *, without_text: int = 0, **study: object) -> Study:
    """Six speakers, three classes; audio tells two of them apart, text all three."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [(s, k) for s in range(6) for _ in range(2) for k in range(len(CLASSES))]
    ids = [f"u{n}" for n in range(len(rows))]
    with (folder / "manifest.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "speaker", "label", "fold"])
        for name, (speaker, label) in zip(ids, rows, strict=True):
            writer.writerow([name, f"s{speaker}", CLASSES[label], speaker % 3])
    for kind, told in (("audio", (0, 1, 1)), ("text", (0, 1, 2))):
        centre = 2.0 * rng.standard_normal((3, DIM))
        values = [centre[told[k]] + rng.standard_normal(DIM) for _, k in rows]
        there = len(ids) - (without_text if kind == "text" else 0)
        np.savez(
            folder / f"{kind}.npz",
            id=np.array(ids[:there]),
            values=np.array(values[:there], np.float32),
        )
    settings: dict[str, object] = {"trials": 0, "seeds": 2, **study}
    return Study(
        audio=f"features:{folder / 'audio.npz'}",
        text=f"features:{folder / 'text.npz'}",
        manifest=str(folder / "manifest.csv"),
        **settings,  # type: ignore[arg-type]
    )


def tones_study(folder: Path, **study: object) -> Study:
    """Six speakers in three folds, high and low tones; words are the same under every label."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(RATE // 2) / RATE
    with (folder / "manifest.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "audio", "transcript", "speaker", "label", "fold"])
        for number in range(24):
            label, speaker = ("high", "low")[number % 2], number // 4
            rng = np.random.default_rng(number)
            hertz = (500.0 if label == "high" else 180.0) * (1 + 0.02 * speaker)
            wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.02 * rng.standard_normal(len(time))
            soundfile.write(folder / f"{number}.wav", wave, RATE)
            words = f"this is tone number {number}"
            writer.writerow(
                [f"t{number}", f"{number}.wav", words, f"p{speaker}", label, speaker % 3]
            )
    settings: dict[str, object] = {"trials": 0, "seeds": 1, "arms": ("audio",), **study}
    return Study(
        audio=str(settings.pop("audio", "logmel")),
        text=str(settings.pop("text", "minilm")),
        manifest=str(folder / "manifest.csv"),
        **settings,  # type: ignore[arg-type]
    )
