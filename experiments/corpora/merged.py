"""Several corpora as one: ids and people carry the name of their corpus, classes are shared."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.corpora.common_sets import COMMON, PREFIX, apply_common
from experiments.corpora.label_sets import LabelSet, apply, same

#: What an utterance has names of, beside its own.
NAMES = ("speaker", "dialogue", "session", "script")


def merge(corpora: Sequence[Corpus]) -> Corpus:
    """One corpus of several; leave-one-corpus-out by default.

    Ids, speakers, dialogues, sessions and scripts get the name of the corpus before them, because
    equal names mean nothing across corpora. Only classes that all have stay: one that a single
    corpus has would tell the corpus, and could not be tested elsewhere.

    Raises:
        CorpusError: two have one name, the task is not the same single-label one, or they share
            fewer than two classes.
    """
    names = [corpus.name for corpus in corpora]
    together = "+".join(names)
    _check(corpora, together)
    shared = tuple(t for t in corpora[0].targets if all(t in c.targets for c in corpora))
    if len(shared) < 2:
        raise CorpusError(together, [Fault("--labels", _few(corpora, shared))])
    alike = [_restricted(corpus, shared) for corpus in corpora]
    languages = sorted({u.language for c in alike for u in c.utterances if u.language})
    notes = [f"{corpus.name}: {note}" for corpus in alike for note in corpus.notes]
    if len(languages) > 1:
        notes.append(
            f"several languages ({', '.join(languages)}): a text encoder may know one only"
        )
    return Corpus(
        name=together,
        root=Path(os.path.commonpath([corpus.root.absolute() for corpus in corpora])),
        task="single-label",
        targets=shared,
        utterances=tuple(_of(corpus, u) for corpus in alike for u in corpus.utterances),
        folds="corpus",
        synthetic=any(corpus.synthetic for corpus in corpora),
        notes=tuple(notes),
    )


def _check(corpora: Sequence[Corpus], together: str) -> None:
    names = [corpus.name for corpus in corpora]
    doubled = sorted({name for name in names if names.count(name) > 1})
    faults = [
        Fault(name, "is given twice: its speakers would stand on both sides of a fold")
        for name in doubled
    ]
    faults += [
        Fault(corpus.name, f"{corpus.task} targets: several corpora share single labels only")
        for corpus in corpora
        if corpus.task != "single-label"
    ]
    if faults:
        raise CorpusError(together, faults)


def _few(corpora: Sequence[Corpus], shared: Sequence[str]) -> str:
    """Which classes each has, and which common sets would give several."""
    has = "; ".join(f"{corpus.name} has {', '.join(corpus.targets)}" for corpus in corpora)
    common = {name: _common_classes(corpora, name) for name in COMMON}
    able = [f"{PREFIX}{name} ({', '.join(c)})" for name, c in common.items() if len(c) > 1]
    next_step = f"give --labels {' or '.join(able)}" if able else "no common set gives two either"
    what = f"{len(shared)} classes are shared, at least two are needed: {has}; {next_step}"
    return what.replace("1 classes are", "1 class is")


def _common_classes(corpora: Sequence[Corpus], name: str) -> list[str]:
    try:
        classes = [apply_common(corpus, name).targets for corpus in corpora]
    except CorpusError:
        return []
    return [target for target in classes[0] if all(target in targets for targets in classes)]


def _restricted(corpus: Corpus, shared: tuple[str, ...]) -> Corpus:
    """A corpus with the shared classes in their order; says so where some are lost."""
    labels = LabelSet("shared", "classes that all corpora have", same(*shared))
    alike = apply(corpus, labels)
    return alike if set(corpus.targets) != set(shared) else replace(alike, notes=corpus.notes)


def _of(corpus: Corpus, utterance: Utterance) -> Utterance:
    renamed = with_prefix(utterance, f"{corpus.name}/")
    return replace(renamed, id=f"{corpus.name}/{utterance.id}", corpus=corpus.name)


def with_prefix(utterance: Utterance, prefix: str) -> Utterance:
    """An utterance whose speaker, dialogue, session and script mean nothing elsewhere.

    Numbers of folds of different corpora have nothing to do with each other: it has none.
    """
    values = {name: getattr(utterance, name) for name in NAMES}
    named: dict[str, Any] = {
        name: f"{prefix}{value}" for name, value in values.items() if value is not None
    }
    return replace(utterance, fold=None, **named)
