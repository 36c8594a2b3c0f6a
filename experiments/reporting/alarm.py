"""Development scores far above test scores: a sign that development rows were known beforehand.

Embeddings that were trained on labels of the training set, as those that are passed around with
some corpora, make every development score too good, and whatever is selected by it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from experiments.reporting.results_schema import Development
from experiments.reporting.scrutiny import Evidence
from fusion import metrics
from fusion.predictions import Table
from fusion.statistics import unpaired_difference
from fusion.tallies import tally_classes


def development(found: Evidence, arm: str, stands_for: Mapping[str, str]) -> Development | None:
    """UAR of an arm on development rows and its difference to test rows, over speakers.

    ``stands_for`` is the arm whose development rows are those of a fold; None where an arm has
    none. The difference is that of two independent groups of speakers; where the same speakers are
    in both, as over folds, it is only surer than it says.
    """
    test = found.test[arm]
    names = [(stands_for.get(fold, arm), fold) for fold in dict.fromkeys(test.folds)]
    if any(name not in found.dev for name in names):
        return None
    counts = _counts([found.dev[name] for name in names])
    apart = unpaired_difference(counts, _counts([test]), metrics.uar)
    value = metrics.uar(counts.sum(axis=0)).mean()
    return Development(None if np.isnan(value) else float(value), apart)


def _counts(tables: Sequence[Table]) -> Float[np.ndarray, "speakers seeds targets targets"]:
    """Confusion counts by speaker and seed."""
    guesses = np.concatenate([one.scores.argmax(axis=-1) for one in tables], axis=1)
    truth = np.concatenate([one.truth for one in tables])
    speakers = [name for one in tables for name in one.speakers]
    return tally_classes(truth, guesses, speakers, tables[0].scores.shape[-1]).sums
