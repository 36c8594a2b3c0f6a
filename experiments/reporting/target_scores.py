"""Scores of labels, shares and values: what ``results.json`` says of arms without one class a row.

Thresholds of labels are fitted on development predictions of the same fold and arm; test rows are
read only to be scored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from encoders.utterance import Task
from experiments.reporting.results_schema import Auc, FoldResults, Score, TargetScores
from fusion.evaluation import measures, metrics
from fusion.evaluation.goals import Goal
from fusion.evaluation.measures import LABELS, Metric, measures_of
from fusion.evaluation.predictions import Prediction, ScoreArrays, answers_of, sides_of
from fusion.evaluation.speaker_sums import (
    SpeakerSums,
    tally_classes,
    tally_labels,
    tally_shares,
    tally_values,
)
from fusion.evaluation.statistics import Difference, Interval, interval
from fusion.evaluation.thresholds import thresholds

#: Why something that a report of single labels has is not there.
SKIPPED: Mapping[Task, Mapping[str, str]] = {
    "multi-label": {
        "null": "labels shuffled within speakers: thresholds were fitted, and a macro F1 without "
        "any knowledge is that of naming every label, which stands beside it",
        "calibration": "temperature and abstention are of one class per utterance",
        "confusion": "labels of a set are not taken for one another",
        "sentences": "what a sentence alone tells is tested for one class per utterance",
    },
    "regression": {
        "null": "labels shuffled within speakers: values are no labels; CCC without any knowledge "
        "is 0",
        "calibration": "temperature and abstention are of probabilities, and these are values",
        "confusion": "values are not taken for one another",
        "sentences": "what a sentence alone tells is tested for one class per utterance",
    },
}


#: Metrics of each class, label or dimension.
PER_TARGET: Mapping[Task, Mapping[str, Callable[[np.ndarray], np.ndarray]]] = {
    "single-label": {
        "recall": metrics.recalls,
        "precision": metrics.precisions,
        "f1": metrics.f1_scores,
    },
    "multi-label": {
        "recall": measures.label_recalls,
        "precision": measures.label_precisions,
        "f1": measures.label_f1,
        "weighted_accuracy": measures.label_weighted_accuracy,
    },
    "regression": {
        "ccc": measures.ccc_of,
        "pearson": measures.pearson_of,
        "mse": measures.mse_of,
        "mae": measures.mae_of,
    },
}
#: Metrics that differences are told in besides the one that everything is chosen by.
COMPARED: Mapping[Task, tuple[str, ...]] = {
    "single-label": ("uar", "accuracy"),
    "distribution": ("js",),
    "multi-label": ("macro_f1", "micro_f1"),
    "regression": ("ccc", "mae"),
}
#: Why AUC stands without bounds and p: what a speaker adds to it depends on all the others.
NO_INTERVAL = "none: AUC is no sum over speakers, and no interval is made of it"
NO_TEST = "none: AUC is no sum over speakers, and no paired test is made of it"
#: Tasks of whose scores there is an AUC.
RANKED: tuple[Task, ...] = ("single-label", "multi-label")
#: Thresholds that S4 scored its multi-label regression of CMU-MOSEI at.
FIXED = (0.5, 0.3)


@dataclass(frozen=True, slots=True)
class Scored:
    """Test predictions of one arm with what the metrics of the task need of them."""

    answers: ScoreArrays
    tally: SpeakerSums
    by_fold: Mapping[str, SpeakerSums]
    thresholds: Mapping[str, Float[np.ndarray, "targets"]]


def score_arms(
    rows: Iterable[Prediction],
    task: Task,
    targets: Sequence[str],
    heads_of: Callable[[str, str], str],
    overlap_of: Callable[[str], float],
) -> dict[str, Scored]:
    """Test rows of every arm as sums.

    ``heads_of(arm, fold)`` is the arm whose development rows those are of, ``overlap_of(arm)`` how
    much its folds share of what they train on.
    """
    sides = sides_of(rows)
    made = {}
    for arm, predictions in sides.test.items():
        answers = answers_of(predictions)
        at: dict[str, Float[np.ndarray, targets]] = {}
        if task == "multi-label":
            for fold in dict.fromkeys(answers.folds):
                known = answers_of(sides.dev[heads_of(arm, fold), fold])
                at[fold] = thresholds(known.scores, known.goals > 0.5)
        folds = np.array(answers.folds)
        about, overlap = (task, targets, at), overlap_of(arm)
        every = tally(answers, np.ones(len(folds), bool), *about, overlap)
        by_fold = {
            fold: tally(answers, folds == fold, *about, overlap)
            for fold in dict.fromkeys(answers.folds)
        }
        made[arm] = Scored(answers, every, by_fold, at)
    return made


def tally(
    answers: ScoreArrays,
    rows: Bool[np.ndarray, "rows"],
    task: Task,
    targets: Sequence[str],
    at: Mapping[str, Float[np.ndarray, "targets"]],
    overlap: float,
) -> SpeakerSums:
    """Sums of some of the rows by cluster of speakers."""
    goals, scores = answers.goals[rows], answers.scores[:, rows]
    clusters = np.array(answers.clusters.of)[rows].tolist()
    if task == "single-label":
        sums = tally_classes(goals.argmax(axis=1), scores.argmax(axis=-1), clusters, goals.shape[1])
    elif task == "distribution":
        sums = tally_shares(goals, scores, clusters)
    elif task == "regression":
        sentiment = tuple(targets) == measures.SENTIMENT
        sums = tally_values(goals, scores, clusters, sentiment=sentiment)
    else:
        least = np.stack([at[fold] for fold in np.array(answers.folds)[rows]])
        sums = tally_labels(goals > 0.5, scores >= least, clusters)
    return replace(sums, unit=answers.clusters.unit, overlap=overlap)


# ---------------------------------------------------------------- one arm


def values_of(scored: Scored, task: Task, named_metrics: Mapping[str, Metric]) -> dict[str, Score]:
    """Each metric with its interval over speakers and its deviation over seeds; AUC without one."""
    total = scored.tally.sums.sum(axis=0)
    made = {}
    for name, measure in named_metrics.items():
        found = interval(scored.tally, measure)
        made[name] = Score(**asdict(found), sd_over_seeds=_spread(measure.of(total)))
    if task in RANKED:
        by_seed = auc_of(scored.answers, task)
        value = number(by_seed.mean())
        made["auc"] = Score(value, None, None, NO_INTERVAL, _spread(by_seed))
    return made


def _spread(by_seed: Float[np.ndarray, "seeds"]) -> float | None:
    return number(by_seed.std(ddof=1)) if len(by_seed) > 1 else None


def auc_of(
    answers: ScoreArrays, task: Task, rows: Bool[np.ndarray, "rows"] | None = None
) -> Float[np.ndarray, "seeds"]:
    """Mean over classes or labels of the AUC of each against all others, by seed, of some rows.

    NaN where one of them has no row, or all.
    """
    kept = np.ones(len(answers.goals), bool) if rows is None else rows
    goals = answers.goals[kept]
    largest = np.eye(goals.shape[1], dtype=bool)[goals.argmax(axis=1)]
    truth = goals > 0.5 if task == "multi-label" else largest
    return np.array([metrics.macro_auc(truth, scores[kept]) for scores in answers.scores])


def per_target(scored: Scored, task: Task, targets: Sequence[str]) -> dict[str, TargetScores]:
    """Metrics of each label or dimension, mean over seeds."""
    total = scored.tally.sums.sum(axis=0)[:, : len(targets) if task != "multi-label" else None]
    values = {name: of(total).mean(axis=0) for name, of in PER_TARGET[task].items()}
    every, support = np.ones(len(scored.answers.goals), bool), scored.tally.support.sum(axis=0)
    made = {}
    for k, target in enumerate(targets):
        each: dict[str, Any] = {name: number(by_target[k]) for name, by_target in values.items()}
        if task != "regression":
            each["support"] = int(support[k])
        if task == "multi-label":
            each |= asdict(_auc(scored.answers, k, every))
        made[target] = TargetScores(**each)
    return made


def at_fixed_thresholds(scored: Scored) -> dict[str, dict[str, float | None]]:
    """F1 of sets of labels at thresholds that nothing was fitted for, mean over seeds.

    For comparison with reports that state them, and with no interval: nothing is chosen by them.
    """
    answers = scored.answers
    truth = answers.goals > 0.5
    made = {}
    for least in FIXED:
        total = tally_labels(truth, answers.scores >= least, answers.speakers).sums.sum(axis=0)
        names = [name for name in LABELS if name.endswith("_f1")]
        made[str(least)] = {name: number(LABELS[name].of(total).mean()) for name in names}
    return made


def _auc(answers: ScoreArrays, label: int, rows: Bool[np.ndarray, "rows"]) -> Auc:
    """AUC of a label on some rows, mean over seeds; None with its reason where it has none."""
    truth = answers.goals[rows, label] > 0.5
    if truth.all() or not truth.any():
        what = "with" if not truth.any() else "without"
        return Auc(None, f"no test utterance {what} it")
    each = [metrics.auc(truth, scores[rows, label]) for scores in answers.scores]
    return Auc(float(np.mean(each)))


def folds_of(
    scored: Scored,
    task: Task,
    targets: Sequence[str],
    names: Sequence[str],
    fits: Sequence[FoldResults],
    goal: Goal,
) -> tuple[FoldResults, ...]:
    """Per outer fold: the metric that is told, two more, and of labels their thresholds and AUC.

    ``names`` are the folds in the order that they have in every arm.
    """
    folds, about = np.array(scored.answers.folds), {fit.fold: fit.entry for fit in fits}
    known = measures_of(task, targets)
    made = []
    for fold in (name for name in names if name in scored.by_fold):
        tally = scored.by_fold[fold]
        values: dict[str, Any] = {"rows": int((folds == fold).sum())}
        for name in dict.fromkeys((goal, *list(known)[:2])):
            by_seed = (
                auc_of(scored.answers, task, folds == fold)
                if name == "auc"
                else known[name].of(tally.sums.sum(axis=0))
            )
            values[name] = number(by_seed.mean())
            if values[name] is None:
                values[f"{name}_reason"] = why(tally, task)
        if scored.thresholds:
            least = map(float, scored.thresholds[fold])
            values["thresholds"] = dict(zip(targets, least, strict=True))
            values["label_auc"] = {
                t: _auc(scored.answers, k, folds == fold) for k, t in enumerate(targets)
            }
        made.append(replace(about.get(fold, FoldResults(fold=fold)), **values))
    return tuple(made)


def why(tally: SpeakerSums, task: Task) -> str:
    """Why metrics of a fold are not defined."""
    if task == "regression":
        return "no value varies"
    support = tally.support.sum(axis=0)
    what = "classes" if task == "single-label" else "labels"
    return f"{int((support == 0).sum())} of {len(support)} {what} have no test utterance"


def auc_minus(arm: Scored, other: Scored, task: Task) -> Difference:
    """AUC of one arm minus that of another: the value, without a test."""
    value = number(auc_of(arm.answers, task).mean() - auc_of(other.answers, task).mean())
    return Difference(Interval(value, None, None, NO_TEST))


def number(value: float) -> float | None:
    """A float that JSON can hold; None for what is not defined."""
    return float(value) if np.isfinite(value) else None
