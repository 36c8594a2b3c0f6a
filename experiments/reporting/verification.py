"""``serfusion verify``: does everything that a run says follow from its predictions?

And, where it is asked for, do its heads give those predictions when they are trained again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config import read_study
from experiments.reporting.caveats import BEST
from experiments.reporting.fold_fits import FIT
from experiments.reporting.numbers import column, primary_of
from experiments.reporting.page import of_classes
from experiments.reporting.report import Recomputed, pages_of, recompute
from fusion.escaping import counted, plain
from fusion.predictions import AGAIN, Prediction

#: Stands for the name of a run's folder.
ELSEWHERE = "0-the-folder-of-this-run-0"
#: Scores of one head differ by rounding between processors and libraries.
SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Departure:
    """How far the predictions of retrained heads lie from the stored ones, of one arm.

    ``decided_otherwise`` counts other classes; of labels and values, rows that moved at all.
    """

    arm: str
    rows: int
    largest: float
    decided_otherwise: int
    metric: str
    value: float
    again: float


@dataclass(frozen=True, slots=True)
class Verification:
    """What was recomputed of a run, the files that are not what it gives, and what retraining gave.

    ``departures`` is None where nothing was trained again.
    """

    folder: Path
    recomputed: Recomputed = field(repr=False)
    numbers: int
    pages: int
    changed: tuple[str, ...]
    departures: tuple[Departure, ...] | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing departs: no file, and no decision of a retrained head."""
        again = self.departures or ()
        return not self.changed and not any(one.decided_otherwise for one in again)


def verify(folder: Path) -> Verification:
    """Recompute every number of a run from its predictions, and every page from the numbers.

    Raises:
        ValueError: the folder is no run, a number does not follow from the predictions, or facts
            or predictions are not those whose hashes the run left.
    """
    found = recompute(folder)
    # A run that was renamed or unpacked elsewhere is the same run.
    pages = pages_of(found, folder, ELSEWHERE)
    changed = [path for path, text in pages.items() if differs(folder / path, text)]
    changed += _study_differs(folder, found.results["facts"])
    parts = ("rows", "arms", "differences", "matrix")
    numbers = sum(_numbers(found.results.get(part, {})) for part in parts)
    return Verification(folder, found, numbers, len(pages), tuple(changed))


def departures(stored: Recomputed, again: Recomputed) -> tuple[Departure, ...]:
    """A run whose heads were trained again against the stored one, arm by arm.

    Raises:
        ValueError: they do not predict the same rows.
    """
    before, after = _test_rows(stored.rows), _test_rows(again.rows)
    if before.keys() != after.keys():
        lost, new = len(before.keys() - after.keys()), len(after.keys() - before.keys())
        raise ValueError(
            f"trained again, {counted(lost, 'prediction')} of the run did not come back and {new} "
            "are new: expected the same rows; corpus, encoders or this version of serfusion have "
            f"changed since; {AGAIN}"
        )
    arms = dict.fromkeys(arm for arm, *_ in before)
    results = (stored.results, again.results)
    return tuple(_departure(arm, before, after, results) for arm in arms)


def told(found: Verification) -> Iterable[str]:
    """What was verified, in lines."""
    numbers, rows = counted(found.numbers, "number"), len(found.recomputed.rows)
    yield (
        f"{found.folder}: {numbers} follow from {counted(rows, 'prediction')}; facts and "
        "predictions have the hashes that the run left"
    )
    if not found.changed:
        yield f"config.toml and the {found.pages} files of the report are what the run gives"
    yield "folds.json, environment.json and model/ tell how it was made, and are not checked"
    for path in found.changed:
        yield f"not what the run gives: {path} (changed, or made by another version)"
    if found.departures is None:
        yield "whether training gives these predictions was not tried: --retrain does"
    for one in found.departures or ():
        yield (
            f"{plain(one.arm)}, trained again: {one.metric} {one.again:.4f} for "
            f"{one.value:.4f}, {one.decided_otherwise} of {one.rows} decisions differ, "
            f"scores by at most {one.largest:.1e}"
        )


def differs(path: Path, text: str) -> bool:
    """Whether a file is not this text, whatever the folder is called in it."""
    if not path.is_file():
        return True
    wanted = "([^<>]*)".join(map(re.escape, text.split(ELSEWHERE)))
    return re.fullmatch(wanted, path.read_text(encoding="utf-8", errors="replace")) is None


def _study_differs(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    try:
        study = asdict(read_study(folder / "config.toml"))
    except ValueError:
        return ["config.toml"]
    said = {key: tuple(v) if isinstance(v, list) else v for key, v in facts["study"].items()}
    return ["config.toml"] * any(study.get(key) != value for key, value in said.items())


def _numbers(value: Any) -> int:  # noqa: ANN401 - JSON
    """Numbers of a JSON value, but for what a fit says of itself."""
    if isinstance(value, Mapping):
        return sum(_numbers(one) for key, one in value.items() if key not in FIT)
    if isinstance(value, list | tuple):
        return sum(map(_numbers, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


Key = tuple[str, str, str, int, int | None]


def _test_rows(rows: Sequence[Prediction]) -> dict[Key, Prediction]:
    return {
        (row.arm, row.utterance, row.outer_fold, row.seed, row.window): row
        for row in rows
        if row.split == "test" and row.arm not in BEST
    }


def _departure(
    arm: str,
    before: Mapping[Key, Prediction],
    after: Mapping[Key, Prediction],
    results: Sequence[Mapping[str, Any]],
) -> Departure:
    keys = [key for key in before if key[0] == arm]
    old, new = (np.array([rows[key].scores for key in keys]) for rows in (before, after))
    apart = np.abs(old - new).max(axis=1)
    moved = apart > SAME
    if of_classes(results[0]):
        moved &= old.argmax(axis=1) != new.argmax(axis=1)
    metric = primary_of(results[0])
    value, again = (one["arms"][arm][metric]["value"] for one in results)
    title = column(metric).title
    return Departure(arm, len(keys), float(apart.max()), int(moved.sum()), title, value, again)
