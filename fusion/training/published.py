"""What was trained elsewhere as arms: published classifiers, and the scores of a file.

Nothing is fitted, so that the scores of an utterance are the same in every fold and with every
seed; the rows are those of the trained arms.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Int64

from fusion.batch import Dataset
from fusion.splitting.splits import Fold, InnerFolds
from fusion.training.arm_table import PublishedArm, arm_of
from fusion.training.arms import FoldScores
from fusion.training.combination import SHARED_OUT


def class_probabilities(
    logits: Float32[np.ndarray, "rows labels"], columns: Sequence[int | None], targets: int
) -> Float[np.ndarray, "rows targets"]:
    """Probabilities of a corpus's targets from the logits of a classifier's own labels.

    ``columns`` is the target of each label, None where the corpus has no such class: what such
    labels would get is shared out among the others in proportion. Labels of one target are summed;
    a target without a label gets 0.
    """
    known = [number for number, column in enumerate(columns) if column is not None]
    kept = logits[:, known].astype(np.float64)
    # Over the labels that count alone: what the others get may be all that one can represent.
    powers = np.exp(kept - kept.max(axis=1, keepdims=True))
    sums = np.zeros((len(logits), targets))
    for place, number in enumerate(known):
        sums[:, columns[number]] += powers[:, place]
    return sums / sums.sum(axis=1, keepdims=True)


def in_units(
    values: Float[np.ndarray, "rows targets"],
    goals: Float[np.ndarray, "rows targets"],
    train: Int64[np.ndarray, "train"],
) -> Float[np.ndarray, "rows targets"]:
    """Values with the mean and deviation that a corpus's targets have over training rows.

    Published models of values have units of their own, 0 to 1 where a corpus has 1 to 7, and CCC
    and errors are of units. A value that never varies becomes the mean.
    """
    known, true = values[train], goals[train]
    spread = known.std(axis=0)
    scale = np.divide(true.std(axis=0), spread, out=np.zeros_like(spread), where=spread > 0)
    return (values - known.mean(axis=0)) * scale + true.mean(axis=0)


def score_published(
    arm: str,
    data: Dataset,
    columns: Sequence[int | None],
    fold: Fold,
    inner: InnerFolds,
    seeds: int,
) -> FoldScores:
    """Scores of an arm from elsewhere in one outer fold, the same for every seed; no trials.

    Its input holds logits of its own labels; of sets of labels and values the answers themselves,
    one for every target, those of a published model brought to the corpus's units.
    """
    batch = data.inputs[arm]
    assert bool(batch.present.all()), "what was trained elsewhere has no answer for a missing input"
    rows = batch.values[:, 0].numpy()
    if data.task in SHARED_OUT:
        every = class_probabilities(rows, columns, len(data.targets))
    else:
        places = [columns.index(number) for number in range(len(data.targets))]
        every = rows[:, places].astype(np.float64)
        if isinstance(arm_of(arm), PublishedArm):
            every = in_units(every, data.goals, data.index(fold.train))
    dev = data.index([name for inner_fold in inner.folds for name in inner_fold.dev])
    test = data.index(fold.test)
    return FoldScores(
        arm=arm,
        fold=fold.name,
        hyperparameters={},
        trials=(),
        epochs=(),
        dev=dev,
        dev_scores=np.stack([every[dev]] * seeds),
        test=test,
        test_scores=np.stack([every[test]] * seeds),
    )
