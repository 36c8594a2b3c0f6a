"""Prediction rows on disk: everything reported is derived from them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from fusion import metrics

Split = Literal["dev", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Scores of one arm for one utterance.

    ``inner_fold`` is None for the mean over the inner folds' heads, which is what is scored on
    test rows; ``condition`` and ``window`` name an ablation's condition and a window's number.
    """

    run: str
    corpus: str
    utterance: str
    speaker: str
    arm: str
    outer_fold: str
    inner_fold: int | None
    seed: int
    split: Split
    condition: str
    window: int | None
    target: tuple[float, ...]
    scores: tuple[float, ...]


def write(predictions: Iterable[Prediction], path: Path) -> None:
    """Write one JSON object per line; complete on disk or not there at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as handle:
        for row in predictions:
            handle.write(json.dumps(asdict(row), ensure_ascii=False, separators=(",", ":")) + "\n")
    temporary.replace(path)


def read(path: Path) -> list[Prediction]:
    """Read what :func:`write` wrote.

    Raises:
        ValueError: a line is not a prediction; names it.
    """
    known = {field.name for field in fields(Prediction)}
    rows: list[Prediction] = []
    with path.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                record = json.loads(line)
                record["target"], record["scores"] = (
                    tuple(record["target"]),
                    tuple(record["scores"]),
                )
                rows.append(Prediction(**record))
            except (ValueError, TypeError, KeyError) as error:
                expected = ", ".join(sorted(known))
                raise ValueError(f"{path}:{number}: not a prediction ({expected})") from error
    return rows


def counts_by_speaker(
    rows: Sequence[Prediction], speakers: Sequence[str], seeds: Sequence[int]
) -> Float[np.ndarray, "clusters seeds targets targets"]:
    """Confusion counts of single-label predictions, by speaker and seed."""
    classes = len(rows[0].target)
    cluster = {name: number for number, name in enumerate(speakers)}
    place = {seed: number for number, seed in enumerate(seeds)}
    counts = np.zeros((len(speakers), len(seeds), classes, classes))
    where = np.array([(cluster[row.speaker], place[row.seed]) for row in rows])
    truth = np.array([row.target for row in rows]).argmax(axis=1)
    guess = np.array([row.scores for row in rows]).argmax(axis=1)
    np.add.at(counts, (where[:, 0], where[:, 1], truth, guess), 1)
    return counts


def best_per_fold(rows: Sequence[Prediction], arms: Sequence[str]) -> dict[str, str]:
    """Arm with the highest development UAR of each outer fold, mean over seeds; ties go first."""
    chosen: dict[str, str] = {}
    for fold in dict.fromkeys(row.outer_fold for row in rows):
        dev = [row for row in rows if row.outer_fold == fold and row.split == "dev"]
        values = {arm: _uar([row for row in dev if row.arm == arm]) for arm in arms}
        chosen[fold] = max(arms, key=lambda arm: values[arm])
    return chosen


def _uar(rows: Sequence[Prediction]) -> float:
    speakers = sorted({row.speaker for row in rows})
    counts = counts_by_speaker(rows, speakers, sorted({row.seed for row in rows}))
    return float(metrics.uar(counts.sum(axis=0)).mean())
