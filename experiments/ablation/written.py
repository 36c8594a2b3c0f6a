"""The files that an ablation leaves."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from encoders.rows import guarded
from encoders.store import write_atomically
from experiments.ablation.ablate import Ablation
from experiments.ablation.drawing import draw
from experiments.ablation.page import page
from experiments.ablation.printed import latex, markdown
from experiments.ablation.scores import METRICS, Compared, TidyRow, tidy_rows
from experiments.ablation.told import Told, told_of
from experiments.config import write_study
from fusion.escaping import plain

#: Columns of ``differences.csv`` behind those of the factors.
DIFFERENCE = (
    *("arm", "against_arm", "uar_points", "low", "high", "p", "p_holm", "could_have_shown"),
    "method",
)
POINTS = 100.0
#: What an ablation is, beside its ``config.toml``.
RECORD = "ablation.json"


def write_ablation(found: Ablation) -> Told:
    """Write what the ablation is, every table, the figure and the page; returns what is told."""
    told = told_of(found)
    write_study(found.study, found.folder / "config.toml")
    files = {RECORD: f"{json.dumps(record_of(found), indent=1)}\n", **files_of(found, told)}
    for name, content in files.items():
        write_atomically(found.folder / name, content.encode())
    return told


def record_of(found: Ablation) -> dict[str, Any]:
    """What its cells do not say: the factors as they were typed, and what was computed."""
    return {
        "over": [asdict(one) for one in found.over],
        "side": found.side,
        "seed": found.seed,
        "speakers": found.speakers,
        "left_out": found.left_out,
        "cost": asdict(found.cost),
    }


def files_of(found: Ablation, told: Told) -> dict[str, str]:
    """Every file that follows from the predictions of the cells, by its name."""
    tidy = list(tidy_rows(found.rows))
    names = [factor.name for factor in found.grid.factors]
    return {
        "cells.csv": _csv([_flat(row) for row in tidy], names),
        "cells.jsonl": "".join(f"{_json(_nested(row))}\n" for row in tidy),
        "differences.csv": _csv([_difference(row) for row in told.differences], names),
        "ablation.html": page(found, told),
        "figure.svg": draw(found, told),
        "table.md": markdown(found, told),
        "table.tex": latex(found, told),
    }


def _flat(row: TidyRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in METRICS}
    return {**row.cell, "arm": row.arm, "fold": row.fold, "seed": row.seed, **values, "n": row.n,
            "why": row.why}  # fmt: skip


def _nested(row: TidyRow) -> dict[str, Any]:
    return {**asdict(row), "cell": dict(row.cell), "why": row.why or None}


def _difference(row: Compared) -> dict[str, Any]:
    one = row.found.interval
    points = [None if value is None else POINTS * value for value in (one.value, one.low, one.high)]
    shown = None if row.found.detectable is None else POINTS * row.found.detectable
    values = (row.arm, row.against, *points, row.found.p, row.p_holm, shown, one.method)
    return {**row.cell.values, **dict(zip(DIFFERENCE, values, strict=True))}


def _csv(rows: Sequence[Mapping[str, Any]], factors: Sequence[str]) -> str:
    """A table; None is an empty field, and no text can be taken for a formula."""
    columns = list(rows[0]) if rows else [*factors, *DIFFERENCE]
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(map(_field, columns))
    for row in rows:
        writer.writerow([_field(row[name]) for name in columns])
    return content.getvalue()


def _field(value: object) -> object:
    return guarded(plain(value)) if isinstance(value, str) else value


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)
