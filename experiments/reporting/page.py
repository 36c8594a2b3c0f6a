"""The HTML report: one self-contained file, without scripts, that loads nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from experiments.reporting.caveats import badges, cautions, stamped
from experiments.reporting.certificate_table import certificate_table
from experiments.reporting.commands import folded, study_words
from experiments.reporting.confusion import draw_confusion
from experiments.reporting.cost import Cost, arm_costs
from experiments.reporting.diagrams import draw_reliability, draw_risk
from experiments.reporting.figures import (
    arms_forest,
    differences_forest,
    draw_forest,
    kind_of,
)
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
    signed,
    span,
)
from experiments.reporting.target_table import knowing_nothing, per_target_table
from experiments.reporting.tuning import (
    ENOUGH,
    best_so_far,
    importances,
    pruned,
    trials_of,
    tuning_figures,
)
from experiments.reporting.wording import (
    BEST,
    PRIMARIES,
    answer,
    arm_name,
    beats_both,
    claim,
    corpus_title,
    verdict,
    verdict_text,
)
from experiments.templates import template
from fusion.escaping import counted, plain
from fusion.statistics import BOOTSTRAP_FROM, CLAIM_FROM
from fusion.windows import WAYS

#: Dropped rows that are listed before the reader asks for all.
DROPPED_SHOWN = 20


def page(results: Mapping[str, Any], folder: str = "", cost: Cost | None = None) -> str:
    """The report as HTML; ``folder`` is the name of the run's folder, where it has one."""
    main, speakers = main_arms(results), results["rows"]["speakers"]
    return template("report.html.j2", **_FILTERS).render(
        results=results,
        facts=results.get("facts", {}),
        answer=answer(results),
        title=corpus_title(results),
        badges=badges(results),
        stamp=stamped("", results),
        certificate=certificate_table(results),
        folder=plain(folder),
        cautions=cautions(results),
        seeds=len(results["seeds"]),
        figures=_figures(results),
        confusions=_confusions(results),
        main=main,
        calibrated=calibrated_arms(results),
        diagrams=_diagrams(results),
        grouped=[arm for arm, found in results["arms"].items() if found.get("groups")],
        by_speaker=[arm for arm, found in results["arms"].items() if found.get("speakers")],
        windowed=[arm for arm, found in results["arms"].items() if found.get("windows")],
        ways={"window": "each window", **WAYS},
        others=[arm for arm in results["arms"] if arm not in main],
        columns=columns_of(results),
        primary=primary_of(results),
        of_classes=of_classes(results),
        per_target=per_target_table(results),
        blind=knowing_nothing(results),
        scale=scale_note(results),
        best=BEST,
        bootstrap_from=BOOTSTRAP_FROM,
        claim_from=CLAIM_FROM,
        compared=_by_metric(results["differences"]),
        matrix=matrix_table(results.get("matrix", ())),
        claims=[claim(row, speakers) for row in _exploratory(results["differences"])],
        beats_both=beats_both(results["differences"]),
        methods=_methods(results),
        reasons=_reasons(results),
        of_fold={
            arm: {fold["fold"]: fold for fold in summary["folds"]}
            for arm, summary in results["arms"].items()
        },
        tuning=_tuning(results),
        trials=trials_of(results),
        enough=ENOUGH,
        importances=(mattered := importances(results)),
        tried=list(dict.fromkeys(name for one in mattered for name in one.shares)),
        costs=arm_costs(cost) if cost is not None else [],
        command=command(results.get("facts", {}).get("study")),
        shown=DROPPED_SHOWN,
        absent=ABSENT,
        minus=MINUS,
    )


def main_arms(results: Mapping[str, Any]) -> list[str]:
    """The best unimodal and the best fused arm; the first arms where there is no such thing."""
    found = [arm for arm in BEST if arm in results["arms"]]
    return found or list(results["arms"])[:2]


def calibrated_arms(results: Mapping[str, Any]) -> list[str]:
    """Main arms with development rows, so that a temperature could be fitted."""
    return [arm for arm in main_arms(results) if results["arms"][arm].get("calibration")]


def of_classes(results: Mapping[str, Any]) -> bool:
    """Whether every row is scored by one class, so that there are confusions and calibration."""
    return results["task"] in ("single-label", "distribution")


def _confusions(results: Mapping[str, Any]) -> dict[str, Markup]:
    arms = results["arms"] if of_classes(results) else ()
    return {arm: Markup(draw_confusion(results, arm)) for arm in arms}


def _diagrams(results: Mapping[str, Any]) -> dict[str, Markup]:
    arms = calibrated_arms(results)
    drawn = {arm: Markup(draw_reliability(results, arm)) for arm in arms}
    return drawn | ({"risk": Markup(draw_risk(results, arms))} if arms else {})


def _tuning(results: Mapping[str, Any]) -> dict[str, dict[str, Markup]]:
    """Figures of trials and learning curves by their kind, then by arm."""
    found: dict[str, dict[str, Markup]] = {"history": {}, "learning": {}}
    for arm, drawn in tuning_figures(results).items():
        for kind, svg in drawn.items():
            found[kind][arm] = Markup(svg)
    return found


def command(study: Mapping[str, Any] | None) -> str | None:
    """The command that asks for a study, over several lines; what is the default is left out."""
    if study is None:
        return None
    return folded(["serfusion compare", *study_words(study)])


def _figures(results: Mapping[str, Any]) -> dict[str, Markup]:
    # Trees of elements escape what is put into them, so that their text is markup already.
    forests = {"arms": arms_forest(results)}
    if results["differences"]:
        forests["differences"] = differences_forest(results)
    drawn = {name: Markup(draw_forest(forest)) for name, forest in forests.items()}
    return drawn | {
        f"{name}_narrow": Markup(draw_forest(forest, narrow=True))
        for name, forest in forests.items()
    }


def _by_metric(differences: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in differences:
        found.setdefault(row["metric"], []).append(row)
    return found


def _exploratory(differences: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in differences if row["metric"] in PRIMARIES and not row["primary"]]


def _methods(results: Mapping[str, Any]) -> list[str]:
    """How the intervals of the primary metric were made, each way once."""
    name = primary_of(results)
    return list(dict.fromkeys(summary[name]["method"] for summary in results["arms"].values()))


def _reasons(results: Mapping[str, Any]) -> dict[str, str]:
    """Why the primary metric of a fold is null, by fold."""
    key = f"{primary_of(results)}_reason"
    folds = [fold for summary in results["arms"].values() for fold in summary["folds"]]
    return {fold["fold"]: fold[key] for fold in folds if key in fold}


def _value(value: object) -> str:
    """A hyperparameter as it is read: three digits that matter."""
    return f"{value:.3g}" if isinstance(value, float) else plain(value)


def _largest(trials: Sequence[Mapping[str, Any]], metric: str) -> str:
    return column(metric).tell(best_so_far(trials)[-1]) if trials else ABSENT


#: How templates tell arms, differences and names, on the pages of ablations too.
WORDS: Mapping[str, Callable[..., Any]] = {
    "arm": arm_name,
    "kind": kind_of,
    "p": p_number,
    "verdict": verdict,
    "plain": plain,
    "counted": counted,
}
_FILTERS: Mapping[str, Callable[..., Any]] = {
    **WORDS,
    "percent": percent,
    "signed": signed,
    "span": span,
    "verdict_text": verdict_text,
    "value": _value,
    "largest": _largest,
    "pruned": pruned,
    "number": decimals,
    "column": column,
    "told": lambda value, name: column(name).tell(value),
    "told_signed": lambda value, name: column(name).tell_signed(value),
    "told_span": lambda found, name: column(name).tell_span(found),
}
