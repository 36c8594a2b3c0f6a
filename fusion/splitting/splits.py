"""Speaker-independent folds, and inner development groups."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import cycle

from encoders.messages import with_count
from encoders.utterance import Utterance
from fusion.splitting.crossing import CROSSING, cross_folds
from fusion.splitting.designs import make_outer, rows_of
from fusion.splitting.folds import (
    Fold,
    InnerFold,
    InnerFolds,
    LabelOf,
    assert_speakers_apart,
    classes_of,
    speaker_of,
)
from fusion.splitting.groups import (
    UnitOf,
    complete,
    grouped_ids,
    groupings,
    joined_by,
    linked_by_script,
    no_groups,
    units,
)
from fusion.splitting.protocols import SplitError, is_leaky, parse_protocol

__all__ = [
    "Fold",
    "InnerFold",
    "InnerFolds",
    "SplitError",
    "assert_speakers_apart",
    "inner_folds",
    "is_leaky",
    "outer_folds",
    "rows_of",
    "says_new_scripts",
    "speaker_of",
]

INNER_GROUPS = 3
#: What runs where a split shares speakers.
SPLIT_AS_IT_IS = "--folds split-leaky runs the split as it is, stamped LEAKY"
#: What is said where no groups of those who talk together hold every class.
TALKING = "development shares {}s with training: no groups of them hold every class"


def outer_folds(utterances: Sequence[Utterance], protocol: str) -> tuple[Fold, ...]:
    """Folds by the name of a protocol (:data:`fusion.splitting.protocols.PROTOCOLS`).

    Raises:
        SplitError: fewer than three speakers, a speaker on both sides of a fold (unless the
            protocol is one of those that leak by their name), or something that the protocol
            needs and some utterance does not have.
    """
    asked = parse_protocol(protocol)
    speakers = {speaker_of(utterance) for utterance in utterances}
    if len(speakers) < 3 and not asked.protocol.leaky:
        raise SplitError(
            f"{with_count(len(speakers), 'speaker')}: a corpus with fewer than three can train or "
            "be tested on, not both; add speakers, or check the 'speaker' column; a second "
            "--corpus or --manifest trains on one and tests the other, and --folds random runs and "
            "keeps nobody apart, stamped LEAKY"
        )
    crossing = asked.protocol.name in CROSSING
    folds = cross_folds(utterances, asked) if crossing else make_outer(utterances, asked)
    if not asked.protocol.leaky:
        remedy = SPLIT_AS_IT_IS if asked.protocol.name == "split" else ""
        for fold in folds:
            assert_speakers_apart(fold, utterances, remedy)
    return folds


# ---------------------------------------------------------------- inner development groups


def says_new_scripts(fold: Fold, utterances: Mapping[str, Utterance]) -> bool:
    """Whether test rows of a fold share no script that is known with its training rows."""
    train, test = ({utterances[n].script for n in side} for side in (fold.train, fold.test))
    return train.isdisjoint(test - {None})


def inner_folds(
    utterances: Sequence[Utterance], label_of: LabelOf, *, new_scripts: bool = True
) -> InnerFolds:
    """Development groups inside a training set: speakers merged until every class is present.

    Speakers who talk with each other stay together where such groups hold every class.
    Where ``script`` is known, development and training share no script either: speakers that
    share scripts stay together where that leaves several groups, else rows that would share one
    are left out of the inner fold. They are not where test rows have no ``new_scripts`` either:
    what is chosen on other sentences would be chosen for another test, by heads with fewer rows
    (half of them in RAVDESS, whose 24 actors say two sentences).

    Raises:
        SplitError: no two groups of speakers both hold every class.
    """
    scripted = all(utterance.script is not None for utterance in utterances)
    # No script links two corpora: they would take turns, and no head would learn from both.
    if scripted and len({utterance.corpus for utterance in utterances}) == 1:
        name_of = linked_by_script(utterances)
        groups = _group(utterances, lambda u: name_of[speaker_of(u)], label_of)
        if groups is not None:
            return InnerFolds(tuple(_inner(utterances, group, None) for group in groups))
    groups, notes = None, tuple[str, ...]()
    for unit_of in units(utterances):
        groups = _group(utterances, unit_of, label_of)
        if groups is not None:
            break
        notes = (TALKING.format(joined_by(utterances)),)
    if groups is None:
        raise SplitError(no_groups(utterances, label_of))
    if not scripted or not new_scripts:
        return InnerFolds(tuple(_inner(utterances, group, None) for group in groups), notes)
    crossed = _crossed(utterances, groups, label_of)
    return InnerFolds(crossed.folds, (*notes, *crossed.notes))


def _group(
    utterances: Sequence[Utterance], unit_of: UnitOf, label_of: LabelOf
) -> list[set[str]] | None:
    """Ids of up to three groups of whole units, each with every class; None if there are none."""
    labels = {utterance.id: classes_of(label_of(utterance)) for utterance in utterances}
    for groups in grouped_ids(utterances, unit_of, range(INNER_GROUPS, 1, -1)):
        if all(complete(group, labels) for group in groups):
            return groups
    return None


def _inner(utterances: Sequence[Utterance], dev: set[str], scripts: set[str] | None) -> InnerFold:
    """The inner fold of a group; with ``scripts``, dev keeps them and train has none of them."""
    kept = [u for u in utterances if scripts is None or (u.script in scripts) == (u.id in dev)]
    return InnerFold(
        train=tuple(u.id for u in kept if u.id not in dev),
        dev=tuple(u.id for u in kept if u.id in dev),
    )


def _crossed(
    utterances: Sequence[Utterance],
    groups: Sequence[set[str]],
    label_of: LabelOf,
) -> InnerFolds:
    """Pair groups of speakers with groups of scripts, because every speaker speaks every script."""
    labels = {utterance.id: classes_of(label_of(utterance)) for utterance in utterances}
    sizes = Counter(str(utterance.script) for utterance in utterances)
    for scripts in groupings(sizes, range(len(groups), 1, -1)):
        taken = cycle(scripts)
        folds = [_inner(utterances, group, next(taken)) for group in groups]
        if all(complete(f.dev, labels) and complete(f.train, labels) for f in folds):
            return InnerFolds(tuple(folds))
    note = "development shares sentences with training: no script-disjoint groups hold every class"
    return InnerFolds(tuple(_inner(utterances, group, None) for group in groups), (note,))
