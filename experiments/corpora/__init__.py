"""Corpora by name: one module each with ``read(root) -> Corpus``."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from encoders.manifest import read_manifest
from encoders.utterance import Corpus, CorpusError, Fault
from experiments.config import OptionError


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a corpus before it is read."""

    module: str
    language: str
    size: str
    licence: str
    where: str
    layout: str


CORPORA: Mapping[str, Entry] = MappingProxyType(
    {
        "ravdess": Entry(
            module="experiments.corpora.ravdess",
            language="English",
            size="1440 utterances, 24 actors, 8 classes",
            licence="CC BY-NC-SA 4.0",
            where="https://zenodo.org/records/1188976",
            layout="Actor_NN/MM-CC-EE-II-SS-RR-AA.wav (or .flac)",
        ),
        "emodb": Entry(
            module="experiments.corpora.emodb",
            language="German",
            size="535 utterances, 10 speakers, 7 classes",
            licence="free for research",
            where="http://emodb.bilderbar.info",
            layout="wav/SSTTTEV.wav (or .flac)",
        ),
        "demo": Entry(
            module="experiments.demo",
            language="English (synthetic)",
            size="480 utterances, 12 voices, 4 classes",
            licence="Apache-2.0",
            where="ships with the package",
            layout="no --root needed",
        ),
    }
)


def load_source(
    corpus: str | None,
    manifest: str | None,
    root: str | None,
    labels: tuple[str, ...] | None = None,
) -> Corpus:
    """The corpus that ``--corpus NAME --root DIR`` or ``--manifest FILE`` names.

    Raises:
        OptionError: neither or both are given.
        CorpusError: labels for a named corpus, or with every fault of what is given.
    """
    if (corpus is None) == (manifest is None):
        raise OptionError("expected exactly one of --corpus NAME and --manifest FILE")
    folder = Path(root).expanduser() if root else None
    if folder is not None and not folder.is_dir():
        raise CorpusError("source", [Fault(f"--root {folder}", "is not a folder")])
    if manifest is not None:
        return read_manifest(Path(manifest).expanduser(), root=folder, labels=labels)
    if labels is not None:
        what = f"{corpus} has classes of its own; --labels goes with --manifest"
        raise CorpusError("source", [Fault("--labels", what)])
    assert corpus is not None
    return read_corpus(corpus, folder)


def read_corpus(name: str, root: Path | None) -> Corpus:
    """Read a corpus by its name.

    Raises:
        CorpusError: the name is unknown, the root is missing, or its layout is not the corpus's.
    """
    if name not in CORPORA:
        near = difflib.get_close_matches(name, CORPORA, n=2, cutoff=0.4) or list(CORPORA)
        what = f"no such corpus; did you mean {' or '.join(near)}? 'serfusion corpora' lists them"
        raise CorpusError(f"--corpus {name}", [Fault(name, what)])
    if name != "demo" and (root is None or not root.is_dir()):
        found = "no --root was given" if root is None else f"{root} is not a folder"
        what = f"{found}; expected the folder that holds {CORPORA[name].layout}"
        raise CorpusError(f"--corpus {name}", [Fault("--root", what)])
    return import_module(CORPORA[name].module).read(root)


def expect_files(name: str, root: Path, pattern: str, files: list[Path]) -> None:
    """Raise with what was expected and what was found where a root holds no file of a corpus."""
    if files:
        return
    found = ", ".join(sorted(path.name for path in root.iterdir())[:6]) or "nothing"
    what = f"expected {CORPORA[name].layout} (searched {pattern}), found {found}"
    raise CorpusError(f"--corpus {name}", [Fault(str(root), what)])
