"""What was trained elsewhere as arms: published classifiers, and the scores of a file.

Nothing is fitted, so that the scores of an utterance are the same in every fold and with every
seed; the rows are those of the trained arms.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from fusion.batch import Dataset
from fusion.splitting.splits import Fold, InnerFolds
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
    one for every target.
    """
    batch = data.inputs[arm]
    assert bool(batch.present.all()), "what was trained elsewhere has no answer for a missing input"
    rows = batch.values[:, 0].numpy()
    if data.task in SHARED_OUT:
        every = class_probabilities(rows, columns, len(data.targets))
    else:
        places = [columns.index(number) for number in range(len(data.targets))]
        every = rows[:, places].astype(np.float64)
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
