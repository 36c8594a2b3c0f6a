"""The page of an ablation: one self-contained file, without scripts, that loads nothing."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from encoders.messages import printable, with_count
from experiments.ablation.drawing import draw, is_bars
from experiments.ablation.findings import Findings, cost_line, distinct_tests, metric_of
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Summary, shown_arms
from experiments.config import default_options, options_of
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import badges, stamped_cells
from experiments.reporting.command_text import folded, study_words
from experiments.reporting.numbers import ABSENT, Column, column
from experiments.reporting.page import WORDS
from experiments.reporting.report import folder_name
from experiments.reporting.results_schema import ArmDifference, Results
from experiments.reporting.sentences import corpus_title
from experiments.templates import template
from fusion.evaluation.statistics import Interval

#: Fields of a study that a page names, in words; those that are ablated are left out.
FIXED = {
    "audio": "audio encoder",
    "text": "text encoder",
    "transcript": "words",
    "asr": "recogniser",
    "arms": "arms",
    "labels": "classes",
    "folds": "folds",
    "rows": "rows",
    "trials": "trials per arm and fold",
    "seeds": "seeds of heads",
    "head": "fixed hyperparameters",
}
#: How a badge and a warning of a cell's own report begin.
CELL = "cell of an ablation"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: an arm in a cell, and whether it is the cell's first."""

    summary: Summary
    scores: tuple[tuple[Column, Interval], ...]
    difference: ArmDifference | None
    first: bool


def page(ablation: Ablation, findings: Findings) -> str:
    """The page as HTML."""
    results = [row.results for row in ablation.rows]
    start = ablation.reference.results
    columns = [column(name) for name in ablation.reference.shown]
    shown = shown_arms(findings.summaries)
    arms = dict.fromkeys(summary.arm for summary in findings.summaries)
    alone = all(cell.draft.changes.arm is not None for cell in ablation.grid.cells)
    return template("ablation.html.j2", **WORDS).render(
        title=corpus_title(start),
        factors=" and ".join(printable(factor.label) for factor in ablation.grid.factors),
        # That they are cells is no news here.
        badges=[
            badge
            for badge in dict.fromkeys(badge for result in results for badge in badges(result))
            if not badge.startswith(CELL)
        ],
        stamp=stamped_cells("", start, results),
        findings=findings,
        cells=len(ablation.grid.cells),
        utterances=_utterances(findings),
        speakers=max((summary.speakers for summary in findings.summaries), default=0),
        folds=start.facts.folds,
        reference=ablation.grid.reference.title,
        folder=printable(folder_name(ablation.folder)),
        figure=Markup(draw(ablation, findings)),
        figure_narrow=Markup(draw(ablation, findings, narrow=True)),
        bars=is_bars(ablation),
        scrolled=not is_bars(ablation),
        left_out_arms=[] if alone else [arm_name(arm) for arm in arms if arm not in shown],
        tested=distinct_tests(findings.differences),
        names=[factor.name for factor in ablation.grid.factors],
        rows=list(_rows(findings)),
        comparable=ablation.grid.comparable,
        methods=list(dict.fromkeys(summary.main.method for summary in findings.summaries)),
        metric=metric_of(ablation),
        columns=columns,
        scale=_scale(columns),
        blind=findings.summaries[0].blind.words,
        warnings=_warnings(results),
        fixed=_fixed(ablation, start),
        cost=cost_line(ablation),
        runs=ablation.rows,
        command=command(ablation),
        absent=ABSENT,
    )


def _scale(columns: Sequence[Column]) -> str:
    """Which metrics a table has, and which of them in percent."""
    titles = [metric.title for metric in columns]
    shares = [metric.title for metric in columns if metric.share]
    metrics = f"{', '.join(titles[:-1])} and {titles[-1]}"
    if shares == titles:
        return f"{metrics} in %, with 95 % intervals"
    percents = f" ({' and '.join(shares)} in %)" if shares else ""
    return f"{metrics}{percents}, with 95 % intervals"


def command(ablation: Ablation) -> str:
    """The command that makes the ablation again; what is the default is left out."""
    words = ["serfusion ablate"]
    record = ablation.record
    for spec in record.over:
        words.append(f"--over {shlex.quote(printable(spec.factor))}")
        if spec.values is not None or len(record.over) > 1:
            words.append(f"--values {shlex.quote(printable(spec.values or ''))}")
    words += study_words(options_of(ablation.study), default_options())
    if any(spec.factor == "noise" for spec in record.over):
        words.append(f"--noise-in {record.side}")
    words += [f"--draw {record.seed}"] if record.seed else []
    return folded(words)


def _utterances(findings: Findings) -> str:
    counts = sorted({summary.n for summary in findings.summaries})
    if not counts:
        return with_count(0, "utterance")
    if len(counts) == 1:
        return with_count(counts[0], "utterance")
    return f"{counts[0]} to {with_count(counts[-1], 'utterance')}"


def _rows(findings: Findings) -> Iterator[Row]:
    by = {(id(row.cell), row.arm): row for row in findings.differences}
    before = None
    for summary in findings.summaries:
        compared = by.get((id(summary.cell), summary.arm))
        difference = None if compared is None or compared.same else compared.row
        scores = tuple((column(name), score) for name, score in summary.scores.items())
        yield Row(summary, scores, difference, first=summary.cell is not before)
        before = summary.cell


def _warnings(results: list[Results]) -> tuple[str, ...]:
    """Warnings of the cells, each once, with how many cells give it where not all do."""
    counts: dict[str, int] = {}
    for result in results:
        for line in result.warnings:
            if not line.startswith(f"a {CELL}"):
                counts[line] = counts.get(line, 0) + 1
    whole = len(results)
    return tuple(
        line if count == whole else f"{line} ({count} of {whole} cells)"
        for line, count in counts.items()
    )


def _fixed(ablation: Ablation, start: Results) -> dict[str, str]:
    """The study without what is ablated."""
    varied = {factor.name.partition("@")[0] for factor in ablation.grid.factors}
    varied |= {"arms"} if varied & {"modality", "head"} else set()
    study = {**options_of(ablation.study), "folds": start.facts.protocol}
    fixed = {
        words: ", ".join(value) if isinstance(value, list) else str(value)
        for name, words in FIXED.items()
        if (value := study[name]) is not None and name not in varied
    }
    rows = {"rows and folds": "the same utterances, speakers, folds and development groups"}
    return {**(rows if ablation.grid.comparable else {}), **fixed}
