"""Parts of the training speakers for what is trained once per outer fold, such as an encoder.

Heads are cheap, so that every training row is a development row of some inner fold
(:func:`fusion.splitting.splits.inner_folds`). An encoder is not: one group of speakers is held out
of it, and everything that is fitted afterwards is stopped and selected on those speakers too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from encoders.utterance import Utterance
from fusion.splitting.folds import InnerFold, LabelOf, classes_of, speaker_of
from fusion.splitting.groups import (
    UnitOf,
    complete,
    grouped_ids,
    linked_by_script,
    no_groups,
    units,
)
from fusion.splitting.protocols import SplitError

#: Groups that speakers are dealt into, the first of which is held out: a fifth where it can be.
GROUPS = (5, 4, 3, 2)

#: What helps besides, where an encoder is to be trained.
ELSE = "use an encoder as it is"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows to train on, rows of other speakers to stop on, and what could not be had."""

    fold: InnerFold
    notes: tuple[str, ...] = ()


def hold_out(utterances: Sequence[Utterance], label_of: LabelOf) -> HeldOut:
    """About a fifth of the speakers for development; both sides have every class.

    Where speakers fall into groups without a common script, development shares none with training.
    Where they do not, no row is left out for it, other than in the inner folds of heads: an encoder
    needs its rows more than a head does. The note says so.

    Raises:
        SplitError: no two groups of speakers both hold every class.
    """
    scripts = {str(u.script) for u in utterances if u.script is not None}
    if scripts:
        name_of = linked_by_script(utterances)
        held = _dealt(utterances, lambda u: name_of[speaker_of(u)], label_of, GROUPS)
        if held is not None:
            return HeldOut(_split(utterances, held))
    held = _whole(utterances, label_of, GROUPS)
    note = "the encoder's development speakers speak sentences that its training speakers speak too"
    return HeldOut(_split(utterances, held), (note,) if scripts else ())


def halves(
    utterances: Sequence[Utterance], label_of: LabelOf
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of two groups of speakers of nearly equal size, each with every class.

    Raises:
        SplitError: there are no such groups.
    """
    split = _split(utterances, _whole(utterances, label_of, (2,)))
    return split.train, split.dev


def _whole(utterances: Sequence[Utterance], label_of: LabelOf, counts: Sequence[int]) -> set[str]:
    """Ids of the first group of speakers; those who talk together are in one where that can be."""
    for unit_of in units(utterances):
        held = _dealt(utterances, unit_of, label_of, counts)
        if held is not None:
            return held
    raise SplitError(no_groups(utterances, label_of, ELSE))


def _dealt(
    utterances: Sequence[Utterance], unit_of: UnitOf, label_of: LabelOf, counts: Sequence[int]
) -> set[str] | None:
    """Ids of the first of some groups of whole units where it and the rest have every class."""
    labels = {utterance.id: classes_of(label_of(utterance)) for utterance in utterances}
    for inside, *_ in grouped_ids(utterances, unit_of, counts):
        rest = labels.keys() - inside
        if rest and complete(inside, labels) and complete(rest, labels):
            return inside
    return None


def _split(utterances: Sequence[Utterance], held: set[str]) -> InnerFold:
    names = [utterance.id for utterance in utterances]
    return InnerFold(
        train=tuple(name for name in names if name not in held),
        dev=tuple(name for name in names if name in held),
    )
