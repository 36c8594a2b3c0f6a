"""Tones of several speakers in two classes, and a small network that learns them in seconds."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from encoders.utterance import Task
from experiments.config import Study

#: A spectrogram network of the true class, as small as it can be, and few epochs.
ENCODER = (
    "finetuned:alexnet:untrained@image_size=63,window_s=0.5,n_mels=32,trim_db=none,"
    "train.epochs=2,train.projection_dim=8,train.batch_size=8,train.precision=float32"
)


def write_tones(folder: Path, speakers: int = 6, each: int = 4) -> Path:
    """A manifest of high and low tones in two folds; each speaker says each label as often."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "tones.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "audio", "speaker", "label", "transcript", "fold"])
        for number in range(speakers * each):
            label, rng = ("high", "low")[number % 2], np.random.default_rng(number)
            hertz = (1200 if label == "high" else 300) * rng.uniform(0.9, 1.1)
            wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(5600) / 8000)
            wave += 0.05 * rng.standard_normal(len(wave))
            soundfile.write(folder / f"{number}.wav", wave.astype("f4"), 8000, subtype="FLOAT")
            speaker = number // each
            row = [f"u{number}", f"{number}.wav", f"s{speaker}", label, "said", speaker % 2]
            writer.writerow(row)
    return folder / "tones.csv"


def change_rows(manifest: Path, change: Callable[[list[str]], object]) -> None:
    """Write a manifest again with every row changed in place, its head too."""
    with manifest.open(newline="") as handle:
        rows = list(csv.reader(handle))
    for row in rows:
        change(row)
    with manifest.open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)


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


def relabel(manifest: Path, task: Task) -> Path:
    """The tones with other targets: votes, labels at once, or what is between soft and loud."""
    words = {
        "distribution": {"high": "high:0.8|low:0.2", "low": "high:0.3|low:0.7"},
        "multi-label": {"high": "high|tone", "low": "tone"},
    }
    values = {"high": (1.0, 0.5), "low": (-1.0, 0.25)}

    def change(row: list[str]) -> None:
        number = 0 if row[0] == "id" else int(row[0][1:])
        if task != "regression":
            told = words[task]
            row[3] = (
                "none" if task == "multi-label" and number % 8 == 1 else told.get(row[3], row[3])
            )
        elif row[0] == "id":
            row[3:4] = ["valence", "arousal"]
        else:
            high, low = values[row[3]]
            row[3:4] = [str(high + number % 3 / 10), str(low * (2 + number % 3))]

    change_rows(manifest, change)
    return manifest
