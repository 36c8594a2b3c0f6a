"""The files that an ablation leaves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from encoders.files import write_atomically
from encoders.manifest_rows import guarded_csv
from encoders.messages import printable
from experiments.ablation.cells import Cell
from experiments.ablation.drawing import draw
from experiments.ablation.findings import Findings, findings_of, goal_of_cells
from experiments.ablation.page import page
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Compared, tidy_rows
from experiments.ablation.tables import latex, markdown
from experiments.config import write_study
from experiments.reporting.numbers import column

POINTS = 100.0
#: What an ablation is, beside its ``config.toml``.
RECORD = "ablation.json"


def write_ablation(ablation: Ablation) -> Findings:
    """Write what the ablation is, every table, the figure and the page; returns what is told."""
    findings = findings_of(ablation)
    write_study(ablation.study, ablation.folder / "config.toml")
    files = {
        RECORD: f"{json.dumps(asdict(ablation.record), indent=1)}\n",
        **files_of(ablation, findings),
    }
    for name, content in files.items():
        write_atomically(ablation.folder / name, content.encode())
    return findings


def files_of(ablation: Ablation, findings: Findings) -> dict[str, str]:
    """Every file that follows from the predictions of the cells, by its name."""
    tidy = list(tidy_rows(ablation.rows))
    names = [factor.name for factor in ablation.grid.factors]
    columns = [*names, *_difference_columns(goal_of_cells(ablation))]
    return {
        "cells.csv": _csv([{**cell.values, **row} for cell, row in tidy], columns),
        "cells.jsonl": "".join(_json_line(cell, row) for cell, row in tidy),
        "differences.csv": _csv([_difference(row) for row in findings.differences], columns),
        "ablation.html": page(ablation, findings),
        "figure.svg": draw(ablation, findings),
        "table.md": markdown(ablation, findings),
        "table.tex": latex(ablation, findings),
    }


def _json_line(cell: Cell, row: Mapping[str, Any]) -> str:
    content = {"cell": dict(cell.values), **row, "why": row["why"] or None}
    return f"{json.dumps(content, ensure_ascii=False, allow_nan=False)}\n"


def _difference_columns(metric: str) -> tuple[str, ...]:
    """Columns of ``differences.csv`` behind those of the factors.

    A difference is in points of a share, or in the metric's own units.
    """
    size = f"{metric}_{'points' if column(metric).share else 'difference'}"
    return ("arm", "against_arm", size, "low", "high", "p", "p_holm", "could_have_shown", "method")


def _difference(row: Compared) -> dict[str, Any]:
    interval, unit = row.found.interval, POINTS if column(row.metric).share else 1.0
    sizes = (interval.value, interval.low, interval.high, row.row.detectable)
    *points, shown = [None if value is None else unit * value for value in sizes]
    values = (row.arm, row.against, *points, row.found.p, row.among.p_holm, shown, interval.method)
    return {**row.cell.values, **dict(zip(_difference_columns(row.metric), values, strict=True))}


def _csv(rows: Sequence[Mapping[str, Any]], head: Sequence[str]) -> str:
    """A table; None is an empty field, and no text can be taken for a formula."""
    columns = list(rows[0]) if rows else list(head)
    lines = [columns, *([row[name] for name in columns] for row in rows)]
    return guarded_csv(
        [printable(cell) if isinstance(cell, str) else cell for cell in line] for line in lines
    )
