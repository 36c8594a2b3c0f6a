"""Outer folds across corpora: train on some, test on another."""

from collections.abc import Mapping, Sequence

from encoders.utterance import Utterance
from fusion.splitting.designs import apart, make_outer
from fusion.splitting.folds import Fold
from fusion.splitting.protocols import Asked, SplitError, parse_protocol

#: ``corpus`` leaves one corpus out, ``cross:A+B/C`` trains on A and B and tests on C (which may be
#: among them: then on its own split, or groups of its speakers), ``matrix`` trains on each corpus
#: alone and tests on every one, on itself in speaker groups.
CROSSING = ("corpus", "cross", "matrix")
USAGE = "--folds cross:A+B/C"
#: A corpus with fewer speakers is not tested on itself.
LEAST_SPEAKERS = 3


def cross_folds(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    """Folds of one of :data:`CROSSING`.

    Raises:
        SplitError: there is one corpus only, or a corpus is not among those that are there.
    """
    by_corpus: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        by_corpus.setdefault(utterance.corpus or "", []).append(utterance)
    if len(by_corpus) < 2:
        raise SplitError(
            f"{asked.option}: only one corpus is here, at least two are needed; repeat "
            "--corpus NAME --root DIR"
        )
    name, argument = asked.protocol.name, asked.argument
    ids = {corpus: tuple(u.id for u in rows) for corpus, rows in by_corpus.items()}
    if name == "cross":
        return _cross(argument, by_corpus, ids)
    if name == "corpus":
        return tuple(_fold([other for other in ids if other != test], test, ids) for test in ids)
    alone = [_fold([train], test, ids) for train in ids for test in ids if train != test]
    return (*alone, *(fold for rows in by_corpus.values() for fold in _within(rows)))


def _cross(
    argument: str, by_corpus: Mapping[str, Sequence[Utterance]], ids: dict[str, tuple[str, ...]]
) -> tuple[Fold, ...]:
    """One fold, or where the tested corpus trains too the folds of its own with the others."""
    left, slash, test = argument.partition("/")
    train = left.split("+")
    strange = [name for name in (*train, test) if name not in ids]
    if not slash or strange or train == [test]:
        raise SplitError(f"{USAGE}: expected different ones of {', '.join(ids)}, got {argument!r}")
    if test not in train:
        return (_fold(train, test, ids),)
    others = tuple(row for corpus in train if corpus != test for row in ids[corpus])
    return tuple(
        Fold(f"{left} > {test} {fold.name}", (*others, *fold.train), fold.test, fold.dev)
        for fold in _own(by_corpus[test])
    )


def _own(rows: Sequence[Utterance]) -> tuple[Fold, ...]:
    """Folds of one corpus: its split where every row has one, else groups of speakers."""
    split = {utterance.split for utterance in rows}
    official = {"train", "test"} <= split and None not in split
    return make_outer(rows, parse_protocol("split" if official else "groups"))


def _fold(train: Sequence[str], test: str, ids: dict[str, tuple[str, ...]]) -> Fold:
    rows = tuple(row for corpus in train for row in ids[corpus])
    return Fold(f"{'+'.join(train)} > {test}", rows, ids[test])


def _within(rows: Sequence[Utterance]) -> list[Fold]:
    """Speaker groups of one corpus, named after it; none where speakers are few or talk to all."""
    if len({u.speaker for u in rows}) < LEAST_SPEAKERS or apart(rows):
        return []
    corpus = rows[0].corpus
    return [
        Fold(f"{corpus} > {corpus} {fold.name}", fold.train, fold.test)
        for fold in make_outer(rows, parse_protocol("groups"))
    ]
