"""Corpora by name: one module each with ``read(root) -> Corpus``."""

import difflib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from encoders.manifest import read_manifest
from encoders.utterance import Corpus, CorpusError, Fault
from experiments.config import OptionError
from experiments.corpora.common_sets import PREFIX, apply_common, common_set
from experiments.corpora.label_sets import LABEL_SETS, LabelSet, apply, own_classes
from experiments.corpora.registry import CORPORA, UNREAD


def load_source(
    corpus: str | None,
    manifest: str | None,
    root: str | None,
    labels: tuple[str, ...] | None = None,
) -> Corpus:
    """The corpus that ``--corpus NAME --root DIR`` or ``--manifest FILE`` names.

    ``labels`` are classes of a manifest in their order; of a named corpus they are a set of it
    (``4-class``), some of its classes, or ``common:NAME``, which manifests take too.

    Raises:
        OptionError: neither or both are given.
        CorpusError: with every fault of what is given.
    """
    if (corpus is None) == (manifest is None):
        raise OptionError("expected exactly one of --corpus NAME and --manifest FILE")
    folder = Path(root).expanduser() if root else None
    if folder is not None and not folder.is_dir():
        raise CorpusError("source", [Fault(f"--root {folder}", "is not a folder")])
    if manifest is not None:
        return _manifest(Path(manifest).expanduser(), folder, labels)
    assert corpus is not None
    return read_corpus(corpus, folder, labels)


def read_corpus(name: str, root: Path | None, labels: Sequence[str] | None = None) -> Corpus:
    """Read a corpus by its name, with its own labels or a set of them.

    Raises:
        CorpusError: the name is unknown, the root is missing, its layout is not the corpus's, or
            there are no such labels.
    """
    _check_name(name)
    if name != "demo" and (root is None or not root.is_dir()):
        found = "no --root was given" if root is None else f"{root} is not a folder"
        tree = "".join(f"\n    {line}" for line in CORPORA[name].layout)
        what = f"{found}; expected the folder that holds{tree}"
        raise CorpusError(f"--corpus {name}", [Fault("--root", what)])
    chosen = _named_set(name, labels)
    module = import_module(CORPORA[name].module)
    if chosen is not None:
        read = module.read(root, chosen.annotation) if chosen.annotation else module.read(root)
        return apply(read, chosen)
    return _labelled(module.read(root), labels)


def _check_name(name: str) -> None:
    if name in CORPORA:
        return
    if name in UNREAD:
        what = f"there is no reader of {UNREAD[name].title}; write a manifest: "
        what += f"{UNREAD[name].manifest} ('serfusion corpora' tells more)"
    else:
        near = difflib.get_close_matches(name.lower(), CORPORA, n=2, cutoff=0.4) or list(CORPORA)
        what = f"no such corpus; did you mean {' or '.join(near)}? 'serfusion corpora' lists them"
    raise CorpusError(f"--corpus {name}", [Fault(name, what)])


def _named_set(name: str, labels: Sequence[str] | None) -> LabelSet | None:
    if not labels or len(labels) != 1:
        return None
    return next((one for one in LABEL_SETS.get(name, ()) if one.name == labels[0]), None)


def _labelled(corpus: Corpus, labels: Sequence[str] | None) -> Corpus:
    if not labels:
        return corpus
    if is_common(labels):
        return apply_common(corpus, labels[0])
    return apply(corpus, own_classes(corpus, labels))


def _manifest(path: Path, root: Path | None, labels: Sequence[str] | None) -> Corpus:
    if labels and is_common(labels):
        common_set(labels[0])
        return apply_common(read_manifest(path, root=root), labels[0])
    return read_manifest(path, root=root, labels=labels)


def is_common(labels: Sequence[str]) -> bool:
    """Whether labels are a set for all corpora."""
    return len(labels) == 1 and labels[0].startswith(PREFIX)
