"""A finished run on disk: ``results.json`` read strictly, and whether it is the one that was made.

The file can have been edited by anyone. What a report needs of it is checked against a schema
here, in one place, so that no later step meets a value of another kind.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from encoders.utterance import Task
from experiments.comparing.trained import Trained
from experiments.reporting.fold_fits import FIT
from experiments.reporting.results import RunFacts
from experiments.reporting.wording import BEST
from fusion.escaping import counted, plain
from fusion.predictions import AGAIN, fault_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

#: Faults of a file that are told at once.
TOLD = 3

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that left every arm."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows were used, and which were not."""

    used: int
    speakers: int
    dropped: list[Dropped]


@dataclass(frozen=True, slots=True)
class TriedOut:
    """:class:`fusion.tune.Trial` as it is stored."""

    value: float
    state: str
    parameters: dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class MeanCurve:
    """:func:`experiments.comparing.fit_facts.mean_curve` as it is stored."""

    train: list[float | None]
    dev: list[float | None]
    low: list[float | None]
    high: list[float | None]
    heads: list[int]


@dataclass(frozen=True, slots=True)
class FoldFit:
    """One outer fold of an arm: which it is, and how it was fitted."""

    fold: str
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)
    trials: list[TriedOut] = field(default_factory=list)
    importance: dict[str, float] = field(default_factory=dict)
    layer_weights: dict[str, list[float]] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    curve: MeanCurve | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """What of an arm is carried over; its scores are computed again."""

    folds: list[FoldFit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """:class:`fusion.leakage.leaks.TextProbe` as it is stored."""

    sentences: int
    shared: float
    even: bool
    uar: float | None
    null_high: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Grouping:
    """:class:`fusion.fairness.Grouping` as it is stored."""

    by: Literal["speaker", "utterance"]
    of: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run knows of itself and a report shows."""

    study: dict[str, Scalar | list[str]] | None = None
    protocol: str = ""
    folds: int = 0
    trained_on: dict[str, list[str]] = field(default_factory=dict)
    synthetic: bool = False
    untrained: bool = False
    contaminated: bool = False
    leaky: bool = False
    encoders: dict[str, str] = field(default_factory=dict)
    checkpoints: dict[str, str] = field(default_factory=dict)
    recognised: int = 0
    recogniser: str | None = None
    text_probe: Probe | None = None
    finetuned: list[Trained] = field(default_factory=list)
    groups: dict[str, Grouping] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """:class:`fusion.leakage.certificate.LeakTest` as it is stored."""

    name: str
    status: Literal["clean", "error", "warning", "untested"]
    found: int
    of: int
    examples: list[str]
    note: str


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """:class:`fusion.leakage.certificate.Certificate` as it is stored."""

    protocol: str
    leaky: bool
    folds: int
    tests: list[CertificateRow]


@dataclass(frozen=True, slots=True)
class Hashes:
    """Sha256 of what is carried over, and of ``predictions.jsonl``."""

    facts: str
    predictions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a report needs of ``results.json``; other keys are compared, or not read."""

    run: str
    corpus: str
    task: Task
    targets: list[str]
    rows: Rows
    arms: dict[str, Arm]
    differences: list[dict[str, Any]]
    warnings: list[str]
    facts: Facts
    hashes: Hashes
    certificate: StoredCertificate | None = None


def is_ablation(folder: Path) -> bool:
    """Whether a folder is an ablation's, whose cells are runs, and no run's."""
    return (folder / "cells").is_dir() and not (folder / "results.json").exists()


def read_results(folder: Path) -> dict[str, Any]:
    """The content of a run's ``results.json``.

    Raises:
        ValueError: the folder holds no finished run, or the file is none of ours: every fault is
            counted and the first are told, with their place, what was expected and what came.
    """
    if is_ablation(folder):
        raise ValueError(
            f"{folder}: an ablation, whose cells are runs: serfusion verify takes it as it is, "
            f"serfusion report its cells, as in {folder / 'cells'}/*"
        )
    for name in ("results.json", "predictions.jsonl"):
        if not (folder / name).is_file():
            raise ValueError(
                f"{folder}: no finished run: expected {name} in it; serfusion compare writes one"
            )
    path = folder / "results.json"
    content = path.read_bytes()
    faults = _faults(content)
    if faults:
        told = "; ".join(faults[:TOLD])
        raise ValueError(
            f"{path}: not what a run wrote, {counted(len(faults), 'fault')}: {told}. {AGAIN}"
        )
    stored: dict[str, Any] = json.loads(content)
    return stored


def _faults(content: bytes) -> list[str]:
    from pydantic import ValidationError

    try:
        # This reader also refuses nesting so deep that it would break those after it.
        _schema().validate_json(content, strict=True)
        json.loads(content, parse_constant=_refuse)
    except ValidationError as error:
        return [fault_text(one) for one in error.errors()]
    except ValueError as error:
        return [f"expected JSON ({error})"]
    return []


@cache
def _schema() -> "TypeAdapter[Stored]":
    from pydantic import ConfigDict, TypeAdapter, with_config

    return TypeAdapter(with_config(ConfigDict(allow_inf_nan=False))(Stored))


def _refuse(constant: str) -> float:
    raise ValueError(f"finite numbers only, got {constant}")


def facts_of(stored: Mapping[str, Any]) -> RunFacts:
    """What cannot be computed from predictions and is carried over."""
    fits = {
        arm: tuple(
            {key: fold[key] for key in FIT if key in fold}
            for fold in summary["folds"]
            if "hyperparameters" in fold and "trials" in fold
        )
        for arm, summary in stored["arms"].items()
        if arm not in BEST
    }
    return RunFacts(
        run=stored["run"],
        corpus=stored["corpus"],
        task=stored["task"],
        targets=tuple(stored["targets"]),
        dropped=tuple(stored["rows"]["dropped"]),
        warnings=tuple(stored["warnings"]),
        fits=fits,
        facts=stored["facts"],
        certificate=stored.get("certificate"),
    )


def check_unchanged(folder: Path, stored: Mapping[str, Any]) -> None:
    """Compare what cannot be computed with the hashes that the run left.

    Raises:
        ValueError: names, warnings, facts, hyperparameters or the file of predictions changed.
    """
    with (folder / "predictions.jsonl").open("rb") as handle:
        predicted = hashlib.file_digest(handle, "sha256").hexdigest()
    parts = {
        "facts": ("corpus, task, classes, dropped rows, warnings, facts or trials in results.json",
                  facts_of(stored).digest()),
        "predictions": ("predictions.jsonl", predicted),
    }  # fmt: skip
    for key, (what, found) in parts.items():
        expected = plain(stored["hashes"][key])
        if found != expected:
            raise ValueError(
                f"{folder}: {what} changed since the run: expected sha256 {expected[:12]}…, "
                f"got {found[:12]}…; {AGAIN}"
            )
