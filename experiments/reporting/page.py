"""The HTML report: one self-contained file, without scripts, that loads nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from encoders.messages import printable, with_count
from experiments.reporting.arm_names import arm_name, in_rows, row_name
from experiments.reporting.caveats import BEST, badges, cautions, stamped
from experiments.reporting.cost import Cost, arm_costs
from experiments.reporting.diagrams import draw_confusion, draw_reliability, draw_risk
from experiments.reporting.figures import arms_forest, differences_forest, draw_forest, kind_of
from experiments.reporting.matrix import matrix_table
from experiments.reporting.numbers import (
    ABSENT,
    MINUS,
    column,
    columns_of,
    decimals,
    p_number,
    percent,
    primary_of,
    scale_note,
)
from experiments.reporting.results_schema import ArmDifference, ClassResults, Results, TriedOut
from experiments.reporting.sentences import (
    answer,
    beats_both,
    claim,
    corpus_title,
    verdict,
    verdict_text,
)
from experiments.reporting.tables import certificate_rows
from experiments.reporting.target_table import chance_level, per_target_table
from experiments.reporting.tuning import ENOUGH, best_so_far, importances, pruned, tuning_figures
from experiments.templates import template
from fusion.evaluation.statistics import CLAIM_FROM
from fusion.evaluation.windows import WAYS

#: Dropped rows that are listed before the reader asks for all.
DROPPED_SHOWN = 20
#: Figures as SVG, by their kind, then by what they are of: an arm, of forests the width.
Figures = dict[str, dict[str, str]]
FORESTS = ("arms", "differences")


@dataclass(frozen=True, slots=True)
class Report:
    """What the report of a run is made of.

    ``folder`` is the name of the run's folder, ``command`` the one that asks for the study again,
    over several lines.
    """

    results: Results
    folder: str = ""
    cost: Cost | None = None
    command: str | None = None


def page(report: Report, figures: Figures | None = None) -> str:
    """The report as HTML; ``figures`` are those of :func:`drawn`, None: they are drawn now."""
    kinds = figures or drawn(report.results)
    return template("report.html.j2", **_FILTERS).render(
        results=report.results,
        facts=report.results.facts,
        # Trees of elements escape what is put into them, so that their text is markup already.
        figures={
            kind: {of: Markup(svg) for of, svg in svgs.items()} for kind, svgs in kinds.items()
        },
        folder=printable(report.folder),
        costs=arm_costs(report.cost) if report.cost is not None else [],
        command=report.command,
        ways={"window": "each window", **WAYS},
        best=BEST,
        claim_from=CLAIM_FROM,
        enough=ENOUGH,
        shown=DROPPED_SHOWN,
        absent=ABSENT,
        minus=MINUS,
    )


def main_arms(results: Results) -> list[str]:
    """The best unimodal and the best fused arm; the first arms where there is no such thing."""
    best = [arm for arm in BEST if arm in results.arms]
    return best or list(results.arms)[:2]


def arms_with(results: Results, part: str) -> list[str]:
    """Arms that have a part of their results, such as ``windows``, and not an empty one."""
    return [arm for arm, summary in results.arms.items() if getattr(summary, part)]


def calibrated_arms(results: Results) -> list[str]:
    """Main arms with development rows, so that a temperature could be fitted."""
    calibrated = arms_with(results, "calibration")
    return [arm for arm in main_arms(results) if arm in calibrated]


def of_classes(results: Results) -> bool:
    """Whether every row is scored by one class, so that there are confusions and calibration."""
    return isinstance(results, ClassResults)


def drawn(results: Results) -> Figures:
    """Every figure once: forests by their width, others by their arm."""
    forests = {"arms": arms_forest(results)}
    if results.differences:
        forests["differences"] = differences_forest(results)
    figures = {
        name: {"wide": draw_forest(forest), "narrow": draw_forest(forest, narrow=True)}
        for name, forest in forests.items()
    }
    whole = results if isinstance(results, ClassResults) else None
    figures["confusion"] = {arm: draw_confusion(whole, arm) for arm in results.arms if whole}
    calibrated, tuned = calibrated_arms(results), tuning_figures(results)
    figures["reliability"] = {arm: draw_reliability(results, arm) for arm in calibrated}
    figures["risk"] = {"coverage": draw_risk(results, calibrated)} if calibrated else {}
    for kind in ("history", "learning"):
        figures[kind] = {arm: svgs[kind] for arm, svgs in tuned.items() if kind in svgs}
    return figures


def _by_metric(differences: Sequence[ArmDifference]) -> dict[str, list[ArmDifference]]:
    by_metric: dict[str, list[ArmDifference]] = {}
    for row in differences:
        by_metric.setdefault(row.metric, []).append(row)
    return by_metric


def _claims(results: Results) -> list[str]:
    """The exploratory differences in sentences."""
    return [
        claim(row, results.rows)
        for row in results.differences
        if row.metric == primary_of(results) and not row.primary
    ]


def _methods(results: Results) -> list[str]:
    """How the intervals of the primary metric were made, each way once."""
    name = primary_of(results)
    return list(dict.fromkeys(summary.score(name).method for summary in results.arms.values()))


def _reasons(results: Results) -> dict[str, str]:
    """Why the primary metric of a fold is null, by fold."""
    name = primary_of(results)
    folds = [fold for summary in results.arms.values() for fold in summary.folds]
    return {fold.fold: why for fold in folds if (why := fold.reason(name)) is not None}


def _value(value: object) -> str:
    """A hyperparameter as it is read: three digits that matter."""
    return f"{value:.3g}" if isinstance(value, float) else printable(value)


def _largest(trials: Sequence[TriedOut], metric: str) -> str:
    return column(metric).tell(best_so_far(trials)[-1]) if trials else ABSENT


#: How templates tell arms, differences and names, on the pages of ablations too.
WORDS: Mapping[str, Callable[..., Any]] = {
    "arm": arm_name,
    "kind": kind_of,
    "p": p_number,
    "verdict": verdict,
    "printable": printable,
    "with_count": with_count,
}
_FILTERS: Mapping[str, Callable[..., Any]] = {
    **WORDS,
    "percent": percent,
    "span": column("uar").tell_span,
    "verdict_text": verdict_text,
    "value": _value,
    "largest": _largest,
    "pruned": pruned,
    "fold": lambda summary, name: next(fold for fold in summary.folds if fold.fold == name),
    "number": decimals,
    "column": column,
    "told": lambda value, name: column(name).tell(value),
    "told_signed": lambda value, name: column(name).tell_signed(value),
    "told_span": lambda interval, name: column(name).tell_span(interval),
    "row": row_name,
    "in_rows": in_rows,
    # What is made of results as a whole.
    "answer": answer,
    "title": corpus_title,
    "badges": badges,
    "stamp": lambda results: stamped("", results),
    "certificate_rows": certificate_rows,
    "cautions": cautions,
    "main_arms": main_arms,
    "calibrated_arms": calibrated_arms,
    "arms_with": arms_with,
    "columns": columns_of,
    "primary": primary_of,
    "of_classes": of_classes,
    "per_target": per_target_table,
    "blind": chance_level,
    "scale": scale_note,
    "by_metric": _by_metric,
    "matrix": matrix_table,
    "claims": _claims,
    "beats_both": beats_both,
    "methods": _methods,
    "reasons": _reasons,
    "importances": importances,
}
