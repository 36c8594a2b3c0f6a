"""Recordings of one's own whose emotions were coded in ELAN (.eaf) or Praat (.TextGrid).

Each mark of a tier with "emotion" in its name is an utterance; whose it is say ELAN's participant,
the rest of the name ("Anna emotion", "emotion@Anna"), or the tier that it hangs on. Its words are
those of the tiers of words of that speaker, as interviews read them
(:mod:`experiments.annotations.tiers`). A recording is what an ELAN file names as its media, else
what has the name of the file.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from encoders.files import MARK
from encoders.manifest import ReadSoFar, corpus_of
from encoders.manifest_rows import DIMENSIONS, Row, is_number
from encoders.messages import composed, quoted, with_count
from encoders.utterance import Corpus, Fault
from experiments.annotations import eaf, textgrid
from experiments.annotations.lanes import EMOTION, UNSURE
from experiments.annotations.plain import AnnotationError
from experiments.annotations.tier_kinds import Mark, Tier
from experiments.annotations.tiers import add_turns, coded
from experiments.annotations.turns import GivenUp, Reading, Turn
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet
from experiments.corpora.tree import SHOWN, Tree, first_few, scan

VALUES = "values"
ENTRY = Entry(
    name="coded",
    title="Your own recordings, coded in ELAN or Praat",
    language="any",
    size="any",
    speakers="any",
    emotions="labels of the tiers called emotion",
    truth="as coded",
    setup="any",
    licence="yours",
    where="https://archive.mpi.nl/tla/elan",
    module=__name__,
    layout=("anna.wav", "anna.eaf or anna.TextGrid  (a tier with 'emotion' in its name)", "..."),
    signature=r"\.(eaf|textgrid)$",
    labels=(
        LabelSet(VALUES, "numbers in tiers called valence, arousal, dominance", annotation=VALUES),
    ),
)
#: Names within one recording, as interviews and programs give them: other people in another one.
_GUESSED = re.compile(
    r"(?:speaker|guess|spk|sprecher(?:in)?|person|voice)(?:[ _]?(?:\d+|[a-z]))?", re.IGNORECASE
)
#: A person, and when, in seconds.
Place = tuple[str, float, float]


def read(root: Path, annotation: str = "") -> Corpus:
    """Read all files with coded tiers; with ``annotation`` numbers in place of labels.

    The two sides of a conversation share its ``dialogue``, so that folds keep them together.

    Raises:
        CorpusError: no such tier, files that cannot be read, without a recording or twice of one.
    """
    tree, so_far = scan(ENTRY, root), ReadSoFar(str(root))
    words = DIMENSIONS if annotation == VALUES else (EMOTION,)
    recordings = _recordings(tree)
    found = _found(tree, words, recordings, so_far)
    if not found and not so_far.faults:
        there = "".join(f"; {note}" for note in so_far.notes[:SHOWN])
        tree.refuse(f"no tier called {' or '.join(words)} in any .eaf or .TextGrid{there}")
    rows = [row for one in found.values() for row in one.rows(tree, recordings[one.recording])]
    if not rows and not so_far.faults:
        tree.refuse(f"no label in tiers called {' or '.join(words)}")
    so_far.notes.extend(_notes(found, recordings, rows))
    return corpus_of(ENTRY.name, rows, root, None, None, so_far)


def _found(
    tree: Tree, words: Sequence[str], recordings: Mapping[str, Path], so_far: ReadSoFar
) -> dict[str, "_Coded"]:
    """What is coded, by recording; what is left out is noted, and faults are."""
    found: dict[str, _Coded] = {}
    for path in tree.files:
        name = tree.relative(path)
        if path.suffix.lower() not in (".eaf", ".textgrid"):
            continue
        if (path.parent / MARK).exists():
            # What a model said would become the truth that it is measured by.
            so_far.notes.append(f"{name}: left out, a model wrote it: correct a copy elsewhere")
            continue
        try:
            one = _read(path, name, words, _recording_of(path, tree, recordings))
        except AnnotationError as error:
            so_far.faults.extend(Fault(f"{name}, {f.where}", f.what) for f in error.faults)
            continue
        so_far.notes.extend(f"{name}: {note}" for note in one.notes)
        if not one.tiers:
            continue
        if (before := found.setdefault(one.recording, one)) is not one:
            what = f"codes {one.recording}, as {before.name} does: keep one of them below the root"
            so_far.faults.append(Fault(name, what))
    return found


@dataclass(frozen=True, slots=True)
class _Mark(Row):
    """A row that messages find by its file and second."""

    place: str

    @property
    def where(self) -> str:
        return self.place


@dataclass(frozen=True, slots=True)
class _Coded:
    """What a file codes of a recording (its name without suffix), and whose tiers those are."""

    name: str
    recording: str
    tiers: Mapping[str, str]
    notes: Sequence[str]
    cells: Mapping[Place, Mapping[str, str]]
    turns: Mapping[str, Sequence[Turn]]

    def rows(self, tree: Tree, audio: Path) -> Iterator[Row]:
        """A row for each mark that says something, in the order of time."""
        ordered = sorted(self.cells, key=lambda place: (*place[1:], place[0] or ""))
        for number, place in enumerate(ordered, 1):
            speaker, start_s, end_s = place
            cells = {
                "id": f"{self.recording}-{number}",
                "audio": tree.relative(audio),
                "start_s": repr(start_s),
                "end_s": repr(end_s),
                "speaker": speaker,
                "dialogue": self.recording,
                "turn": str(number),
                "transcript": self._words(place),
                **self.cells[place],
            }
            filled = {column: cell for column, cell in cells.items() if cell}
            yield _Mark(number, filled, f"{self.name}, {speaker} at {start_s:g} s")

    def _words(self, place: Place) -> str:
        """Words of the turns of the speaker, or of the only one, whose middle lies in a mark."""
        speaker, start_s, end_s = place
        turns = self.turns.get(speaker, ())
        if len(self.turns) == 1:
            (turns,) = self.turns.values()
        first, last = (bisect_left(turns, edge_s, key=_middle_s) for edge_s in (start_s, end_s))
        return " ".join(turn.text for turn in turns[first:last] if turn.text and not turn.doubts)


def _middle_s(turn: Turn) -> float:
    return (turn.start_s + turn.end_s) / 2


def _recordings(tree: Tree) -> dict[str, Path]:
    """Recordings by name without suffix; where several have one, with their folders before it.

    Sound and video of one name are one recording, wherever they lie.
    """
    paths = tree.clips(lambda path: composed(tree.relative(path.with_suffix(""))))
    alike = Counter((composed(path.stem), path.suffix.lower()) for path in paths.values())
    several = {stem for (stem, _), count in alike.items() if count > 1}
    alone = tree.clips(lambda p: None if composed(p.stem) in several else composed(p.stem))
    return {**{name: p for name, p in paths.items() if composed(p.stem) in several}, **alone}


def _recording_of(path: Path, tree: Tree, recordings: Mapping[str, Path]) -> str:
    """Which recording a file is of: one beside it goes before others of that name.

    Raises:
        AnnotationError: there is none.
    """
    names = [path.stem]
    if path.suffix.lower() == ".eaf":
        names = [*(Path(name).stem for name in eaf.media_names(path)), path.stem]
    for name in names:
        for known in (tree.relative(path.with_name(name)), name):
            if composed(known) in recordings:
                return composed(known)
    wanted = " or ".join(dict.fromkeys(names))
    raise AnnotationError(
        path, [Fault("recording", f"none called {wanted} beside it, nor only one elsewhere")]
    )


def _read(path: Path, name: str, words: Sequence[str], recording: str) -> _Coded:
    """What a file codes; nothing without a tier of that kind.

    Raises:
        AnnotationError: with the faults of the file, or where two tiers code one speaker.
    """
    is_eaf, media = path.suffix.lower() == ".eaf", Path(recording).name
    reading = Reading(path, recording=media)
    tiers: list[Tier] = []
    with suppress(GivenUp):
        tiers += eaf.read_tiers(reading) if is_eaf else textgrid.read_tiers(path)
    turns = _turns(path, media, tiers, reading)
    meant = _meant(tiers, words, reading)
    with suppress(GivenUp):
        _check_apart(meant, turns, reading)
    if reading.faults:
        raise AnnotationError(path, reading.faults)
    participants = {tier.speaker for tier in tiers}

    def person(who: str | None) -> str:
        if who is None:
            return recording
        within = _GUESSED.fullmatch(who) or (who.isdecimal() and who not in participants)
        return f"{recording} {who}" if within else who

    cells: dict[Place, dict[str, str]] = defaultdict(dict)
    for word, who, tier in meant:
        for mark in _marks(tier):
            said = mark.text.strip() if word == EMOTION else _with_point(mark.text)
            column = "label" if word == EMOTION else word
            cells[person(who), mark.start_s, mark.end_s][column] = said
    whose = {tier.name: person(who) for _, who, tier in meant}
    said_by = {person(who): found for who, found in turns.items()}
    return _Coded(name, recording, whose, reading.notes, cells, said_by)


def _meant(
    tiers: Sequence[Tier], words: Sequence[str], reading: Reading
) -> list[tuple[str, str | None, Tier]]:
    """Tiers with one of some words, with whose they are; those that are left out are noted.

    Of tiers of emotion those with numbers alone, as of intensity, are none where others name it.
    """
    meant = [(word, who, tier) for word in words for who, tier in coded(tiers, word)]
    numbers = [one for one in meant if _holds_numbers(one[2])]
    others = [one for one in meant if one not in numbers]
    if words == (EMOTION,) and numbers and any(tier.count for _, _, tier in others):
        left = first_few(tier.name for _, _, tier in numbers)
        reading.note(f"left out, numbers beside names of emotions: {left}")
        meant = others
    if not meant:
        there = first_few(tier.name for tier in tiers) if tiers else "none"
        reading.note(f"left out, no tier called {' or '.join(words)}: its tiers are {there}")
    for _, _, tier in meant:
        if short := sum(mark.end_s <= mark.start_s for mark in tier.filled()):
            what = f"{with_count(short, 'mark')} of {quoted(tier.name)}"
            reading.note(f"{what} left out, without a length")
    return meant


def _holds_numbers(tier: Tier) -> bool:
    return tier.count > 0 and all(is_number(_with_point(mark.text)) for mark in tier.filled())


def _with_point(text: str) -> str:
    return text.strip().replace(",", ".")


def _check_apart(
    meant: Sequence[tuple[str, str | None, Tier]],
    turns: Mapping[str | None, Sequence[Turn]],
    reading: Reading,
) -> None:
    """Tiers of two coders, or of two questions, would say everything twice.

    They code the same stretches, under one speaker's name or under names that nobody bears: no
    participant, and nobody who speaks.
    """
    for (word, who, tier), (other_word, other_who, other) in combinations(meant, 2):
        known = all(
            one.speaker is not None or whose in turns
            for whose, one in ((who, tier), (other_who, other))
        )
        if word != other_word or (who != other_who and known):
            continue
        least = 1 if who == other_who else min(tier.count, other.count) / 2
        if 0 < least <= _shared(tier, other):
            what = (
                f"{quoted(tier.name)} and {quoted(other.name)} code the same stretches: keep one "
            )
            what += f"of two coders or questions (take {word} out of the other's name); of two "
            reading.fault("tiers", f"{what}people name the participants, or their tiers of words")


def _shared(tier: Tier, other: Tier) -> int:
    """How many marks of one tier have most of their time, and of its, in one of another."""
    marks = sorted(_marks(other), key=lambda mark: mark.start_s)
    ends, count = [mark.end_s for mark in marks], 0
    for mark in _marks(tier):
        middle_s = (mark.start_s + mark.end_s) / 2
        place = bisect_left(ends, middle_s)
        if place < len(marks):
            both_s = min(mark.end_s, ends[place]) - max(mark.start_s, marks[place].start_s)
            longest_s = max(mark.end_s - mark.start_s, ends[place] - marks[place].start_s)
            count += both_s > longest_s / 2
    return count


def _marks(tier: Tier) -> Iterator[Mark]:
    """Marks that last and say something: no class stands in one that we left open."""
    for mark in tier.filled():
        if mark.end_s > mark.start_s and not mark.text.strip().startswith(UNSURE):
            yield mark


def _turns(
    path: Path, recording: str, tiers: Sequence[Tier], about: Reading
) -> Mapping[str | None, Sequence[Turn]]:
    """Turns of the tiers of words by speaker, in the order of time; none, noted, with faults."""
    reading = Reading(path, recording=recording)
    with suppress(GivenUp):
        add_turns(tiers, reading)
    if reading.faults:
        about.note(f"no words read: {reading.faults[0].what}")
        return {}
    turns: dict[str | None, list[Turn]] = defaultdict(list)
    for turn in sorted(reading.turns, key=_middle_s):
        turns[turn.speaker].append(turn)
    return turns


def _notes(
    found: Mapping[str, _Coded], recordings: Mapping[str, Path], rows: Sequence[Row]
) -> Iterator[str]:
    """Whose tiers are taken for whose, recordings that nobody coded, people called alike."""
    whose = (f"{tier} ({who})" for one in found.values() for tier, who in one.tiers.items())
    yield f"tiers taken, and whose: {first_few(dict.fromkeys(whose))}"
    if left := sorted(recordings.keys() - found.keys()):
        yield f"{with_count(len(left), 'recording')} without coded tiers: {first_few(left)}"
    heard: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        heard[row.cells["speaker"]].add(row.cells["dialogue"])
    if several := sorted(who for who, where in heard.items() if len(where) > 1):
        what = "called so in several recordings, each taken for one person"
        yield f"{with_count(len(several), 'speaker')} {what}: {first_few(several)}"
