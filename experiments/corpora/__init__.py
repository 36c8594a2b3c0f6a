"""Corpora by name: one module each with ``read(root) -> Corpus``.

Of experiments, imports only annotations and config.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from encoders.manifest import read_manifest
from encoders.manifest_rows import did_you_mean
from encoders.utterance import Corpus, CorpusError, Fault
from experiments.config import channel_asked
from experiments.corpora.common_sets import PREFIX, apply_common, common_set
from experiments.corpora.extra import with_extra
from experiments.corpora.label_sets import LabelSet, apply, own_classes
from experiments.corpora.merged import merge
from experiments.corpora.registry import CORPORA, UNREAD
from experiments.corpora.sources import OneOrMore, Source, parse_extra, parse_sources
from experiments.corpora.tables import encodings_told
from experiments.corpora.tree import LayoutError, first_few

#: From so many tables on their encodings are told in one line.
MANY_TABLES = 6


def load_source(
    corpus: OneOrMore,
    manifest: OneOrMore,
    root: OneOrMore,
    labels: tuple[str, ...] | None = None,
    extra: OneOrMore = None,
    channel: int | str | None = None,
) -> Corpus:
    """The corpus that ``--corpus NAME --root DIR`` or ``--manifest FILE`` names, or several as one.

    ``labels`` are classes of a manifest in their order; of a named corpus they are a set of it
    (``4-class``), some of its classes, or ``common:NAME``, which manifests take too. ``extra`` are
    more corpora, ``NAME=ROOT`` or ``NAME:SET=ROOT`` or manifests, whose rows only train.
    ``channel`` (``1``, ``2``, … or ``mean``) is heard of recordings whose row of a manifest names
    none.

    Raises:
        OptionError: nothing is given, or roots that do not fit.
        CorpusError: with every fault of what is given.
    """
    heard = channel_asked(channel)
    corpora = [_read(source, labels, heard) for source in parse_sources(corpus, manifest, root)]
    more = [_read_extra(source, labels, heard) for source in parse_extra(extra)]
    whole = corpora[0] if len(corpora) == 1 else merge(corpora)
    return with_extra(whole, more) if more else whole


def _heard(corpus: Corpus, channel: int | None) -> Corpus:
    """A named corpus of whose recordings one channel is heard; None is the mean of all."""
    if channel is None:
        return corpus
    return replace(
        corpus, utterances=tuple(replace(one, channel=channel) for one in corpus.utterances)
    )


def _read_extra(source: Source, labels: tuple[str, ...] | None, channel: int | None) -> Corpus:
    """A corpus in a set of its own, that of the others where it has it, or the common one."""
    common = labels if labels and is_common(labels) else None
    if source.manifest is not None:
        return _manifest(source.manifest, source.root, common, channel)
    assert source.corpus is not None
    _check_name(source.corpus)
    named = _named_set(source.corpus, labels)
    chosen = source.labels or (None if named is None else named.name)
    corpus = read_corpus(source.corpus, source.root, None if chosen is None else (chosen,))
    corpus = _heard(corpus, channel)
    # A set of its own first: it may be what makes single labels of several.
    return apply_common(corpus, common[0]) if common else corpus


def _read(source: Source, labels: tuple[str, ...] | None, channel: int | None) -> Corpus:
    if source.manifest is not None:
        return _manifest(source.manifest, source.root, labels, channel)
    assert source.corpus is not None
    return _heard(read_corpus(source.corpus, source.root, labels), channel)


def read_corpus(name: str, root: Path | None, labels: Sequence[str] | None = None) -> Corpus:
    """Read a corpus by its name, with its own labels or a set of them.

    Raises:
        CorpusError: the name is unknown, the root is missing, its layout is not the corpus's, or
            there are no such labels.
    """
    _check_name(name)
    if name != "demo" and (root is None or not root.is_dir()):
        given = "no --root was given" if root is None else f"{root} is not a folder"
        tree = "".join(f"\n    {line}" for line in CORPORA[name].layout)
        what = f"{given}; expected the folder that holds{tree}"
        raise CorpusError(f"--corpus {name}", [Fault("--root", what)])
    chosen = _named_set(name, labels)
    annotation = chosen.annotation if chosen is not None else ""
    module = import_module(CORPORA[name].module)
    try:
        with encodings_told() as notes:
            corpus = module.read(root, annotation) if annotation else module.read(root)
    except LayoutError as error:
        raise error.with_hint(CORPORA.values()) from None
    corpus = _whole(corpus, name)
    corpus = replace(corpus, notes=(*corpus.notes, *_encodings(notes)))
    if chosen is not None:
        return apply(corpus, chosen)
    return _labelled(corpus, labels, CORPORA[name].labels)


def _whole(corpus: object, name: str) -> Corpus:
    """What a reader gave, which may be a user's own, where it is a corpus.

    Raises:
        CorpusError: it is something else, ids come twice, or targets are of another length.
    """
    if not isinstance(corpus, Corpus):
        what = f"gave {type(corpus).__name__}: expected a Corpus, as as_corpus makes one"
        raise CorpusError(f"--corpus {name}", [Fault("read", what)])
    counts = Counter(utterance.id for utterance in corpus.utterances)
    faults = [
        Fault(utterance, "an id of several utterances: give each its own", "id")
        for utterance, count in counts.items()
        if count > 1
    ]
    faults += [
        Fault(
            u.id, f"expected a target of {len(corpus.targets)} numbers, got {u.target!r}", "target"
        )
        for u in corpus.utterances
        if u.target is not None and len(u.target) != len(corpus.targets)
    ]
    if faults:
        raise CorpusError(f"--corpus {name}", faults)
    return corpus


def _encodings(notes: Sequence[str]) -> Sequence[str]:
    """Notes on the encodings of tables; of many files one line."""
    if len(notes) < MANY_TABLES:
        return notes
    return [f"{len(notes)} tables are not in plain UTF-8: {first_few(notes)}"]


def _check_name(name: str) -> None:
    if name in CORPORA:
        return
    if name in UNREAD:
        what = f"there is no reader of {UNREAD[name].title}; write a manifest: "
        what += f"{UNREAD[name].manifest} ('serfusion corpora' tells more)"
    else:
        hint = did_you_mean(name.lower(), CORPORA, most=2)
        what = f"no such corpus; {hint} ('serfusion corpora' lists them, --plugin adds yours)"
    raise CorpusError(f"--corpus {name}", [Fault(name, what)])


def _named_set(name: str, labels: Sequence[str] | None) -> LabelSet | None:
    if not labels or len(labels) != 1:
        return None
    return next(
        (label_set for label_set in CORPORA[name].labels if label_set.name == labels[0]), None
    )


def _labelled(corpus: Corpus, labels: Sequence[str] | None, sets: Sequence[LabelSet]) -> Corpus:
    if not labels:
        return corpus
    if is_common(labels):
        return apply_common(corpus, labels[0])
    return apply(corpus, own_classes(corpus, labels, sets))


def _manifest(
    path: Path, root: Path | None, labels: Sequence[str] | None, channel: int | None
) -> Corpus:
    if labels and is_common(labels):
        common_set(labels[0])
    corpus = read_manifest(path, root=root, channel=channel)
    several = corpus.task in ("multi-label", "distribution")
    if labels and several and not is_common(labels):
        # Sets and shares have all of their labels or none: what is named is their order.
        return read_manifest(path, root=root, labels=labels, channel=channel)
    return _labelled(corpus, labels, ())


def is_common(labels: Sequence[str]) -> bool:
    """Whether labels are a set for all corpora."""
    return len(labels) == 1 and labels[0].startswith(PREFIX)
