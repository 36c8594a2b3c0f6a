"""The report of a run: one HTML file, tables, figures; and its numbers again from predictions.

Nothing here trains, and no number is made here: each is in ``results.json``, and :func:`recompute`
computes that from the predictions once more.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import UndefinedError

from encoders.files import write_atomically
from encoders.messages import printable, with_count
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import BEST, cautions, dropped_lines
from experiments.reporting.cost import Cost, cost_lines
from experiments.reporting.page import FORESTS, Report, drawn, main_arms, page
from experiments.reporting.results import summarise, with_best
from experiments.reporting.results_file import check_unchanged, read_results
from experiments.reporting.results_schema import Results, as_json, carried
from experiments.reporting.sentences import answer, claim
from experiments.reporting.tables import latex, markdown, terminal_table
from fusion.evaluation.columns import Predictions
from fusion.evaluation.goals import goal_of
from fusion.evaluation.predictions import AGAIN, PREDICTIONS, read
from fusion.training.arm_table import JOINT, MODEL, SCORES

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Report", "answer", "claim", "print_report", "terminal_table", "write_report"]

#: Recomputed numbers may differ from stored ones by rounding on another machine, and by no more.
TOLERANCE = 1e-9
#: Letters of a value in a message.
LONGEST = 80
#: What a file that passed the schema and was forged all the same can still run into.
BROKEN = (KeyError, TypeError, IndexError, AttributeError, ArithmeticError)


def report_files(report: Report) -> dict[str, str]:
    """Every file of a report by its path below the run's folder."""
    results, figures = report.results, drawn(report.results)
    files = {
        "report.html": page(report, figures),
        "table.md": markdown(results),
        "table.tex": latex(results),
    }
    for kind, svgs in figures.items():
        # Narrow forests, and what other arms confuse, are on the page alone.
        if kind in FORESTS:
            files[f"figures/{kind}.svg"] = svgs["wide"]
            continue
        for of, svg in svgs.items():
            if kind != "confusion" or of in main_arms(results):
                files[f"figures/{kind}-{_file_name(of)}.svg"] = svg
    return files


def _file_name(arm: str) -> str:
    # Of scores the name of their file, without the way to it.
    name = arm_name(arm) if arm.startswith((SCORES, MODEL, JOINT)) else arm
    return re.sub(r"[^\w.-]", "-", name)


def write_report(report: Report, folder: Path) -> None:
    """Write ``report.html``, ``table.md``, ``table.tex`` and ``figures/*.svg`` into a folder."""
    files = report_files(report)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        write_atomically(folder / path, content.encode())


def print_report(results: Results, console: "Console", cost: Cost | None = None) -> None:
    """Print the table of arms, the answer, the cost, the warnings and what was dropped."""
    from rich.padding import Padding
    from rich.text import Text

    console.print(terminal_table(results))
    console.print()
    console.print(Text(answer(results), style="bold"))
    for line in cost_lines(cost):
        console.print(Padding(Text(line), (0, 0, 0, 2)))
    small = cautions(results)
    for warning in (*(["; ".join(small)] if small else []), *results.warnings):
        console.print(
            Padding(Text.assemble(("warning: ", "yellow"), printable(warning)), (0, 0, 0, 2))
        )
    for line in dropped_lines(results):
        console.print(Padding(Text(line), (0, 0, 0, 2)))


def folder_name(folder: Path) -> str:
    """A run's folder as a report names it: without the way to it, which may hold a user's name."""
    path = folder.resolve()
    return f"runs/{path.name}" if path.parent.name == "runs" else path.name


# ---------------------------------------------------------------- once more from predictions


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What the predictions of a run give, and those predictions but for copies of best arms."""

    results: Results
    rows: Predictions


def recompute(folder: Path) -> Recomputed:
    """Compute a run's results again from its predictions; write nothing.

    The best arms are chosen again too, on the development rows. What no prediction can give
    (names, warnings, facts, hyperparameters) is compared with the hash that the run left of it.

    Raises:
        ValueError: the folder is no run, a stored number is not what the predictions give, or
            something was changed since the run.
    """
    stored = read_results(folder)
    rows = _predictions(folder, stored)
    with of_one_run(folder):
        goal = goal_of(stored.task, stored.facts.select)
        results = summarise(with_best(rows, stored.task, goal), carried(stored))
        _check_numbers(folder, stored, results)
        check_unchanged(folder, stored)
    return Recomputed(results, rows)


@contextmanager
def of_one_run(folder: Path) -> Iterator[None]:
    """Say so where results and predictions that passed their schema break what is made of them."""
    try:
        yield
    except (*BROKEN, UndefinedError) as error:
        raise ValueError(
            f"{folder}: {PREDICTIONS} and results.json are not of one run ({error!r}); "
            f"expected what serfusion compare wrote; {AGAIN}"
        ) from error


def _check_numbers(folder: Path, stored: Results, results: Results) -> None:
    before, now = as_json(stored), as_json(results)
    faults = [
        line
        for key in dict.fromkeys((*before, *now))
        # Hashes say less than numbers do, and are looked at last.
        if key != "hashes"
        for line in _departures(before.get(key), now.get(key), key)
    ]
    if faults:
        raise ValueError(
            f"{folder}: results.json holds {with_count(len(faults), 'value')} that its predictions "
            f"do not give: {'; '.join(faults[:3])}. One of the files was changed; {AGAIN}"
        )


def _predictions(folder: Path, stored: Results) -> Predictions:
    """The rows of the trained arms; those of the best arms are copies of them."""
    path = folder / PREDICTIONS
    rows = read(path).at(lambda place: place.arm not in BEST)
    if not len(rows):
        raise ValueError(f"{path}: no predictions in it; {AGAIN}")
    other = sorted(set(rows.by(lambda place: place.run)) - {stored.run})
    if other:
        raise ValueError(
            f"{path}: predictions of run {printable(', '.join(other))}, but results.json beside it "
            f"is of run {printable(stored.run)}; {AGAIN}"
        )
    width = len(stored.targets)
    if rows.scores.shape[1] != width:
        raise ValueError(f"{path}: expected {width} scores in every row, one per class; {AGAIN}")
    return rows


def _departures(stored: Any, fresh: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Places where two JSON values differ, with both values."""
    if isinstance(stored, dict) and isinstance(fresh, dict):
        for key in dict.fromkeys((*stored, *fresh)):
            yield from _departures(stored.get(key), fresh.get(key), f"{where}.{printable(key)}")
    elif isinstance(stored, list) and isinstance(fresh, list) and len(stored) == len(fresh):
        for number, pair in enumerate(zip(stored, fresh, strict=True)):
            yield from _departures(*pair, f"{where}[{number}]")
    elif not _same(stored, fresh):
        yield f"{where} is {_brief(stored)}, computed {_brief(fresh)}"


def _brief(value: object) -> str:
    text = printable(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _same(stored: Any, fresh: Any) -> bool:  # noqa: ANN401 - JSON
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (stored, fresh))
    if numbers:
        return math.isclose(stored, fresh, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(stored) is type(fresh) and bool(stored == fresh)
