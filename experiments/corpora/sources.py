"""What ``--corpus``, ``--manifest`` and ``--root`` name together: one corpus, or several."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.utterance import CorpusError, Fault
from experiments.config import OptionError

#: Corpora that need no root.
ROOTLESS = ("demo",)
#: Ends of the names of manifests.
MANIFESTS = (".csv", ".jsonl")
OneOrMore = str | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Source:
    """A named corpus or a manifest, its root as far as one was given, and a set of its labels."""

    corpus: str | None
    manifest: Path | None
    root: Path | None
    labels: str | None = None


def parse_sources(corpus: OneOrMore, manifest: OneOrMore, root: OneOrMore) -> tuple[Source, ...]:
    """Sources in the order of the options, corpora first; roots go to them in that order.

    Of several, each corpus needs a root; manifests have their own folder unless each has one too.

    Raises:
        OptionError: nothing is given, or roots are not as many as what needs one.
        CorpusError: a root is no folder.
    """
    corpora, manifests, roots = (_listed(given) for given in (corpus, manifest, root))
    if not corpora and not manifests:
        raise OptionError("expected --corpus NAME or --manifest FILE (or several of them)")
    folders = [Path(location).expanduser() for location in roots]
    if missing := [path for path in folders if not path.is_dir()]:
        what = f"is not a folder (from {Path.cwd()})"
        raise CorpusError("source", [Fault(f"--root {path}", what) for path in missing])
    needy = [name for name in corpora if name not in ROOTLESS]
    if len(corpora) + len(manifests) == 1:
        if len(roots) > 1:
            raise OptionError(f"{len(roots)} --root for one source: expected one")
    elif len(folders) not in (len(needy), len(needy) + len(manifests)):
        raise OptionError(
            f"{len(folders)} --root for {len(corpora)} --corpus and {len(manifests)} --manifest: "
            f"expected one for each of {', '.join(needy) or 'the manifests, or none'}, in the "
            "order of the corpora, then one for each manifest or none"
        )
    left = iter(folders)
    sources = [Source(n, None, None if n in ROOTLESS else next(left, None)) for n in corpora]
    paths = [Path(location).expanduser() for location in manifests]
    return (*sources, *(Source(None, path, next(left, None)) for path in paths))


def parse_extra(extra: OneOrMore) -> tuple[Source, ...]:
    """Sources of ``--extra``: ``NAME=ROOT``, ``NAME:SET=ROOT``, or a manifest with or without root.

    Raises:
        OptionError: one is not of that form; CorpusError: a root is no folder.
    """
    return tuple(map(_extra, _listed(extra)))


def _extra(typed: str) -> Source:
    name, _, place = typed.partition("=")
    root = Path(place).expanduser() if place else None
    if root is not None and not root.is_dir():
        raise CorpusError(f"--extra {typed}", [Fault(str(root), "is not a folder")])
    if Path(name).suffix.lower() in MANIFESTS:
        return Source(None, Path(name).expanduser(), root)
    corpus, colon, labels = name.partition(":")
    if not corpus or (colon and not labels) or (root is None and corpus not in ROOTLESS):
        raise OptionError(
            f"--extra {typed}: expected CORPUS=ROOT, CORPUS:SET=ROOT with a set of its labels, or "
            "a manifest, as in more.csv"
        )
    return Source(corpus, None, None if corpus in ROOTLESS else root, labels or None)


def _listed(given: OneOrMore) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)
