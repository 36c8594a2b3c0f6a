"""The page of an ablation: one self-contained file, without scripts, that loads nothing."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from encoders.messages import printable, with_count
from encoders.utterance import Task
from experiments.ablation.drawing import draw, is_bars
from experiments.ablation.figure_words import shown_arms
from experiments.ablation.findings import Findings, cost_line, distinct_tests, metric_of, task_of
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Summary
from experiments.ablation.tables import shown_of
from experiments.config import default_options, options_of
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import badges, stamped
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
#: The line that a figure compares with, and the column of cells that are not compared.
_BLIND: Mapping[Task, str] = {
    "single-label": "chance",
    "distribution": "chance",
    "multi-label": "every label named",
    "regression": "no agreement",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: an arm in a cell."""

    values: tuple[str, ...]
    arm: str
    scores: tuple[tuple[Column, Interval], ...]
    spread: float | None
    difference: ArmDifference | None
    blind: float
    n: int
    reference: bool
    first: bool


def page(found: Ablation, told: Findings) -> str:
    """The page as HTML."""
    results = [found.facts[cell.folder] for cell in found.grid.cells]
    start = found.facts[found.grid.reference.folder]
    shown = shown_arms(told.summaries)
    arms = dict.fromkeys(one.arm for one in told.summaries)
    alone = all(cell.draft.changes.arm is not None for cell in found.grid.cells)
    return template("ablation.html.j2", **WORDS).render(
        title=corpus_title(start),
        factors=" and ".join(printable(factor.told) for factor in found.grid.factors),
        badges=_badges(results),
        stamp=stamped("", start),
        told=told,
        cells=len(found.grid.cells),
        utterances=_utterances(told),
        speakers=max((one.speakers for one in told.summaries), default=0),
        folds=start.facts.folds,
        reference=found.grid.reference.title,
        folder=printable(folder_name(found.folder)),
        figure=Markup(draw(found, told)),
        figure_narrow=Markup(draw(found, told, narrow=True)),
        bars=is_bars(found),
        scrolled=not is_bars(found),
        left_out_arms=[] if alone else [arm_name(arm) for arm in arms if arm not in shown],
        tested=distinct_tests(told.differences),
        names=[factor.name for factor in found.grid.factors],
        rows=list(_rows(told)),
        comparable=found.grid.comparable,
        methods=list(dict.fromkeys(one.main.method for one in told.summaries)),
        metric=metric_of(found),
        columns=[column(name) for name in shown_of(found)],
        scale=_scale([column(name) for name in shown_of(found)]),
        blind=_BLIND[task_of(found)],
        warnings=_warnings(results),
        fixed=_fixed(found, start),
        cost=cost_line(found),
        runs=found.rows,
        command=command(found),
        absent=ABSENT,
    )


def _scale(columns: Sequence[Column]) -> str:
    """Which metrics a table has, and which of them in percent."""
    titles = [one.title for one in columns]
    shares = [one.title for one in columns if one.share]
    told = f"{', '.join(titles[:-1])} and {titles[-1]}"
    if shares == titles:
        return f"{told} in %, with 95 % intervals"
    percents = f" ({' and '.join(shares)} in %)" if shares else ""
    return f"{told}{percents}, with 95 % intervals"


def command(found: Ablation) -> str:
    """The command that makes the ablation again; what is the default is left out."""
    words = ["serfusion ablate"]
    for one in found.over:
        words.append(f"--over {shlex.quote(printable(one.factor))}")
        if one.values is not None or len(found.over) > 1:
            words.append(f"--values {shlex.quote(printable(one.values or ''))}")
    words += study_words(options_of(found.study), default_options())
    if any(one.factor == "noise" for one in found.over):
        words.append(f"--noise-in {found.side}")
    words += [f"--draw {found.seed}"] if found.seed else []
    return folded(words)


def _utterances(told: Findings) -> str:
    counts = sorted({one.n for one in told.summaries})
    if not counts:
        return with_count(0, "utterance")
    if len(counts) == 1:
        return with_count(counts[0], "utterance")
    return f"{counts[0]} to {with_count(counts[-1], 'utterance')}"


def _rows(told: Findings) -> Iterator[Row]:
    by = {(id(row.cell), row.arm): row for row in told.differences}
    before = None
    for one in told.summaries:
        difference = by.get((id(one.cell), one.arm))
        told_of = None if difference is None or difference.same else difference.row
        yield _row(one, told_of, before)
        before = one


def _row(one: Summary, difference: ArmDifference | None, before: Summary | None) -> Row:
    return Row(
        values=tuple(one.cell.values.values()),
        arm=one.arm,
        scores=tuple((column(name), own) for name, own in one.scores.items()),
        spread=one.seed_spread,
        difference=difference,
        blind=one.blind.value,
        n=one.n,
        reference=one.cell.reference,
        first=before is None or before.cell is not one.cell,
    )


def _badges(results: list[Results]) -> list[str]:
    """Badges of the cells, each once, but for that they are cells: here that is no news."""
    every = dict.fromkeys(badge for one in results for badge in badges(one))
    return [badge for badge in every if not badge.startswith(CELL)]


def _warnings(results: list[Results]) -> tuple[str, ...]:
    """Warnings of the cells, each once, with how many cells give it where not all do."""
    found: dict[str, int] = {}
    for one in results:
        for line in one.warnings:
            if not line.startswith(f"a {CELL}"):
                found[line] = found.get(line, 0) + 1
    whole = len(results)
    return tuple(
        line if count == whole else f"{line} ({count} of {whole} cells)"
        for line, count in found.items()
    )


def _fixed(found: Ablation, start: Results) -> dict[str, str]:
    """The study without what is ablated."""
    varied = {factor.name.partition("@")[0] for factor in found.grid.factors}
    varied |= {"arms"} if varied & {"modality", "head"} else set()
    study = {**options_of(found.study), "folds": start.facts.protocol}
    told = {
        words: ", ".join(value) if isinstance(value, list) else str(value)
        for name, words in FIXED.items()
        if (value := study[name]) is not None and name not in varied
    }
    rows = {"rows and folds": "the same utterances, speakers, folds and development groups"}
    return {**(rows if found.grid.comparable else {}), **told}
