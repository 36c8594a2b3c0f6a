"""Tiny corpora whose targets are sets of labels, shares or values, as manifest and features."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.config import Study
from fusion.networks.heads import HEADS

DIM, SPEAKERS, REPEATS = 4, 6, 10
NAMES = ("a", "b", "c")


@contextmanager
def learning_quickly(epochs: int) -> Iterator[None]:
    """Heads of this process learn within so few epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fusion.training.train.MAX_EPOCHS", epochs)
        quick = {
            kind: replace(head, defaults=replace(head.defaults, learning_rate=1e-2))
            for kind, head in HEADS.items()
        }
        patch.setattr("fusion.training.arms.HEADS", quick)
        yield


def targets_of(task: str, rows: int, rng: np.random.Generator) -> np.ndarray:
    """What each row is to be told, ``[rows, 3]``, or two columns of values."""
    if task == "regression":
        return rng.standard_normal((rows, 2)) * (2.0, 0.5) + (1.0, 3.0)
    if task == "distribution":
        return rng.multinomial(10, [1 / 3] * 3, rows) / 10
    if task == "multi-label":
        return (rng.random((rows, 3)) < (0.6, 0.4, 0.25)).astype(float)
    return np.eye(3)[rng.integers(0, 3, rows)]


def label_of(task: str, target: np.ndarray) -> str:
    if task == "distribution":
        return "|".join(f"{n}:{v:g}" for n, v in zip(NAMES, target, strict=True) if v)
    named = [n for n, v in zip(NAMES, target, strict=True) if v]
    return "|".join(named) or "none"


def write_targets(
    folder: Path,
    task: str,
    *,
    noise: float = 0.5,
    sequences: bool = False,
    targets: np.ndarray | None = None,
    changed: float = 0.0,
    words: bool = False,
    **study: object,
) -> Study:
    """A study over features that tell the targets; ``changed`` is added to those of fold 0."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    count = SPEAKERS * REPEATS
    found = targets_of(task, count, rng) if targets is None else targets
    speakers = np.arange(count) // REPEATS
    dimensions = ("valence", "arousal")[: found.shape[1]]
    with (folder / "manifest.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        named = dimensions if task == "regression" else ("label",)
        writer.writerow(["id", "speaker", "fold", "sex", "transcript", *named])
        for row, target in enumerate(found):
            told = list(target) if task == "regression" else [label_of(task, target)]
            sex = "female" if speakers[row] < SPEAKERS - 1 else "male"
            said = f"so this is sentence number {row % 4} of all" if words else ""
            about = [f"u{row}", f"s{speakers[row]}", speakers[row] % 3, sex, said]
            writer.writerow([*about, *told])
    spread = found.std(axis=0)
    scaled = (found - found.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    for kind in ("audio", "text"):
        way = rng.standard_normal((found.shape[1], DIM))
        values = scaled @ way + noise * rng.standard_normal((count, DIM))
        values[speakers % 3 == 0] += changed
        write_features(folder / f"{kind}.npz", values, sequences)
    defaults: dict[str, object] = {
        "audio": f"features:{folder / 'audio.npz'}",
        "text": f"features:{folder / 'text.npz'}",
        "manifest": str(folder / "manifest.csv"),
        "arms": ("audio", "text", "concat", "late"),
        "transcript": "gold",
        "trials": 0,
        "seeds": 2,
    }
    return Study(**{**defaults, **study})  # type: ignore[arg-type]


def write_features(path: Path, values: np.ndarray, sequences: bool) -> None:
    ids = np.array([f"u{row}" for row in range(len(values))])
    if not sequences:
        np.savez(path, id=ids, values=values.astype(np.float32))
        return
    repeated = np.repeat(values, 3, axis=0).astype(np.float32)
    np.savez(path, id=ids, values=repeated, lengths=np.full(len(ids), 3))
