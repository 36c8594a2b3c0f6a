"""Cross-fitted heads: each half of the training speakers is embedded by an encoder of the other.

An encoder that was fine-tuned on the rows a head learns from shows them better than it will show
new ones, the more so the more it is overfitted, so that the head trusts its modality too much. Here
one encoder is trained on either half, and a head learns from the half that its encoder has not
seen. Spaces of two encoders are not aligned: each has its head, and their logits are averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fusion.batch import Dataset
from fusion.evaluation.selection import selection_score
from fusion.splitting.splits import Fold, InnerFolds
from fusion.training.arm_table import TrainedArm
from fusion.training.arms import Budget, FittedArm, FoldScores, fit_chosen, score, tuning_of
from fusion.training.combination import Combination
from fusion.tuning.storage import StudyStorage
from fusion.tuning.tune import TuningResult


@dataclass(frozen=True, slots=True)
class FoldData:
    """The rows of an outer fold as some encoders embed them, and the inner folds of heads."""

    data: Dataset
    inner: InnerFolds


def score_crossfitted(
    arm: TrainedArm,
    views: Sequence[FoldData],
    fold: Fold,
    budget: Budget,
    place: StudyStorage | None,
) -> FoldScores:
    """Tune both halves' heads together, train them, average their logits.

    The views share their development rows, which no encoder and no head of them was fitted on.
    """
    half, other = views
    assert [f.dev for f in half.inner.folds] == [f.dev for f in other.inner.folds]
    # Both halves have the batches of the larger one.
    most = max(len(inner.train) for view in views for inner in view.inner.folds)
    size = budget.defaults(arm.head).rows_of_batch(most)
    budget = replace(budget, fixed={**budget.fixed, "batch_size": size})
    tuning, once = tuning_of(arm, budget, place), replace(budget, seeds=1)
    untested = Fold(fold.name, (), ())
    for trial in tuning:
        chosen = TuningResult(trial.parameters, ())
        fitted = [fit_chosen(arm, view.data, view.inner, chosen, once) for view in views]
        scores = _averaged(fitted, views, untested, 1)
        trial.value = selection_score(
            half.data.task, half.data.goals[scores.dev], scores.dev_scores, budget.goal
        )
    fitted = [fit_chosen(arm, view.data, view.inner, tuning.found, budget) for view in views]
    return _averaged(fitted, views, fold, budget.seeds)


def _averaged(
    fitted: Sequence[FittedArm], views: Sequence[FoldData], fold: Fold, seeds: int
) -> FoldScores:
    half, other = (
        score(arm, view.data, fold, seeds) for arm, view in zip(fitted, views, strict=True)
    )
    task = views[0].data.task
    combine = partial(Combination.weighted(task, (0.5,)), task)
    return replace(
        half,
        epochs=(*half.epochs, *other.epochs),
        curves=(*half.curves, *other.curves),
        seconds=half.seconds + other.seconds,
        # Half the sum of log probabilities is half the sum of logits, but for a constant per row.
        dev_scores=combine(half.dev_scores, other.dev_scores),
        test_scores=combine(half.test_scores, other.test_scores),
        layer_weights={
            name: [(a + b) / 2 for a, b in zip(weights, other.layer_weights[name], strict=True)]
            for name, weights in half.layer_weights.items()
        },
        alone={name: combine(scores, other.alone[name]) for name, scores in half.alone.items()},
    )
