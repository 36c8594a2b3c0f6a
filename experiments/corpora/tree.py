"""The files below the root of a corpus: named as its rule says, copies, strange ones, tables."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn, TypeVar

from encoders.messages import cut, with_count
from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.corpora.entry import Entry

#: Best first: of two copies of a recording the one that lost nothing is read.
MEDIA = (
    *(".wav", ".flac", ".aiff", ".aif", ".ogg", ".mp3", ".m4a"),
    *(".mp4", ".mkv", ".mov", ".webm", ".avi", ".flv"),
)
#: What operating systems leave in every folder.
JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx", "$recycle.bin"))
SHOWN = 3
Key = TypeVar("Key")
SHOWN_IN_TREE = 6
#: Files that the search for the nearest known corpus looks at.
LOOKED_AT = 3000


@dataclass(frozen=True, slots=True)
class Named:
    """A media file whose name follows the rule of its corpus, and the fields of that name."""

    id: str
    path: Path
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Media:
    """Media files by id, and what was left out, in words."""

    named: tuple[Named, ...]
    notes: tuple[str, ...]

    def by_id(self) -> dict[str, Path]:
        """Path of each id."""
        return {file.id: file.path for file in self.named}


@dataclass(frozen=True)
class Tree:
    """Every file below the root of a corpus that is no junk, in the order of their names."""

    entry: Entry
    root: Path
    files: tuple[Path, ...]

    @property
    def corpus(self) -> str:
        """Name of the corpus that is looked for."""
        return self.entry.name

    @cached_property
    def media(self) -> tuple[Path, ...]:
        """Audio and video files."""
        return tuple(path for path in self.files if path.suffix.lower() in MEDIA)

    def relative(self, path: Path) -> str:
        """Path below the root, with slashes, in the spelling of the file system."""
        return path.relative_to(self.root).as_posix()

    def named(
        self, rule: str, name: Callable[[re.Match[str]], str] = lambda match: match[0]
    ) -> Media:
        """Media files whose path without its suffix ends as ``rule`` says, whatever the case.

        ``name`` makes the id of a match. Of files with equal ids one is kept, the others are
        counted in the notes like those that the rule does not know.
        """
        pattern = re.compile(rf"(?:(?<=/)|^)(?:{rule})$", re.IGNORECASE)
        kept: dict[str, Named] = {}
        strange, copies = [], []
        for path in sorted(self.media, key=_preference):
            match = pattern.search(self.relative(path)[: -len(path.suffix)])
            if match is None:
                strange.append(path)
            elif (key := name(match)) in kept:
                copies.append(path)
            else:
                kept[key] = Named(key, path, match.groupdict())
        notes = (
            *self._note(copies, "there more than once: one of each is kept"),
            *self._note(strange, f"not named as in {self.corpus}"),
        )
        return Media(tuple(kept[key] for key in sorted(kept)), notes)

    def expect(self, rule: str, name: Callable[[re.Match[str]], str] = lambda m: m[0]) -> Media:
        """Like :meth:`named`; refuses a tree without any such file."""
        media = self.named(rule, name)
        if not media.named:
            self.refuse()
        return media

    def clips(self, name: Callable[[Path], Key | None]) -> dict[Key, Path]:
        """Media files by what ``name`` makes of their paths; of equal names the best format."""
        clips: dict[Key, Path] = {}
        for path in sorted(self.media, key=_preference):
            if (key := name(path)) is not None:
                clips.setdefault(key, path)
        return clips

    def stems(self) -> dict[str, Path]:
        """Media files by name without suffix.

        Raises:
            CorpusError: a name is there more than once, and the files are not the same.
        """
        stems = self.clips(lambda path: path.stem)
        other = [p for p in self.media if not _same_file(p, stems[p.stem])]
        if other:
            what = f"{with_count(len(other), 'name')} of two recordings that differ, so that it "
            what += "is not known which the labels mean: "
            what += first_few(
                f"{self.relative(p)} and {self.relative(stems[p.stem])}" for p in other
            )
            raise CorpusError(f"--corpus {self.corpus}", [Fault(str(self.root), what)])
        return stems

    def find(self, *names: str) -> Path | None:
        """First file of one of these names, whatever the case; names in order of preference."""
        for name in names:
            for path in self.files:
                if path.name.lower() == name.lower():
                    return path
        return None

    def need(self, *names: str) -> Path:
        """Like :meth:`find`; refuses a tree without any such file."""
        return self.find(*names) or self.refuse()

    def refuse(self, why: str = "") -> NoReturn:
        """Raise with the tree that was expected, and what is there."""
        lines = [*([why] if why else []), "expected the folder that holds"]
        lines += [f"    {line}" for line in self.entry.layout]
        raise LayoutError(self, [*lines, "  found", *(f"    {line}" for line in self._outline())])

    def _note(self, paths: Sequence[Path], why: str) -> list[str]:
        if not paths:
            return []
        listed = first_few(map(self.relative, sorted(paths)))
        return [f"{with_count(len(paths), 'file')} left out ({why}): {listed}"]

    def _outline(self) -> list[str]:
        """Folders with the number of their files and one of these, the fullest first."""
        folders: dict[str, list[str]] = {}
        for path in self.files:
            folder, _, name = self.relative(path).rpartition("/")
            folders.setdefault(folder or ".", []).append(name)
        largest = sorted(folders.items(), key=lambda item: (-len(item[1]), item[0]))
        lines = [
            f"{cut(folder)}: {with_count(len(names), 'file')}, as {cut(names[0])}"
            for folder, names in largest[:SHOWN_IN_TREE]
        ]
        if len(folders) > SHOWN_IN_TREE:
            lines.append(f"... and {len(folders) - SHOWN_IN_TREE} more folders")
        return lines or ["nothing"]


class LayoutError(CorpusError):
    """A root that does not hold the tree of its corpus; ``tree`` is what it holds."""

    def __init__(self, tree: Tree, lines: Sequence[str]) -> None:
        super().__init__(f"--corpus {tree.corpus}", [Fault(str(tree.root), "\n".join(lines))])
        self.tree, self.lines = tree, tuple(lines)

    def with_hint(self, entries: Iterable[Entry]) -> "LayoutError":
        """The same with the corpus whose files these look like, where it is another one."""
        near = nearest(self.tree, entries)
        if near in (None, self.tree.corpus):
            return self
        hint = f"  this looks like {near}: try --corpus {near}"
        return LayoutError(self.tree, [*self.lines, hint])


def _same_file(path: Path, other: Path) -> bool:
    """Whether two files of one name are copies, or one recording in two formats."""
    return (
        path.suffix.lower() != other.suffix.lower() or path.stat().st_size == other.stat().st_size
    )


def _preference(path: Path) -> tuple[int, int]:
    """The best format first, then the file that lies least deep."""
    return MEDIA.index(path.suffix.lower()), len(path.parts)


def scan(entry: Entry, root: Path) -> Tree:
    """Walk a folder once; hidden files and what operating systems leave are not seen."""
    paths = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_junk(name))
        paths += [Path(folder, name) for name in files if not _is_junk(name)]
    return Tree(entry, root, tuple(sorted(paths)))


def as_corpus(
    tree: Tree,
    media: Media,
    targets: tuple[str, ...],
    utterance: Callable[[Named], Utterance],
    *,
    folds: str = "speaker",
) -> Corpus:
    """The corpus whose every named file is an utterance of one class."""
    return Corpus(
        name=tree.corpus,
        root=tree.root,
        task="single-label",
        targets=targets,
        utterances=tuple(utterance(file) for file in media.named),
        folds=folds,
        notes=media.notes,
    )


def own_folds(utterances: Iterable[Utterance]) -> str:
    """The protocol of a corpus that may have an official split: ``split``, else ``groups``.

    ``split-leaky`` where a speaker or a dialogue is on two of its sides: it runs as published.
    """
    sides: dict[str | None, set[tuple[str | None, ...]]] = {}
    for u in utterances:
        if u.target is not None:
            names = ((u.speaker,), (u.session, u.dialogue))
            sides.setdefault(u.split, set()).update(n for n in names if n[-1] is not None)
    if None in sides or not {"train", "test"} <= sides.keys():
        return "groups"
    shared = sum(map(len, sides.values())) > len(set().union(*sides.values()))
    return "split-leaky" if shared else "split"


def is_media(path: Path) -> bool:
    """Whether a path, as it lies below a folder, is of sound or video and in nothing hidden."""
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in MEDIA and not hidden


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def nearest(tree: Tree, entries: Iterable[Entry]) -> str | None:
    """The corpus whose signature most files have; None where none has it."""
    names = [tree.relative(path) for path in tree.files[:LOOKED_AT]]
    counts = {
        entry.name: sum(
            re.search(entry.signature, name, re.IGNORECASE) is not None for name in names
        )
        for entry in entries
        if entry.signature
    }
    best = max(counts, key=lambda corpus: counts[corpus])
    return best if counts[best] else None


def without(what: str, ids: Sequence[str], noun: str = "utterance") -> tuple[str, ...]:
    """A note on those that lack something, or none where none does.

    >>> without("recording", ["a", "b"])
    ('no recording of 2 utterances: a, b',)
    """
    return (f"no {what} of {with_count(len(ids), noun)}: {first_few(ids)}",) if ids else ()


def first_few(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are.

    >>> first_few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(map(cut, listed[:SHOWN])) + more
