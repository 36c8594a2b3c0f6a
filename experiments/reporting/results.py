"""``results.json``: every number of a report, computed from stored predictions alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace

import numpy as np

from encoders.utterance import Task
from experiments.reporting import scrutiny
from experiments.reporting.alarm import development
from experiments.reporting.caveats import BEST
from experiments.reporting.graded import graded, with_shares
from experiments.reporting.matrix import corpus_matrix
from experiments.reporting.pairs import FUSED as FUSED
from experiments.reporting.pairs import UNIMODAL, differences
from experiments.reporting.results_schema import (
    CLASS_TASKS,
    FORMATS,
    ArmDifference,
    ClassArm,
    ClassResults,
    FoldResults,
    Hashes,
    Results,
    Rows,
    RunFacts,
    Score,
    TargetScores,
    most_trials,
    with_named,
)
from fusion import metrics
from fusion.jackknife import effective
from fusion.predictions import (
    Prediction,
    best_per_fold,
    counts_by_speaker,
    digest,
    with_majority,
)
from fusion.statistics import Difference, interval, paired_difference
from fusion.windows import utterance_rows

COMPARED = ("uar", "accuracy")
Fits = Mapping[str, Sequence[FoldResults]]


def with_best(rows: Sequence[Prediction], task: Task = "single-label") -> list[Prediction]:
    """Predictions with the arms ``best_unimodal`` and ``best_fused`` added.

    Both are chosen per outer fold on development rows; their test rows are copies.
    """
    added = list(rows)
    for name, chosen in _chosen(rows, task).items():
        added += [
            replace(row, arm=name)
            for row in rows
            if row.split == "test" and row.arm == chosen[row.outer_fold]
        ]
    return added


def _chosen(rows: Sequence[Prediction], task: Task) -> dict[str, dict[str, str]]:
    """Arm that each best arm stands for, by outer fold."""
    rows = utterance_rows(rows)
    present = {row.arm for row in rows}
    groups = {"best_unimodal": UNIMODAL, "best_fused": FUSED}
    by_name = {name: [arm for arm in group if arm in present] for name, group in groups.items()}
    return {name: best_per_fold(rows, arms, task) for name, arms in by_name.items() if arms}


def summarise(rows: Sequence[Prediction], facts: RunFacts) -> Results:
    """What ``results.json`` holds.

    ``hashes`` holds those of what is carried over from the facts and of ``predictions.jsonl``,
    as :func:`fusion.predictions.write` makes it of these rows.
    """
    whole = utterance_rows(rows)
    counted = with_majority(whole, facts.task)
    test = [row for row in whole if row.split == "test"]
    used = {row.utterance for row in test}
    tied = len(used) - len({row.utterance for row in counted if row.split == "test"})
    results = Results(
        format=FORMATS,
        run=facts.run,
        corpus=facts.corpus,
        task=facts.task,
        targets=facts.targets,
        rows=Rows(
            used=len(used),
            speakers=len({row.speaker for row in test}),
            dropped=facts.dropped,
            without_majority=tied if facts.task == "distribution" else None,
        ),
        seeds=tuple(sorted({row.seed for row in test})),
        arms={},
        differences=(),
        warnings=facts.warnings,
        facts=facts.facts,
        certificate=facts.certificate,
        hashes=Hashes(facts.digest(), digest(rows)),
    )
    fits = _fits(whole, facts)
    if facts.task not in CLASS_TASKS:
        return graded(results, whole, fits)
    made = _of_classes(results, counted, with_majority(rows, facts.task), fits)
    return with_shares(made, whole) if facts.task == "distribution" else made


def _of_classes(
    results: Results, whole: Sequence[Prediction], rows: Sequence[Prediction], fits: Fits
) -> ClassResults:
    """Arms and their differences where every row has one class; ``rows`` may be of windows."""
    test = [row for row in whole if row.split == "test"]
    speakers = sorted({row.speaker for row in test})
    seeds = sorted({row.seed for row in test})
    by_arm: dict[str, list[Prediction]] = {}
    for row in test:
        by_arm.setdefault(row.arm, []).append(row)
    counts = {arm: counts_by_speaker(own, speakers, seeds) for arm, own in by_arm.items()}
    folds = list(dict.fromkeys(row.outer_fold for row in test))
    evidence = scrutiny.evidence(whole)
    nulls = scrutiny.nulls(evidence)
    by_group = [arm for arm in BEST if arm in by_arm] or list(by_arm)
    arms = {}
    for arm, own in by_arm.items():
        table, total = evidence.test[arm], counts[arm].sum(axis=0)  # [seeds, K, K]
        heads_of = {fit.fold: fit.chosen for fit in fits.get(arm, ()) if fit.chosen is not None}
        windows = [row for row in rows if row.arm == arm and row.split == "test"]
        summary = ClassArm(
            effective=float(effective(counts[arm])),
            per_class=_per_class(total, results.targets),
            folds=_folds(own, folds, fits.get(arm, ())),
            trials=most_trials(fits.get(arm, ())),
            confusion=total.mean(axis=0).tolist(),
            null=nulls[arm],
            calibration=scrutiny.calibration(evidence, arm, heads_of),
            development=development(evidence, arm, heads_of),
            windows=scrutiny.windows(windows),
            groups=scrutiny.groups(table, results.facts.groups) if arm in by_group else None,
            speakers=scrutiny.by_speaker(table) if arm in by_group else None,
        )
        arms[arm] = with_named(summary, _scores(counts[arm]))
    published = {arm: fact.kind for arm, fact in results.facts.published.items()}
    parts = {field.name: getattr(results, field.name) for field in fields(results)}
    parts |= {
        "arms": arms,
        "differences": _differences(counts, published, evidence),
        "matrix": corpus_matrix(test, results.facts.trained_on),
    }
    return ClassResults(**parts)


def _fits(rows: Sequence[Prediction], facts: RunFacts) -> Fits:
    """How each arm was fitted in each fold; of a best arm, which arm it stands for and its fit."""
    fits: dict[str, Sequence[FoldResults]] = dict(facts.fits)
    of = {(arm, fit.fold): fit for arm, own in facts.fits.items() for fit in own}
    for name, chosen in _chosen(rows, facts.task).items():
        fits[name] = [
            replace(of.get((arm, fold), FoldResults(fold=fold)), chosen=arm)
            for fold, arm in chosen.items()
        ]
    return fits


def _scores(counts: np.ndarray) -> dict[str, Score]:
    """Each metric with its interval over speakers and its deviation over seeds."""
    scores = {}
    for name, metric in metrics.METRICS.items():
        by_seed = metric(counts.sum(axis=0))
        spread = _number(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
        scores[name] = Score(**asdict(interval(counts, metric)), sd_over_seeds=spread)
    return scores


def _per_class(total: np.ndarray, targets: Sequence[str]) -> dict[str, TargetScores]:
    recall, precision = metrics.recalls(total).mean(axis=0), metrics.precisions(total).mean(axis=0)
    f1, support = metrics.f1_scores(total).mean(axis=0), total[0].sum(axis=1)
    return {
        target: TargetScores(
            recall=_number(recall[k]),
            precision=_number(precision[k]),
            f1=_number(f1[k]),
            support=int(support[k]),
        )
        for k, target in enumerate(targets)
    }


def _folds(
    rows: Sequence[Prediction], names: Sequence[str], fits: Sequence[FoldResults]
) -> tuple[FoldResults, ...]:
    """Per outer fold, in the same order for every arm; UAR is null where a fold lacks a class."""
    seeds = sorted({row.seed for row in rows})
    about = {fit.fold: fit.entry for fit in fits}
    folds = []
    for name in sorted({row.outer_fold for row in rows}, key=list(names).index):
        own = [row for row in rows if row.outer_fold == name]
        counts = counts_by_speaker(own, sorted({row.speaker for row in own}), seeds).sum(axis=0)
        lacking = int((counts[0].sum(axis=1) == 0).sum())
        why = f"{lacking} of {counts.shape[-1]} classes have no test utterance"
        folds.append(
            replace(
                about.get(name, FoldResults(fold=name)),
                rows=len({row.utterance for row in own}),
                uar=_number(metrics.uar(counts).mean()),
                accuracy=_number(metrics.accuracy(counts).mean()),
                uar_reason=why if lacking else None,
            )
        )
    return tuple(folds)


def _differences(
    counts: Mapping[str, np.ndarray], published: Mapping[str, str], evidence: scrutiny.Evidence
) -> tuple[ArmDifference, ...]:
    """Differences in UAR, then in accuracy with McNemar's test beside them."""
    rows: list[ArmDifference] = []
    for metric in COMPARED:

        def compare(arm: str, other: str, metric: str = metric) -> Difference:
            return paired_difference(counts[arm], counts[other], metric)

        rows += differences(counts, published, metric, compare)
    return tuple(
        replace(row, mcnemar=scrutiny.unclustered(evidence, row.arm, row.against))
        if row.metric == "accuracy"
        else row
        for row in rows
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
