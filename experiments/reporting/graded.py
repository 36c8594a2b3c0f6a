"""The part of ``results.json`` that is of labels, shares and values."""

from collections.abc import Mapping, Sequence
from typing import Any

from encoders.utterance import Task
from experiments.reporting import answers
from experiments.reporting.caveats import BEST
from experiments.reporting.groups import groups_of
from experiments.reporting.pairs import differences
from fusion.jackknife import effective_of
from fusion.measures import Measure, measures_of
from fusion.predictions import Prediction
from fusion.selection import PRIMARY
from fusion.statistics import Difference, paired_tallies

Fits = Mapping[str, Sequence[Mapping[str, Any]]]


def graded(
    rows: Sequence[Prediction],
    task: Task,
    targets: Sequence[str],
    fits: Fits,
    known: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Arms and differences where rows have no single class, and what is left out and why.

    ``known`` are the groups of speakers and utterances by attribute; the best arms are told by
    them.
    """
    chosen = {
        arm: {fit["fold"]: fit["chosen"] for fit in own if "chosen" in fit}
        for arm, own in fits.items()
    }

    def heads_of(arm: str, fold: str) -> str:
        # An arm with one input alone has the heads, and so the thresholds, of the whole one.
        return str(chosen.get(arm, {}).get(fold, arm.partition("/")[0]))

    scored = answers.score_arms(rows, task, targets, heads_of)
    folds = list(dict.fromkeys(row.outer_fold for row in rows if row.split == "test"))
    found = measures_of(task, targets)
    rows_of_table = "per_class" if task == "multi-label" else "per_target"
    arms = {
        arm: {
            **answers.values_of(one, found),
            "effective": float(effective_of(one.tally.support)),
            **(
                {"at_fixed_thresholds": answers.at_fixed_thresholds(one)}
                if task == "multi-label"
                else {}
            ),
            rows_of_table: answers.per_target(one, task, targets),
            "folds": answers.folds_of(
                one, targets, found, folds, {fit["fold"]: fit for fit in fits.get(arm, ())}
            ),
            "trials": max((len(fit.get("trials", ())) for fit in fits.get(arm, ())), default=0),
        }
        for arm, one in scored.items()
    }
    for arm in [arm for arm in BEST if arm in arms] or list(arms):
        arms[arm]["groups"] = groups_of(scored[arm], task, targets, known)
    return {
        "measures": described(task, targets),
        "arms": arms,
        "differences": _differences(scored, task, targets),
        "skipped": dict(answers.SKIPPED[task]),
    }


def with_shares(
    made: Mapping[str, Any], rows: Sequence[Prediction], targets: Sequence[str]
) -> dict[str, Any]:
    """What is made of the largest shares, with how near the shares themselves are, of all rows."""
    scored = answers.score_arms(rows, "distribution", targets, lambda arm, _: arm)
    found = measures_of("distribution", targets)
    arms = {arm: own | answers.values_of(scored[arm], found) for arm, own in made["arms"].items()}
    more = _differences(scored, "distribution", targets)
    told = described("distribution", targets)
    return {**made, "measures": told, "arms": arms, "differences": [*made["differences"], *more]}


def described(task: Task, targets: Sequence[str]) -> dict[str, Any]:
    """What the metrics of a task are, and which of them everything is chosen by."""
    found = measures_of(task, targets)
    return {
        "primary": PRIMARY[task],
        "of": {
            name: {"title": one.title, "less_is_better": one.lower, "percent": one.share}
            for name, one in found.items()
        },
    }


def _differences(
    scored: Mapping[str, answers.Scored], task: Task, targets: Sequence[str]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for metric, measure in answers.compared(task, targets).items():

        def compare(arm: str, other: str, measure: Measure = measure) -> Difference:
            return paired_tallies(scored[arm].tally, scored[other].tally, measure)

        rows += differences(scored, {}, metric, compare)
    return rows
