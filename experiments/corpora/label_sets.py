"""Named sets of classes, as data: which labels of a corpus each class is made of.

``--labels 4-class`` takes a set of the corpus, ``--labels common:ekman`` one for all corpora,
``--labels anger,happiness`` some of the corpus's own classes, ``--labels up=joy+hope,sad`` some
joined. What is merged and what is left out is counted in the notes of the corpus, which every
report prints.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from encoders.utterance import Corpus, CorpusError, Fault, Listeners, Utterance, one_hot


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Classes in their order, each with the labels that it is made of; others are left out.

    ``annotation`` is what the reader is asked for, where a corpus has several; without ``classes``
    it is taken as it is. ``sex`` names the classes that hold one sex only.
    """

    name: str
    source: str
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    annotation: str = ""
    sex: Mapping[str, str] = field(default_factory=dict)

    def class_of(self, label: str, sex: str | None) -> str | None:
        """Class of an utterance; None where it is in none."""
        for name, labels in self.classes.items():
            if label in labels and (label == name or self.sex.get(name, sex) == sex):
                return name
        return None


def apply(corpus: Corpus, labels: LabelSet) -> Corpus:
    """A corpus with the classes of a set, in their order; utterances in no class are left out.

    Raises:
        CorpusError: the corpus is not one of single labels, or fewer than two classes are left.
    """
    if not labels.classes:
        return corpus
    if corpus.task != "single-label":
        what = f"{labels.name} merges single labels, and these are {corpus.task} targets"
        raise CorpusError(corpus.name, [Fault("--labels", what)])
    moves = [(u, corpus.label(u)) for u in corpus.utterances]
    classes = {u.id: label and labels.class_of(label, u.sex) for u, label in moves}
    present = set(classes.values())
    targets = tuple(name for name in labels.classes if name in present)
    kept = tuple(
        _relabelled(u, classes[u.id], targets)
        for u, label in moves
        if label is None or classes[u.id]
    )
    if len(targets) < 2:
        has = ", ".join(corpus.targets)
        left = f"{len(targets)} of its classes"
        what = f"{labels.name} leaves {left}, and two are needed: {corpus.name} has {has}"
        raise CorpusError(corpus.name, [Fault("--labels", what)])
    counts = Counter((label, classes[u.id]) for u, label in moves if label is not None)
    note = _note(labels, counts, set(labels.classes) - set(targets))
    listeners = _votes_for(corpus, labels, targets)
    return replace(
        corpus,
        targets=targets,
        utterances=kept,
        notes=(*corpus.notes, note),
        listeners=listeners,
    )


def _votes_for(corpus: Corpus, labels: LabelSet, targets: tuple[str, ...]) -> Listeners | None:
    """Votes summed over what a class is made of; those for labels that are left out are not."""
    if corpus.listeners is None:
        return None
    votes = {}
    for utterance in corpus.utterances:
        shares = corpus.listeners.votes.get(utterance.id, ())
        names = [labels.class_of(target, utterance.sex) for target in corpus.targets]
        summed = [
            sum(share for share, name in zip(shares, names, strict=False) if name == target)
            for target in targets
        ]
        if total := sum(summed):
            votes[utterance.id] = tuple(share / total for share in summed)
    return replace(corpus.listeners, votes=votes)


def _relabelled(utterance: Utterance, name: str | None, targets: tuple[str, ...]) -> Utterance:
    return utterance if name is None else replace(utterance, target=one_hot(name, targets))


def _note(labels: LabelSet, counts: Mapping[tuple[str, str | None], int], absent: set[str]) -> str:
    """What became of each label, with its number of utterances."""
    parts = []
    for name in labels.classes:
        members = {label: n for (label, to), n in counts.items() if to == name}
        if members and set(members) != {name}:
            parts.append(f"{name} = {_listed(members)}")
    lost = {label: n for (label, to), n in counts.items() if to is None}
    if lost:
        parts.append(f"left out {_listed(lost)}")
    if absent:
        parts.append(f"no utterance of {', '.join(sorted(absent))}")
    return f"labels {labels.name}: {'; '.join(parts) or 'as they are'} ({labels.source})"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} ({n})" for label, n in sorted(counts.items()))


def own_classes(corpus: Corpus, asked: Sequence[str], sets: Sequence[LabelSet] = ()) -> LabelSet:
    """The set of some of a corpus's own classes; ``sets`` are those that it has by name.

    A class may be made of several, as in ``happy=happy+excited``.

    Raises:
        CorpusError: one is not a class of the corpus, or is given twice.
    """
    pairs = [_members(part, corpus.targets) for part in asked]
    classes, names = dict(pairs), [name for name, _ in pairs]
    labels = [label for members in classes.values() for label in members]
    doubled = [n for of in (names, labels) for n, count in Counter(of).items() if count > 1]
    faults = [Fault("--labels", f"{name!r} is given twice") for name in dict.fromkeys(doubled)]
    if unknown := [label for label in labels if label not in corpus.targets]:
        known = f"its classes are {', '.join(corpus.targets)}"
        known += f"; its sets are {', '.join(label_set.name for label_set in sets)}" if sets else ""
        what = f"{', '.join(map(repr, unknown))}: no class or set of {corpus.name}; {known}"
        faults.append(Fault("--labels", f"{what}; for all corpora there are common:NAME"))
    if faults:
        raise CorpusError(corpus.name, faults)
    return LabelSet(",".join(asked), "chosen", classes)


def _members(part: str, known: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A class and the labels that it is made of, as typed: ``happy``, or ``happy=joy+excited``."""
    name, equals, labels = part.partition("=")
    if part in known or not equals:
        return part, (part,)
    return name.strip(), tuple(label.strip() for label in labels.split("+"))


def same(*names: str) -> dict[str, tuple[str, ...]]:
    """Classes that are each one label of their own name."""
    return {name: (name,) for name in names}
