"""Runs side by side, for a terminal, as Markdown and as one HTML file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.files import write_atomically
from encoders.messages import escape_markdown, printable
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import badges
from experiments.reporting.numbers import ABSENT, column, p_number, percent, primary_of
from experiments.reporting.results_schema import as_json
from experiments.reporting.side_by_side import AVERAGED, Beside, Run, RunDifference
from experiments.reporting.tables import pipes
from experiments.templates import template

if TYPE_CHECKING:
    from rich.console import Console

Rows = list[list[str]]
DIFFERENCES = ["difference in UAR, points", "value", "95 %", "p", "p (Holm)"]


def scores_table(comparison: Beside) -> Rows:
    """A head, what each run is, and UAR with its interval by arm and run."""
    head = ["", *(run.name for run in comparison.runs)]
    about = [[name, *(tell(run) for run in comparison.runs)] for name, tell in _ABOUT.items()]
    arms = [
        [arm_name(arm), *(_cell(run, arm) for run in comparison.runs)] for arm in comparison.arms
    ]
    return [head, *about, *arms]


def differences_table(comparison: Beside) -> Rows:
    """Every arm of the further runs against the first run's; empty where rows differ."""
    uar = column("uar")
    return [
        [
            f"{arm_name(row.arm)}: {row.run} against {row.against}",
            uar.tell_signed(row.found.interval.value),
            *(_between(row), p_number(row.found.p), p_number(row.p_holm)),
        ]
        for row in comparison.differences
    ]


def means_table(comparison: Beside) -> Rows:
    """Mean over corpora by arm and metric; empty where runs share a corpus."""
    arms = dict.fromkeys(arm for values in comparison.means.values() for arm in values)
    return [
        [arm_name(arm), *(percent(comparison.means[metric].get(arm)) for metric in AVERAGED)]
        for arm in arms
    ]


def content_of(comparison: Beside) -> Mapping[str, Any]:
    """The comparison as numbers: all results of every run, differences, means, remarks."""
    return {
        "runs": {run.name: as_json(run.results) for run in comparison.runs},
        **{name: getattr(comparison, name) for name in ("differences", "means", "remarks")},
    }


def print_beside(comparison: Beside, console: "Console") -> None:
    """The tables and remarks for a terminal."""
    from rich.table import Table
    from rich.text import Text

    for head, rows in _tables(comparison):
        table = Table(box=None, pad_edge=False)
        for name in head:
            table.add_column(Text(name), overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
        console.print()
    for remark in comparison.remarks:
        console.print(Text(remark))


def write_beside(comparison: Beside, folder: Path) -> None:
    """``runs.html`` and ``runs.md`` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    page = template("runs.html.j2").render(
        runs=comparison.runs, tables=_tables(comparison), remarks=comparison.remarks
    )
    write_atomically(folder / "runs.html", page.encode())
    write_atomically(folder / "runs.md", _markdown(comparison).encode())


def _markdown(comparison: Beside) -> str:
    say, lines = escape_markdown, list[str]()
    for head, rows in _tables(comparison):
        lines += [*pipes(head, rows, say), ""]
    return "\n".join([*lines, *(f"- {say(remark)}" for remark in comparison.remarks)]) + "\n"


def _tables(comparison: Beside) -> list[tuple[list[str], Rows]]:
    head, *rows = scores_table(comparison)
    tables = [
        ([f"{_metrics(comparison)}, with 95 % intervals", *head[1:]], rows),
        (DIFFERENCES, differences_table(comparison)),
        (
            ["mean over corpora, %", *(column(metric).title for metric in AVERAGED)],
            means_table(comparison),
        ),
    ]
    return [table for table in tables if table[1]]


def _metrics(comparison: Beside) -> str:
    """The primary metric of the runs' tasks: one, unless their tasks differ."""
    scales = (column(primary_of(run.results)).scale for run in comparison.runs)
    return " or ".join(dict.fromkeys(scales))


def _between(row: RunDifference) -> str:
    interval = row.found.interval
    between = column("uar").tell_span(interval)
    return printable(interval.method) if between == ABSENT else between


def _cell(run: Run, arm: str) -> str:
    if arm not in run.results.arms:
        return ABSENT
    metric = primary_of(run.results)
    return column(metric).tell_score(run.results.arms[arm].score(metric))


def _study(run: Run, name: str) -> str:
    return printable(run.results.facts.study.get(name, ABSENT))


_ABOUT: Mapping[str, Callable[[Run], str]] = {
    "corpus": lambda run: printable(run.results.corpus),
    "utterances": lambda run: str(run.results.rows.used),
    "speakers": lambda run: str(run.results.rows.speakers),
    "folds": lambda run: printable(run.results.facts.protocol),
    "audio encoder": lambda run: _study(run, "audio"),
    "text encoder": lambda run: _study(run, "text"),
    "trials, seeds": lambda run: f"{_study(run, 'trials')}, {_study(run, 'seeds')}",
    "marks": lambda run: "; ".join(badges(run.results)) or ABSENT,
}
