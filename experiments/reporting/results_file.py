"""``results.json`` of a finished run read strictly, and whether it is the one that was made.

The file can have been edited by anyone. All of it is checked against :class:`Results` here, in one
place, so that no later step meets a value of another kind.
"""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from encoders.messages import printable, with_count
from encoders.weights.files import file_sha256
from experiments.reporting.results_schema import (
    CLASS_TASKS,
    FORMATS,
    ClassResults,
    Results,
    carried,
)
from fusion.evaluation.predictions import AGAIN, PREDICTIONS, fault_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

#: Faults of a file that are told at once.
TOLD = 3


def is_ablation(folder: Path) -> bool:
    """Whether a folder is an ablation's, whose cells are runs, and no run's."""
    return (folder / "cells").is_dir() and not (folder / "results.json").exists()


def read_results(folder: Path) -> Results:
    """What a run's ``results.json`` holds.

    Raises:
        ValueError: the folder holds no finished run, the files are of other formats than
            :data:`FORMATS`, or the file is none of ours: every fault is counted and the first are
            told, with their place, what was expected and what came.
    """
    if is_ablation(folder):
        raise ValueError(
            f"{folder}: an ablation, whose cells are runs: serfusion verify takes it as it is, "
            f"serfusion report its cells, as in {folder / 'cells'}/*"
        )
    for name in ("results.json", PREDICTIONS):
        if not (folder / name).is_file():
            raise ValueError(
                f"{folder}: no finished run: expected {name} in it; serfusion compare writes one"
            )
    path = folder / "results.json"
    try:
        return parsed(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not what a run wrote, {error}. {AGAIN}") from error


def parsed(content: bytes) -> Results:
    """What a file of results holds.

    Raises:
        ValueError: it is of another format, or is none of ours.
    """
    from pydantic_core import from_json

    try:
        raw = from_json(content)
    except ValueError:
        raw = None  # what follows says where and why
    about = raw if isinstance(raw, dict) else {"format": asdict(FORMATS)}
    if faults := _format_faults(about.get("format")):
        raise ValueError(f"{with_count(len(faults), 'fault')}: {'; '.join(faults)}")
    return read_strictly(ClassResults if about.get("task") in CLASS_TASKS else Results, content)


def _format_faults(formats: object) -> list[str]:
    """Files of a run whose format is another one than this version reads."""
    known = formats if isinstance(formats, dict) else {}
    files = {"results": "results.json", "predictions": PREDICTIONS, "folds": "folds.json"}
    return [
        f"expected format {expected} of {files[name]}, got "
        f"{printable(known.get(name, 'none'))[:60]}: another version of serfusion wrote it"
        for name, expected in asdict(FORMATS).items()
        if known.get(name) != expected
    ]


def read_strictly(kind: type[T], content: bytes) -> T:
    """JSON as a dataclass, whose types it must have exactly and whose keys it may not exceed.

    Raises:
        ValueError: faults are counted, and the first are told with their place, what was expected
            and what came.
    """
    from pydantic import ValidationError

    try:
        # This reader also refuses nesting so deep that it would break those after it.
        schema: TypeAdapter[T] = _schema(kind)  # type: ignore[arg-type]
        return schema.validate_json(content, strict=True)
    except ValidationError as error:
        faults = [fault_text(fault) for fault in error.errors()]
        first_faults = "; ".join(faults[:TOLD])
        raise ValueError(f"{with_count(len(faults), 'fault')}: {first_faults}") from error


@cache
def _schema(kind: Any) -> "TypeAdapter[Any]":  # noqa: ANN401 - a dataclass
    from pydantic import ConfigDict, TypeAdapter, with_config

    return TypeAdapter(with_config(ConfigDict(allow_inf_nan=False, extra="forbid"))(kind))


def check_unchanged(folder: Path, results: Results) -> None:
    """Compare what cannot be computed with the hashes that the run left.

    Raises:
        ValueError: names, warnings, facts, hyperparameters or the file of predictions changed.
    """
    predicted = file_sha256(folder / PREDICTIONS)
    facts = "corpus, task, classes, dropped rows, warnings, facts or trials in results.json"
    for what, expected, actual in (
        (facts, printable(results.hashes.facts), carried(results).digest()),
        (PREDICTIONS, printable(results.hashes.predictions), predicted),
    ):
        if actual != expected:
            raise ValueError(
                f"{folder}: {what} changed since the run: expected sha256 {expected[:12]}…, "
                f"got {actual[:12]}…; {AGAIN}"
            )
