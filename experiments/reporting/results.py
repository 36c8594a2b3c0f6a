"""``results.json``: every number of a report, computed from stored predictions alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from encoders.utterance import Task
from experiments.reporting import diagnostics as scrutiny
from experiments.reporting.caveats import BEST
from experiments.reporting.matrix import corpus_matrix
from experiments.reporting.pairs import differences, gated, pairs_elsewhere
from experiments.reporting.results_schema import (
    CLASS_TASKS,
    FORMATS,
    ArmDifference,
    ArmResults,
    ClassArm,
    ClassResults,
    FoldResults,
    Hashes,
    Measures,
    MeasureWords,
    Results,
    Rows,
    RunFacts,
)
from experiments.reporting.subgroups import groups_of
from experiments.reporting.target_scores import (
    COMPARED,
    RANKED,
    SKIPPED,
    Scored,
    at_fixed_thresholds,
    auc_minus,
    folds_of,
    per_target,
    score_arms,
    values_of,
)
from fusion.evaluation.columns import Prediction, Predictions, columns, joined
from fusion.evaluation.goals import Goal, goal_of
from fusion.evaluation.jackknife import effective
from fusion.evaluation.measures import measures_of
from fusion.evaluation.predictions import best_per_fold, digest, sides_of, with_majority
from fusion.evaluation.statistics import Difference, paired_difference
from fusion.evaluation.windows import utterance_rows
from fusion.training.arm_table import arms_that, whole_of

Fits = Mapping[str, Sequence[FoldResults]]


def with_best(
    rows: Iterable[Prediction], task: Task = "single-label", goal: Goal | None = None
) -> Predictions:
    """Predictions with the arms ``best_unimodal`` and ``best_fused`` added.

    Both are chosen per outer fold on development rows, by ``goal``; their test rows are copies.
    """
    known = columns(rows)
    best = [_copied(known, *chosen) for chosen in _chosen(known, task, goal).items()]
    return joined([known, *best])


def _copied(rows: Predictions, name: str, chosen: Mapping[str, str]) -> Predictions:
    """Test rows of the arm that was chosen in each fold, under another name."""
    test = rows.at(lambda place: place.split == "test" and place.arm == chosen[place.outer_fold])
    return test.with_places(lambda place: place._replace(arm=name))


def _chosen(rows: Predictions, task: Task, goal: Goal | None) -> dict[str, dict[str, str]]:
    """Arm that each best arm stands for, by outer fold."""
    rows = utterance_rows(rows)
    present = set(rows.by(lambda place: place.arm))
    groups = {"best_unimodal": arms_that(fuse=False), "best_fused": arms_that(fuse=True)}
    by_name = {name: [arm for arm in group if arm in present] for name, group in groups.items()}
    return {name: best_per_fold(rows, arms, task, goal) for name, arms in by_name.items() if arms}


def summarise(rows: Iterable[Prediction], facts: RunFacts) -> Results:
    """What ``results.json`` holds.

    ``hashes`` holds those of what is carried over from the facts and of the file of predictions,
    as :func:`fusion.evaluation.predictions.write` makes it of these rows.
    """
    rows = columns(rows)
    task, targets, whole = facts.task, facts.targets, utterance_rows(rows)
    # Shares are scored by their largest one first, as single classes are.
    kind: Task = "single-label" if task in CLASS_TASKS else task
    goal = goal_of(task, facts.facts.select)
    counted, fits = with_majority(whole, task), _fits(whole, facts, goal)
    chosen = {(arm, fit.fold): fit.chosen for arm, of_arm in fits.items() for fit in of_arm}

    def heads_of(arm: str, fold: str) -> str:
        # An arm with one input alone has the heads, and so the thresholds, of the whole one.
        return chosen.get((arm, fold)) or whole_of(arm)

    overlap_of = facts.facts.overlap_of
    scored = score_arms(counted, kind, targets, heads_of, overlap_of)
    told = dict.fromkeys((goal, *COMPARED[kind]))
    arms = _arms(scored, kind, facts, fits, goal)
    compared = _differences(scored, kind, facts, told)
    if task == "distribution":
        shares = score_arms(whole, task, targets, heads_of, overlap_of)
        for arm, of_arm in shares.items():
            scores: dict[str, Any] = values_of(of_arm, task, measures_of(task, targets))
            arms[arm] = replace(arms[arm], **scores)
        compared += _differences(shares, task, facts, COMPARED[task])
    test, test_counted = (side.at(lambda place: place.split == "test") for side in (whole, counted))
    speakers = {subject.utterance: subject.speaker for subject in test.present()}
    clusters = next(iter(scored.values())).answers.clusters
    tied = len(speakers) - len({subject.utterance for subject in test_counted.present()})
    about: dict[str, Any] = {
        "format": FORMATS,
        **{name: getattr(facts, name) for name in ("run", "corpus", "task", "targets")},
        "rows": Rows(
            used=len(speakers),
            speakers=len(set(speakers.values())),
            clusters=len(set(clusters.of)),
            unit=clusters.unit,
            dropped=facts.dropped,
            without_majority=tied if task == "distribution" else None,
        ),
        "seeds": tuple(sorted(test.by(lambda place: place.seed))),
        "measures": (
            None
            if task == "single-label" and facts.facts.select is None
            else described(task, targets, goal)
        ),
        "skipped": SKIPPED.get(task),
        **{name: getattr(facts, name) for name in ("warnings", "facts", "certificate")},
        "hashes": Hashes(facts.digest(), digest(rows)),
    }
    if kind != "single-label":
        return Results(**about, arms=arms, differences=tuple(gated(compared)))
    evidence = scrutiny.evidence(counted)
    return ClassResults(
        **about,
        arms=_of_classes(
            arms,
            evidence,
            with_majority(rows, task),
            chosen,
            overlap_of,
            unsure=[one.arm for one in facts.facts.scores if one.form == "labels"],
        ),
        differences=tuple(scrutiny.with_mcnemar(row, evidence) for row in gated(compared)),
        matrix=corpus_matrix(counted, facts.facts.trained_on, overlap_of),
    )


def described(task: Task, targets: Sequence[str], goal: Goal) -> Measures:
    """What the metrics of a task are, and which of them everything is chosen by."""
    words = {
        name: MeasureWords(measure.title, measure.lower, measure.share)
        for name, measure in measures_of(task, targets).items()
    }
    if task in (*RANKED, "distribution"):
        words["auc"] = MeasureWords("AUC", less_is_better=False, percent=True)
    return Measures(goal, words)


def _fits(rows: Predictions, facts: RunFacts, goal: Goal) -> Fits:
    """How each arm was fitted in each fold; of a best arm, which arm it stands for and its fit."""
    fits: dict[str, Sequence[FoldResults]] = dict(facts.fits)
    of = {(arm, fit.fold): fit for arm, arm_fits in facts.fits.items() for fit in arm_fits}
    for name, chosen in _chosen(rows, facts.task, goal).items():
        fits[name] = [
            replace(of.get((arm, fold), FoldResults(fold=fold)), chosen=arm)
            for fold, arm in chosen.items()
        ]
    return fits


def _arms(
    scored: Mapping[str, Scored], kind: Task, facts: RunFacts, fits: Fits, goal: Goal
) -> dict[str, ArmResults]:
    """Every arm, the best ones with groups."""
    targets, measures = facts.targets, measures_of(kind, facts.targets)
    folds = list(dict.fromkeys(fold for of_arm in scored.values() for fold in of_arm.answers.folds))
    by_group = [arm for arm in BEST if arm in scored] or list(scored)
    arms = {}
    for arm, of_arm in scored.items():
        each, fit, known = per_target(of_arm, kind, targets), fits.get(arm, ()), facts.facts.groups
        confusion = of_arm.tally.sums.sum(axis=0).mean(axis=0)
        scores: dict[str, Any] = values_of(of_arm, kind, measures)
        arms[arm] = ArmResults(
            **scores,
            effective=effective(of_arm.tally.support),
            at_fixed_thresholds=at_fixed_thresholds(of_arm) if kind == "multi-label" else None,
            per_class=None if kind == "regression" else each,
            per_target=each if kind == "regression" else None,
            folds=folds_of(of_arm, kind, targets, folds, fit, goal),
            trials=max((len(fold.trials or ()) for fold in fit), default=0),
            confusion=confusion.tolist() if kind == "single-label" else None,
            groups=groups_of(of_arm, kind, targets, known, goal) if arm in by_group else None,
        )
    return arms


def _of_classes(
    arms: Mapping[str, ArmResults],
    evidence: scrutiny.Evidence,
    rows: Predictions,
    chosen: Mapping[tuple[str, str], str | None],
    overlap_of: Callable[[str], float],
    unsure: Sequence[str],
) -> dict[str, ClassArm]:
    """Arms of single classes, with what a reviewer asks; ``rows`` may be of windows.

    ``unsure`` are arms of bare labels, which say nothing that could be calibrated.
    """
    nulls = scrutiny.nulls(evidence, overlap_of)
    windows = sides_of(rows).test if rows.windowed else {}
    by_speaker = [arm for arm in BEST if arm in arms] or list(arms)
    made = {}
    for arm, table in evidence.test.items():
        heads_of = {fold: chosen.get((arm, fold)) or arm for fold in table.folds}
        made[arm] = ClassArm.of(
            arms[arm],
            null=nulls[arm],
            calibration=(None if arm in unsure else scrutiny.calibration(evidence, arm, heads_of)),
            development=scrutiny.development(evidence, arm, heads_of, overlap_of(arm)),
            windows=scrutiny.windows(windows[arm], overlap_of(arm)) if windows else None,
            speakers=scrutiny.by_speaker(table) if arm in by_speaker else None,
        )
    return made


def _differences(
    scored: Mapping[str, Scored], kind: Task, facts: RunFacts, names: Iterable[str]
) -> list[ArmDifference]:
    """Differences in some metrics of a task, in their order."""
    published = {arm: fact.kind for arm, fact in facts.facts.published.items()}
    elsewhere = pairs_elsewhere(scored, published)
    rows: list[ArmDifference] = []
    for metric in names:

        def compare(arm: str, other: str, name: str = metric) -> Difference:
            if name == "auc":
                return auc_minus(scored[arm], scored[other], kind)
            measure = measures_of(kind, facts.targets)[name]
            return paired_difference(scored[arm].tally, scored[other].tally, measure)

        rows += differences(scored, elsewhere, metric, compare)
    return rows
