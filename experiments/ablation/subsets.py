"""Fewer training speakers, and transcripts that are taken away."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import numpy as np
import torch

from encoders.utterance import Utterance
from experiments.ablation.seeds import generator, uniform
from experiments.comparing.plan import FoldViews, Plan
from experiments.config import ConfigError
from fusion.batch import Dataset
from fusion.splitting.splits import InnerFold, InnerFolds, speaker_of
from fusion.training.crossfit import FoldData

#: Classes or labels by utterance: where one has none, as where targets are values, nothing.
Classes = Mapping[str, Set[str]]


def with_speakers(plan: Plan, count: int, seed: int) -> Plan:
    """The plan with heads that are trained on so many speakers; all else stays.

    Subsets are nested: whom a smaller one holds, a larger one holds too. Test and development rows
    stay what they were. The first speakers of each inner fold are those that have every class
    between them.

    Raises:
        ConfigError: some inner fold has fewer training speakers, or so few lack a class.
    """
    by_id = {u.id: u for u in plan.inputs.utterances}
    inner = fewer_speakers(plan.inner, by_id, classes_of_rows(plan.inputs.data), count, seed)
    views = tuple(
        FoldViews(FoldData(views.whole.data, folds))
        for views, folds in zip(plan.views, inner, strict=True)
    )
    return replace(plan, inner=inner, views=views)


def classes_of_rows(data: Dataset) -> dict[str, frozenset[str]]:
    """Classes that training speakers must have between them, as ``Corpus.classes`` has them.

    The class of a row, all its labels, or the one with the largest share; none of values.
    """
    if data.task == "multi-label":
        has = data.goals > 0.5
    else:
        has = data.truth[:, None] == np.arange(len(data.targets))
    return {
        name: frozenset(
            target for target, present in zip(data.targets, row, strict=True) if present
        )
        for name, row in zip(data.ids, has, strict=True)
    }


def fewer_speakers(
    inner: Sequence[InnerFolds],
    by_id: Mapping[str, Utterance],
    classes: Classes,
    count: int,
    seed: int,
) -> tuple[InnerFolds, ...]:
    """Inner folds that train on so many speakers.

    Raises:
        ConfigError: as :func:`with_speakers`.
    """
    return tuple(_fewer(folds, by_id, classes, count, seed) for folds in inner)


def most_speakers(inner: Sequence[InnerFolds], by_id: Mapping[str, Utterance]) -> int:
    """Training speakers that every inner fold has."""
    return min(
        len({speaker_of(by_id[name]) for name in fold.train}) for f in inner for fold in f.folds
    )


def counts_up_to(most: int) -> tuple[int, ...]:
    """Sizes of a learning curve below ``most``: 2, 4, 8 and so on.

    >>> counts_up_to(16), counts_up_to(3)
    ((2, 4, 8), (2,))
    """
    sizes, count = [], 2
    while count < most:
        sizes.append(count)
        count *= 2
    return tuple(sizes)


def _fewer(
    inner: InnerFolds,
    by_id: Mapping[str, Utterance],
    classes: Classes,
    count: int,
    seed: int,
) -> InnerFolds:
    folds = []
    for fold in inner.folds:
        order = _order([by_id[name] for name in fold.train], classes, seed)
        if count > len(order):
            raise ConfigError(
                f"--over speakers --values {count}: heads are trained on {len(order)} speakers at "
                "most once test and development speakers are taken away; give fewer, or 'all'"
            )
        chosen = {*order[:count]}
        train = tuple(name for name in fold.train if speaker_of(by_id[name]) in chosen)
        lacking = _union(fold.train, classes) - _union(train, classes)
        if lacking:
            raise ConfigError(
                f"--over speakers --values {count}: so few training speakers have no "
                f"{', '.join(sorted(lacking))}; give more"
            )
        folds.append(InnerFold(train, fold.dev))
    return InnerFolds(tuple(folds), inner.notes)


def _union(names: Sequence[str], classes: Classes) -> frozenset[str]:
    return frozenset().union(*(classes[name] for name in names))


def _order(rows: Sequence[Utterance], classes: Classes, seed: int) -> list[str]:
    """Speakers in a random order, those first that complete the classes."""
    has: dict[str, set[str]] = {}
    for row in rows:
        has.setdefault(speaker_of(row), set()).update(classes[row.id])
    left = sorted(has, key=lambda name: (uniform("speakers", seed, name), name))
    everything = {label for labels in has.values() for label in labels}
    order: list[str] = []
    held: set[str] = set()
    while held != everything:
        # Of several that add as much the first of the random order.
        best = max(left, key=lambda name: len(has[name] - held))
        order.append(best)
        left.remove(best)
        held |= has[best]
    return order + left


def wordless(plan: Plan) -> int:
    """Rows without words, 0 where no arm reads any."""
    batches = [b for name, b in plan.inputs.data.inputs.items() if name in ("text", "text_tokens")]
    return int((~batches[0].present).sum()) if batches else 0


def without_words(plan: Plan, share: float, seed: int) -> Plan:
    """The plan with some transcripts taken away, as if nobody had written them down.

    Each row's lot is its own, so that what a smaller share takes, a larger one takes too.
    """
    data = plan.inputs.data
    lost = torch.tensor([uniform("missing", seed, name) < share for name in data.ids])
    changed = {
        name: batch.hidden(lost)
        for name, batch in data.inputs.items()
        if name in ("text", "text_tokens")
    }
    return plan.with_data(replace(data, inputs={**data.inputs, **changed}))


def shuffled(names: Sequence[str], *parts: object) -> list[str]:
    """Names in a random order that depends on them and on some parts alone."""
    return [str(name) for name in generator(*parts).permutation(sorted(names))]
