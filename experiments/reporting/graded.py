"""The part of results that is of labels, shares and values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from encoders.utterance import Task
from experiments.reporting import answers
from experiments.reporting.caveats import BEST
from experiments.reporting.groups import groups_of
from experiments.reporting.pairs import differences
from experiments.reporting.results_schema import (
    ArmDifference,
    ArmResults,
    ClassResults,
    FoldResults,
    Measures,
    MeasureWords,
    Results,
    most_trials,
    with_named,
)
from fusion.jackknife import effective_of
from fusion.measures import Measure, measures_of
from fusion.predictions import Prediction
from fusion.selection import PRIMARY
from fusion.statistics import Difference, paired_tallies


def graded(
    results: Results, rows: Sequence[Prediction], fits: Mapping[str, Sequence[FoldResults]]
) -> Results:
    """Results with arms and differences where rows have no single class, and what is left out.

    The best arms are told by the groups of speakers and utterances too.
    """
    task, targets = results.task, results.targets
    chosen = {(arm, fit.fold): fit.chosen for arm, own in fits.items() for fit in own}

    def heads_of(arm: str, fold: str) -> str:
        # An arm with one input alone has the heads, and so the thresholds, of the whole one.
        return chosen.get((arm, fold)) or arm.partition("/")[0]

    scored = answers.score_arms(rows, task, targets, heads_of)
    folds = list(dict.fromkeys(row.outer_fold for row in rows if row.split == "test"))
    measures, labels = measures_of(task, targets), task == "multi-label"
    by_group = [arm for arm in BEST if arm in scored] or list(scored)
    arms = {}
    for arm, own in scored.items():
        by_fold = {fit.fold: fit.entry for fit in fits.get(arm, ())}
        each = answers.per_target(own, task, targets)
        summary = ArmResults(
            effective=float(effective_of(own.tally.support)),
            at_fixed_thresholds=answers.at_fixed_thresholds(own) if labels else None,
            per_class=each if labels else None,
            per_target=None if labels else each,
            folds=answers.folds_of(own, targets, measures, folds, by_fold),
            trials=most_trials(fits.get(arm, ())),
            groups=(
                groups_of(own, task, targets, results.facts.groups) if arm in by_group else None
            ),
        )
        arms[arm] = with_named(summary, answers.values_of(own, measures))
    return replace(
        results,
        measures=described(task, targets),
        arms=arms,
        differences=_differences(scored, task, targets),
        skipped=answers.SKIPPED[task],
    )


def with_shares(results: ClassResults, rows: Sequence[Prediction]) -> ClassResults:
    """What is made of the largest shares, with how near the shares themselves are, of all rows."""
    targets = results.targets
    scored = answers.score_arms(rows, "distribution", targets, lambda arm, _: arm)
    measures = measures_of("distribution", targets)
    arms = {
        arm: with_named(own, answers.values_of(scored[arm], measures))
        for arm, own in results.arms.items()
    }
    more = _differences(scored, "distribution", targets)
    return replace(
        results,
        measures=described("distribution", targets),
        arms=arms,
        differences=(*results.differences, *more),
    )


def described(task: Task, targets: Sequence[str]) -> Measures:
    """What the metrics of a task are, and which of them everything is chosen by."""
    found = measures_of(task, targets)
    return Measures(
        PRIMARY[task],
        {name: MeasureWords(own.title, own.lower, own.share) for name, own in found.items()},
    )


def _differences(
    scored: Mapping[str, answers.Scored], task: Task, targets: Sequence[str]
) -> tuple[ArmDifference, ...]:
    rows: list[ArmDifference] = []
    for metric, measure in answers.compared(task, targets).items():

        def compare(arm: str, other: str, measure: Measure = measure) -> Difference:
            return paired_tallies(scored[arm].tally, scored[other].tally, measure)

        rows += differences(scored, {}, metric, compare)
    return tuple(rows)
