"""The table of arms for Markdown, LaTeX and the terminal."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from encoders.messages import escape_markdown, printable
from experiments.reporting.arm_names import arm_name, in_rows, row_name
from experiments.reporting.caveats import BEST, cautions, stamped
from experiments.reporting.numbers import (
    ABSENT,
    MINUS,
    column,
    columns_of,
    p_number,
    percent,
    primary_of,
    scale_note,
)
from experiments.reporting.results_schema import Results
from experiments.reporting.sentences import answer, setting, verdict_text
from experiments.reporting.target_table import per_target_table
from fusion.leakage.findings import Certificate, LeakTest

if TYPE_CHECKING:
    from rich.table import Table

Rows = list[list[str]]

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    MINUS: "$-$",
    ABSENT: "--",
    "…": r"\ldots{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    # After the end of a row these would be its options.
    **{letter: f"{{{letter}}}" for letter in "[]*"},
}

_STATUS = {"clean": "nothing found", "untested": "not tested"}
DIFFERENCE = ("value", "95 %", "p", "p (Holm)", "verdict")


def escape_latex(text: object) -> str:
    """Text that LaTeX sets as it is, at the start of a row too."""
    return "".join(_LATEX.get(letter, letter) for letter in printable(text))


def markdown(results: Results) -> str:
    """The answer, the table of arms and the differences in the primary metric as Markdown."""
    say, metric = escape_markdown, column(primary_of(results))
    lines = [f"**{say(answer(results))}**", ""]
    lines += pipes([say(stamped("arm", results)), *_titles(results), "trials"], _arms(results), say)
    if compared := _differences(results):
        title = stamped(f"difference in {metric.title}{', points' * metric.share}", results)
        lines += ["", *pipes([say(title), *DIFFERENCE], compared, say)]
    lines += ["", f"{scale_note(results)}. {say(setting(results))}."]
    if (by_target := per_target_table(results)) is not None:
        lines += ["", *pipes(*by_target, say)]
    if (certificate := results.certificate) is not None:
        title = f"split certificate, folds by {say(certificate.protocol)}"
        lines += ["", *pipes([title, "result", "share"], certificate_rows(certificate), say)]
    warnings = (*cautions(results), *results.warnings)
    lines += ["", *(f"- Warning: {say(warning)}" for warning in warnings)]
    return "\n".join(lines).rstrip() + "\n"


def latex(results: Results) -> str:
    """The table of arms as LaTeX; needs the package booktabs."""
    head = ["arm", *map(escape_latex, _titles(results)), "trials"]
    caption = f"{answer(results)} {scale_note(results)}. {setting(results)}."
    columns = "@{}l" + "l" * len(columns_of(results)) + "r@{}"
    needs = (
        f"% {stamped('run', results)} {printable(results.run)}; needs \\usepackage{{booktabs}}\n"
    )
    return needs + latex_table(caption, columns, head, _arms(results))


def terminal_table(results: Results) -> "Table":
    """The table of arms for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, caption=Text(setting(results)), caption_justify="left")
    # Two metrics fit a terminal of 80 columns; the report has all four.
    for name in ("arm", *(metric.head for metric in list(columns_of(results).values())[:2])):
        table.add_column(name, no_wrap=True)
    table.add_column("trials", justify="right")
    for arm, *cells, trials in _arms(results):
        # Names from outside are text, never markup of the terminal.
        table.add_row(*map(Text, (arm, *cells[:2], trials)))
    return table


def _arms(results: Results) -> Rows:
    return [
        [
            row_name(arm),
            *(
                column.tell_score(results.arms[arm].score(metric))
                for metric, column in columns_of(results).items()
            ),
            ABSENT if arm in BEST else str(results.arms[arm].trials),
        ]
        for arm in in_rows(results.arms)
    ]


def _titles(results: Results) -> list[str]:
    return [column.title for column in columns_of(results).values()]


def _differences(results: Results) -> Rows:
    return [
        [
            f"{arm_name(row.arm)} {MINUS} {arm_name(row.against)}",
            column(row.metric).tell_signed(row.value),
            column(row.metric).tell_span(row),
            p_number(row.p),
            p_number(row.p_holm),
            verdict_text(row),
        ]
        for row in results.differences
        if row.metric == primary_of(results)
    ]


def certificate_rows(certificate: Certificate) -> list[list[str]]:
    """Each test: its name, what it found in words, the share of rows as a percentage."""
    return [_certificate_row(test) for test in certificate.tests]


def _certificate_row(test: LeakTest) -> list[str]:
    share = f"{percent(test.share)} %" if test.of else ABSENT
    count = test.counts.replace(" scored utterances", "") if test.found or test.inner else ""
    parts = (_STATUS.get(test.status, test.status), count, *test.examples, test.note)
    return [printable(test.name), printable("; ".join(filter(None, parts))), share]


def pipes(head: Sequence[str], rows: Rows, say: Callable[[object], str]) -> list[str]:
    """Lines of a table in Markdown; ``say`` escapes what is not the head."""
    lines = [head, ["---"] * len(head)]
    return [f"| {' | '.join(line)} |" for line in (*lines, *([*map(say, row)] for row in rows))]


def latex_table(caption: str, columns: str, head: Sequence[str], rows: Rows) -> str:
    """A table in LaTeX, which needs the package booktabs; everything but the head is escaped."""
    lines = [
        r"\begin{table}",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *(" & ".join(map(escape_latex, row)) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
