"""The report of a run: one HTML file, tables, figures; and the same again from its predictions.

Nothing here trains, and no number is made here: each is in ``results.json``, and :func:`rebuild`
computes that from the predictions once more before it writes anything.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.store import write_atomically
from experiments.figures import (
    arms_forest,
    differences_forest,
    draw_confusion,
    draw_forest,
)
from experiments.page import main_arms, page
from experiments.results import RunFacts, summarise, with_best
from experiments.tables import latex, markdown, terminal_table
from experiments.wording import BEST, answer, claim, plain
from fusion import predictions
from fusion.predictions import Prediction

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["answer", "claim", "print_report", "rebuild", "terminal_table", "write_report"]

#: Recomputed numbers may differ from stored ones by rounding on another machine, and by no more.
TOLERANCE = 1e-9
FIT = ("fold", "hyperparameters", "trials", "layer_weights")
STORED = ("run", "corpus", "task", "targets", "rows", "arms", "differences", "warnings", "facts")


def write_report(results: Mapping[str, Any], folder: Path) -> None:
    """Write ``report.html``, ``table.md``, ``table.tex`` and ``figures/*.svg`` into a folder."""
    files = {
        "report.html": page(results),
        "table.md": markdown(results),
        "table.tex": latex(results),
        "figures/arms.svg": draw_forest(arms_forest(results)),
    }
    if results["differences"]:
        files["figures/differences.svg"] = draw_forest(differences_forest(results))
    for arm in main_arms(results):
        name = re.sub(r"[^\w.-]", "-", arm)
        files[f"figures/confusion-{name}.svg"] = draw_confusion(results, arm)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        write_atomically(folder / path, content.encode())


def print_report(results: Mapping[str, Any], console: "Console") -> None:
    """Print the table of arms, the answer in a sentence, and the warnings."""
    from rich.padding import Padding
    from rich.text import Text

    console.print(terminal_table(results))
    console.print()
    console.print(Text(answer(results), style="bold"))
    for warning in results["warnings"]:
        console.print(Padding(Text.assemble(("warning: ", "yellow"), plain(warning)), (0, 0, 0, 2)))


# ---------------------------------------------------------------- once more from predictions


def rebuild(folder: Path) -> Mapping[str, Any]:
    """Compute a run's results again from its predictions and write its report files.

    The best arms are chosen again too, on the development rows.

    Raises:
        ValueError: the folder is no run, or a stored number is not what the predictions give.
    """
    stored = _stored(folder)
    rows = _predictions(folder, stored)
    try:
        results = summarise(with_best(rows), _facts(stored))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(
            f"{folder}: predictions.jsonl and results.json are not of one run ({error!r}); "
            "expected what serfusion compare wrote; run it again"
        ) from error
    faults = list(_departures(stored, json.loads(json.dumps(results)), ""))
    if faults:
        raise ValueError(
            f"{folder}: results.json holds {len(faults)} numbers that its predictions do not give: "
            f"{'; '.join(faults[:3])}. One of the files was changed; run serfusion compare again"
        )
    write_report(results, folder)
    return results


def _stored(folder: Path) -> dict[str, Any]:
    for name in ("results.json", "predictions.jsonl"):
        if not (folder / name).is_file():
            raise ValueError(
                f"{folder}: no finished run: expected {name} in it; serfusion compare writes one"
            )
    path = folder / "results.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    lacking = [key for key in STORED if not isinstance(stored, dict) or key not in stored]
    if lacking:
        raise ValueError(f"{path}: no results of a run: {', '.join(lacking)} not in it")
    return stored


def _predictions(folder: Path, stored: Mapping[str, Any]) -> list[Prediction]:
    """The rows of the trained arms; those of the best arms are copies of them."""
    path = folder / "predictions.jsonl"
    rows = [row for row in predictions.read(path) if row.arm not in BEST]
    if not rows:
        raise ValueError(f"{path}: no predictions in it; run serfusion compare again")
    other = sorted({row.run for row in rows} - {stored["run"]})
    if other:
        raise ValueError(
            f"{path}: predictions of run {', '.join(other)}, "
            f"but results.json beside it is of run {stored['run']}"
        )
    width = len(stored["targets"])
    if any(len(row.scores) != width or len(row.target) != width for row in rows):
        raise ValueError(f"{path}: expected {width} scores in every row, one per class")
    return rows


def _facts(stored: Mapping[str, Any]) -> RunFacts:
    fits = {
        arm: tuple(
            {key: fold[key] for key in FIT if key in fold}
            for fold in summary["folds"]
            if "hyperparameters" in fold
        )
        for arm, summary in stored["arms"].items()
    }
    return RunFacts(
        run=stored["run"],
        corpus=stored["corpus"],
        task=stored["task"],
        targets=tuple(stored["targets"]),
        dropped=tuple(stored["rows"]["dropped"]),
        warnings=tuple(stored["warnings"]),
        fits={arm: rows for arm, rows in fits.items() if rows},
        facts=stored["facts"],
    )


def _departures(stored: Any, fresh: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Places where two JSON values differ, with both values."""
    if isinstance(stored, dict) and isinstance(fresh, dict):
        for key in dict.fromkeys((*stored, *fresh)):
            place = f"{where}.{key}" if where else key
            yield from _departures(stored.get(key), fresh.get(key), place)
    elif isinstance(stored, list) and isinstance(fresh, list) and len(stored) == len(fresh):
        for number, pair in enumerate(zip(stored, fresh, strict=True)):
            yield from _departures(*pair, f"{where}[{number}]")
    elif not _same(stored, fresh):
        yield f"{where} is {plain(stored)}, computed {plain(fresh)}"


def _same(stored: Any, fresh: Any) -> bool:  # noqa: ANN401 - JSON
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (stored, fresh))
    if numbers:
        return math.isclose(stored, fresh, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(stored == fresh)
