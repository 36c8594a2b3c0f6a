"""Recordings of one's own whose emotions were coded in ELAN (.eaf) or Praat (.TextGrid).

Each mark of a tier with "emotion" in its name is an utterance; whose it is say ELAN's participant,
the rest of the name ("Anna emotion", "emotion@Anna"), or the tier that it hangs on. Its words are
those of the tiers of words of that speaker, as interviews read them
(:mod:`experiments.annotations.tiers`). A recording is what an ELAN file names as its media, else
what has the name of the file.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from encoders.files import MARK
from encoders.manifest import ReadSoFar, corpus_of
from encoders.manifest_rows import DIMENSIONS, Row
from encoders.messages import with_count
from encoders.utterance import Corpus, Fault
from experiments.annotations import eaf, textgrid
from experiments.annotations.lanes import EMOTION, UNSURE
from experiments.annotations.plain import AnnotationError
from experiments.annotations.tier_kinds import Mark, Tier
from experiments.annotations.tiers import add_turns, coded
from experiments.annotations.turns import GivenUp, Reading, Turn
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet
from experiments.corpora.tree import Tree, first_few, scan

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
#: Names within one recording, as interviews give them: they are other people in another one.
_WITHIN = re.compile(r"(?:speaker|guess)?[ _]?\d*", re.IGNORECASE)
#: Who is called so, and when, in seconds.
Place = tuple[str | None, float, float]


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
        tree.refuse(f"no tier called {' or '.join(words)} in any .eaf or .TextGrid")
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
            one = _read(path, words, _recording_of(path, tree, recordings))
        except AnnotationError as error:
            so_far.faults.extend(Fault(f"{name}, {f.where}", f.what) for f in error.faults)
            continue
        if one is None:
            so_far.notes.append(f"{name}: no tier called {' or '.join(words)}: left out")
        elif (before := found.setdefault(one.recording, one)) is not one:
            what = f"codes {one.recording}, as {before.name} does: keep one of them below the root"
            so_far.faults.append(Fault(name, what))
    return found


@dataclass(frozen=True, slots=True)
class _Coded:
    """What a file codes of a recording (its name without suffix), and whose tiers those are."""

    name: str
    recording: str
    tiers: Mapping[str, str]
    cells: Mapping[Place, Mapping[str, str]]
    turns: Sequence[Turn]

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
                "speaker": _person(speaker, self.recording),
                "dialogue": self.recording,
                "turn": str(number),
                "transcript": self._words(place),
                **self.cells[place],
            }
            yield Row(number, {column: cell for column, cell in cells.items() if cell})

    def _words(self, place: Place) -> str:
        """Words of the turns of the speaker, or of the only one, whose middle lies in a mark."""
        speaker, start_s, end_s = place
        others = {turn.speaker for turn in self.turns}
        return " ".join(
            turn.text
            for turn in self.turns
            if turn.text
            and not turn.doubts
            and (turn.speaker == speaker or len(others) == 1)
            and start_s <= (turn.start_s + turn.end_s) / 2 < end_s
        )


def _person(speaker: str | None, recording: str) -> str:
    if speaker is None:
        return recording
    return f"{recording} {speaker}" if _WITHIN.fullmatch(speaker) else speaker


def _recordings(tree: Tree) -> dict[str, Path]:
    """Recordings by name without suffix; where several have one, with their folders before it.

    Sound and video of one name are one recording, wherever they lie.
    """
    paths = tree.clips(lambda path: tree.relative(path.with_suffix("")))
    alike = Counter((path.stem, path.suffix.lower()) for path in paths.values())
    several = {stem for (stem, _), count in alike.items() if count > 1}
    alone = tree.clips(lambda path: None if path.stem in several else path.stem)
    return {**{name: p for name, p in paths.items() if p.stem in several}, **alone}


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
            if known in recordings:
                return known
    wanted = " or ".join(dict.fromkeys(names))
    raise AnnotationError(
        path, [Fault("recording", f"none called {wanted} beside it, nor only one elsewhere")]
    )


def _read(path: Path, words: Sequence[str], recording: str) -> _Coded | None:
    """What a file codes; None without a tier of that kind.

    Raises:
        AnnotationError: with the faults of the file, or where two tiers code one speaker.
    """
    is_eaf, media = path.suffix.lower() == ".eaf", Path(recording).name
    reading = Reading(path, recording=media)
    cells: dict[Place, dict[str, str]] = defaultdict(dict)
    tiers: list[Tier] = []
    with suppress(GivenUp):
        tiers += eaf.read_tiers(reading) if is_eaf else textgrid.read_tiers(path)
        for word, speaker, tier in _meant(tiers, words):
            _add(word, speaker, tier, cells, reading)
    if reading.faults:
        raise AnnotationError(path, reading.faults)
    whose = {tier.name: _person(who, recording) for _, who, tier in _meant(tiers, words)}
    turns = _turns(path, media, tiers)
    return _Coded(path.name, recording, whose, cells, turns) if whose else None


def _meant(tiers: Sequence[Tier], words: Sequence[str]) -> list[tuple[str, str | None, Tier]]:
    """Tiers with one of some words, with whose they are.

    Of tiers of emotion those with numbers alone, as of intensity, are none where others name it.
    """
    meant = [(word, who, tier) for word in words for who, tier in coded(tiers, word)]
    named = [one for one in meant if not all(map(_is_number, one[2].filled()))]
    return named if words == (EMOTION,) and named else meant


def _is_number(mark: Mark) -> bool:
    with suppress(ValueError):
        return isfinite(float(_with_point(mark.text)))
    return False


def _with_point(text: str) -> str:
    return text.strip().replace(",", ".")


def _add(
    word: str,
    speaker: str | None,
    tier: Tier,
    cells: dict[Place, dict[str, str]],
    reading: Reading,
) -> None:
    """What a tier says, by who and when."""
    for mark in _marks(tier):
        column = "label" if word == EMOTION else word
        said = mark.text.strip() if word == EMOTION else _with_point(mark.text)
        place = (speaker, mark.start_s, mark.end_s)
        if cells[place].setdefault(column, said) != said:
            what = "another tier says otherwise of this stretch and speaker: keep one of the two, "
            reading.fault(mark.where, f"{what}or take {word} out of its name")


def _marks(tier: Tier) -> Iterator[Mark]:
    """Marks that last and say something: no class stands in one that we left open."""
    for mark in tier.filled():
        if mark.end_s > mark.start_s and not mark.text.strip().startswith(UNSURE):
            yield mark


def _turns(path: Path, recording: str, tiers: Sequence[Tier]) -> Sequence[Turn]:
    """Turns of the tiers of words, none where they do not say who speaks."""
    reading = Reading(path, recording=recording)
    with suppress(GivenUp):
        add_turns(tiers, reading)
    return () if reading.faults else sorted(reading.turns, key=lambda turn: turn.start_s)


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
