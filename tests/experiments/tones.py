"""Tones of several speakers in two classes, and a small network that learns them in seconds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from experiments.config import Study

#: A spectrogram network of the true class, as small as it can be, and few epochs.
ENCODER = (
    "finetuned:alexnet:untrained@image_size=63,window_s=0.5,n_mels=32,trim_db=none,"
    "train.epochs=3,train.projection_dim=8,train.batch_size=8,train.precision=float32"
)


def write_tones(folder: Path, speakers: int = 6, each: int = 4) -> Path:
    """A manifest of high and low tones; each speaker says each label equally often."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "tones.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "audio", "speaker", "label", "transcript"])
        for number in range(speakers * each):
            label, rng = ("high", "low")[number % 2], np.random.default_rng(number)
            hertz = (1200 if label == "high" else 300) * rng.uniform(0.9, 1.1)
            wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(5600) / 8000)
            wave += 0.05 * rng.standard_normal(len(wave))
            soundfile.write(folder / f"{number}.wav", wave.astype("f4"), 8000, subtype="FLOAT")
            writer.writerow([f"u{number}", f"{number}.wav", f"s{number // each}", label, "said"])
    return folder / "tones.csv"


def tones_study(manifest: Path, **changes: object) -> Study:
    given: dict[str, object] = {
        "audio": ENCODER,
        "text": "minilm",
        "manifest": str(manifest),
        "arms": ("audio",),
        "trials": 0,
        "seeds": 1,
    }
    return Study(**{**given, **changes})
