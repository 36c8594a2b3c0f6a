"""A finished run once more: its report made again, and whether all that it says holds.

``serfusion verify`` asks whether it follows from the predictions and, where it is asked for,
whether the heads give those predictions when they are trained again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from encoders.files import MARK, changed_files, remark
from encoders.messages import printable, with_count
from experiments.config import default_options, options_of, read_study
from experiments.reporting.caveats import BEST
from experiments.reporting.command_text import folded, study_words
from experiments.reporting.cost import Cost, read_cost
from experiments.reporting.numbers import column, primary_of
from experiments.reporting.page import Report, of_classes
from experiments.reporting.report import (
    Recomputed,
    folder_name,
    of_one_run,
    recompute,
    report_files,
    write_report,
)
from experiments.reporting.results_schema import EVALUATION, FIT, Facts, Results, as_json
from fusion.evaluation.columns import Predictions
from fusion.evaluation.predictions import AGAIN, sides_of

#: Stands for the name of a run's folder.
ELSEWHERE = "0-the-folder-of-this-run-0"
#: Options of a study that an evaluation has.
EVALUATED = ("corpus", "manifest", "root", "labels", "map", "transcript", "asr")
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

    ``marked`` says whether the run bears the hashes of all its files; ``departures`` is None where
    nothing was trained again.
    """

    folder: Path
    recomputed: Recomputed = field(repr=False)
    numbers: int
    pages: int
    changed: tuple[str, ...]
    marked: bool
    departures: tuple[Departure, ...] | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing departs: no file, and no decision of a retrained head."""
        again = self.departures or ()
        return not self.changed and not any(departure.decided_otherwise for departure in again)


def report_of(results: Results, folder: str, cost: Cost | None) -> Report:
    """The report of a run whose folder is called ``folder``."""
    command, study = "compare", results.facts.study
    if results.facts.protocol == EVALUATION:
        command, study = "evaluate MODEL", {k: v for k, v in study.items() if k in EVALUATED}
    words = study_words(study, default_options())
    return Report(results, folder, cost, folded([f"serfusion {command}", *words]))


def rebuild(folder: Path) -> Results:
    """Write the report files of a run again, from its predictions.

    Raises:
        ValueError: as :func:`experiments.reporting.report.recompute`; nothing is written then.
    """
    results = recompute(folder).results
    with of_one_run(folder):
        report = report_of(results, folder_name(folder), read_cost(folder))
        write_report(report, folder)
        remark(folder, report_files(report))
    return results


def verify(folder: Path | str) -> Verification:
    """Recompute every number of a run from its predictions, and every page from the numbers.

    Raises:
        ValueError: the folder is no run, a number does not follow from the predictions, or facts
            or predictions are not those whose hashes the run left.
    """
    folder = Path(folder)
    recomputed = recompute(folder)
    results = recomputed.results
    with of_one_run(folder):
        # A run that was renamed or unpacked elsewhere is the same run.
        pages = report_files(report_of(results, ELSEWHERE, read_cost(folder)))
    changed = [path for path, text in pages.items() if differs(folder / path, text)]
    changed += _study_differs(folder, results.facts)
    kept = changed_files(folder)
    changed += [name for name in kept or () if name not in (*pages, *changed)]
    parts = (results.rows, results.arms, results.differences, results.matrix)
    numbers = sum(_numbers(as_json(part)) for part in parts)
    return Verification(folder, recomputed, numbers, len(pages), tuple(changed), kept is not None)


def departures(stored: Recomputed, again: Recomputed) -> tuple[Departure, ...]:
    """A run whose heads were trained again against the stored one, arm by arm.

    Raises:
        ValueError: they do not predict the same rows.
    """
    before, after = _test_rows(stored.rows), _test_rows(again.rows)
    lost, new = (_unlike(*pair) for pair in ((before, after), (after, before)))
    if lost or new:
        raise ValueError(
            f"trained again, {with_count(lost, 'prediction')} of the run did not come back and "
            f"{new} are new: expected the same rows; corpus, encoders or this version of "
            f"serfusion have changed since; {AGAIN}"
        )
    results = (stored.results, again.results)
    return tuple(_departure(arm, rows, after[arm], results) for arm, rows in before.items())


def lines(verification: Verification) -> Iterable[str]:
    """What was verified, in lines."""
    numbers, rows = with_count(verification.numbers, "number"), len(verification.recomputed.rows)
    yield (
        f"{verification.folder}: {numbers} follow from {with_count(rows, 'prediction')}; facts and "
        "predictions have the hashes that the run left"
    )
    if not verification.changed:
        yield f"config.toml and the {verification.pages} files of the report are what the run gives"
    if not verification.marked:
        yield (
            "folds.json, environment.json and model/ are not checked: the folder bears no whole "
            f"{MARK} with their hashes"
        )
    elif not verification.changed:
        yield "all other files, folds.json, environment.json and model/, have the hashes it left"
    for path in verification.changed:
        yield f"not what the run gives: {path} (changed, or made by another version)"
    if verification.departures is None:
        yield "whether training gives these predictions was not tried: --retrain does"
    for departure in verification.departures or ():
        yield (
            f"{printable(departure.arm)}, trained again: {departure.metric} "
            f"{departure.again:.4f} for {departure.value:.4f}, {departure.decided_otherwise} of "
            f"{departure.rows} decisions differ, scores by at most {departure.largest:.1e}"
        )


def differs(path: Path, text: str) -> bool:
    """Whether a file is not this text, whatever the folder is called in it."""
    if not path.is_file():
        return True
    wanted = text.split("\n")
    found = path.read_text(encoding="utf-8", errors="replace").split("\n")
    # Line by line, because a page as one expression takes a third of a second to compile.
    return len(wanted) != len(found) or any(
        re.fullmatch("[^<>]*".join(map(re.escape, own.split(ELSEWHERE))), other) is None
        for own, other in zip(wanted, found, strict=True)
        if own != other
    )


def _study_differs(folder: Path, facts: Facts) -> list[str]:
    if facts.protocol == EVALUATION:  # which no experiment file describes
        return []
    try:
        study = options_of(read_study(folder / "config.toml"))
    except ValueError:
        return ["config.toml"]
    return ["config.toml"] * any(study.get(key) != value for key, value in facts.study.items())


def _numbers(value: object) -> int:
    """Numbers of a JSON value, but for what a fit says of itself."""
    if isinstance(value, dict):
        return sum(_numbers(part) for key, part in value.items() if key not in FIT)
    if isinstance(value, list):
        return sum(map(_numbers, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _test_rows(rows: Predictions) -> dict[str, Predictions]:
    return {arm: own for arm, own in sides_of(rows).test.items() if arm not in BEST}


def _rows_of(rows: Predictions | None) -> dict[tuple[str, str, int, int], int]:
    """The row of each utterance, fold, seed and window of one arm."""
    if rows is None:
        return {}
    about = zip(rows.subject.tolist(), rows.place.tolist(), rows.window.tolist(), strict=True)
    names = [subject.utterance for subject in rows.subjects]
    heads = [(place.outer_fold, place.seed) for place in rows.places]
    return {(names[s], *heads[p], window): row for row, (s, p, window) in enumerate(about)}


def _unlike(before: Mapping[str, Predictions], after: Mapping[str, Predictions]) -> int:
    """Predictions that only the first has."""
    pairs = ((_rows_of(rows), _rows_of(after.get(arm))) for arm, rows in before.items())
    return sum(len(own.keys() - other.keys()) for own, other in pairs)


def _departure(
    arm: str, before: Predictions, after: Predictions, results: Sequence[Results]
) -> Departure:
    places = _rows_of(after)
    old, new = before.values, after.values[[places[key] for key in _rows_of(before)]]
    apart = np.abs(old - new).max(axis=1)
    moved = apart > SAME
    if of_classes(results[0]):
        moved &= old.argmax(axis=1) != new.argmax(axis=1)
    metric = primary_of(results[0])
    scores = [run.arms[arm].score(metric).value for run in results]
    value, again = (np.nan if score is None else score for score in scores)
    title = column(metric).title
    return Departure(arm, len(old), float(apart.max()), int(moved.sum()), title, value, again)
