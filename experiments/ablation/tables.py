"""The table of an ablation: for the terminal, Markdown and LaTeX."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from encoders.messages import escape_markdown, printable
from experiments.ablation.findings import Findings, cost_line, findings_of
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Compared, Summary
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import stamped_cells
from experiments.reporting.numbers import ABSENT, column, p_number
from experiments.reporting.tables import escape_latex, latex_table, pipes

if TYPE_CHECKING:
    from rich.console import Console

Rows = list[list[str]]
#: Scores of an arm in a table, the primary one first; the page has more.
SCORES = 2


def print_ablation(ablation: Ablation, console: "Console") -> None:
    """Print the table, the answer and what must be known."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    findings = findings_of(ablation)
    table = Table(box=None, pad_edge=False)
    head, rows = head_of(ablation), rows_of(ablation, findings)
    # The second score stands in the files: a terminal of 80 columns has no room for it.
    second = len(ablation.grid.factors) + SCORES
    kept = [k for k in range(len(head)) if k != second]
    for k in kept:
        table.add_column(head[k])
    for row in rows:
        table.add_row(*(Text(row[k]) for k in kept))
    console.print(table)
    console.print()
    console.print(Text(findings.answer, style="bold"))
    for line in (*findings.notes, cost_line(ablation)):
        console.print(Padding(Text(line), (0, 0, 0, 2)))


def content_of(ablation: Ablation) -> Mapping[str, Any]:
    """What is told, as numbers: every arm of every cell, differences from the reference."""
    findings = findings_of(ablation)
    cells = [
        {"cell": row.cell.values, "reference": row.cell.reference, "arm": row.arm}
        | {"rows": row.n, "speakers": row.speakers, "scores": row.scores}
        for row in findings.summaries
    ]
    differences = [
        {"cell": row.cell.values, "arm": row.arm, "against": row.against, "metric": row.metric}
        | {"same": row.same, "difference": row.row}
        for row in findings.differences
    ]
    told = {"folder": ablation.folder, "answer": findings.answer, "notes": findings.notes}
    return {**told, "cells": cells, "differences": differences}


def head_of(ablation: Ablation) -> list[str]:
    """Heads of the columns."""
    names = [printable(factor.name) for factor in ablation.grid.factors]
    scores = [column(name).head for name in ablation.reference.shown[:SCORES]]
    return [*names, "arm", *scores, "difference", "p (Holm)"]


def rows_of(ablation: Ablation, findings: Findings) -> Rows:
    """One row per cell and arm."""
    by = {(id(row.cell), row.arm): row for row in findings.differences}
    return [
        _row(summary, by.get((id(summary.cell), summary.arm))) for summary in findings.summaries
    ]


def _row(summary: Summary, difference: Compared | None) -> list[str]:
    values = [printable(value) for value in summary.cell.values.values()]
    entry = "reference" if summary.cell.reference else ABSENT
    p = ABSENT
    if difference is not None and difference.same:
        entry = "the same"
    elif difference is not None:
        interval, how = difference.found.interval, column(difference.metric)
        between = how.tell_span(interval)
        entry = how.tell_signed(interval.value) + ("" if between == ABSENT else f" ({between})")
        p = p_number(difference.among.p_holm)
    scores = [
        column(name).tell_score(score) for name, score in list(summary.scores.items())[:SCORES]
    ]
    return [*values, arm_name(summary.arm), *scores, entry, p]


def markdown(ablation: Ablation, findings: Findings) -> str:
    """The answer and the table as Markdown."""
    say = escape_markdown
    lines = [f"**{say(findings.answer)}**", ""]
    lines += pipes(list(map(say, head_of(ablation))), rows_of(ablation, findings), say)
    lines += ["", *(f"- {say(line)}" for line in (*findings.notes, cost_line(ablation)))]
    return "\n".join(lines).rstrip() + "\n"


def latex(ablation: Ablation, findings: Findings) -> str:
    """The table as LaTeX; needs the package booktabs."""
    head, rows = head_of(ablation), rows_of(ablation, findings)
    reference, every = ablation.reference.results, [row.results for row in ablation.rows]
    caption = stamped_cells(findings.answer, reference, every)
    table = latex_table(caption, "l" * len(head), list(map(escape_latex, head)), rows)
    return "% needs \\usepackage{booktabs}\n" + table
