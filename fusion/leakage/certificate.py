"""The split certificate: what was tested for leaks before anything was trained, and what was found.

Speakers, dialogues or recordings on two sides of a fold are errors; texts, sessions and what only
sounds alike are warnings with their share. Inner folds, where heads are stopped and selected, are
tested like the outer ones; what only they have on two sides is counted apart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool

from fusion.leakage.evidence import Evidence
from fusion.leakage.findings import Certificate, LeakTest, Status, TextProbe
from fusion.leakage.fold_sides import NAMED, Groups, Leak, Link, Overlap, Pairs, overlaps, scored
from fusion.leakage.label_words import label_words
from fusion.splitting.protocols import is_leaky
from fusion.splitting.splits import Fold

#: A p from which the sentence alone is said to tell the label.
SIGNIFICANT = 0.05
#: The test that a probe of the fixed sentences answers, and tells in full.
CONSTANCY = "sentence alone tells the label"
#: The test of words that are read with those of others, and what it means where it finds some.
IN_CONTEXT = "words in each other's context"
CONTEXT = "what is trained on holds words of what it is judged on"
NO_TURNS: Mapping[str, Sequence[str]] = MappingProxyType({})
#: Why words are not tested for telling labels of a set, or values.
NO_CLASS = "utterances have no single class that words could tell"


@dataclass(frozen=True, slots=True)
class _Question:
    """A test before it is answered: what belongs together, and which rows it can look at.

    ``inside`` is the severity where only inner folds have it on two sides.
    """

    name: str
    severity: Status
    link: Link
    tested: Bool[np.ndarray, "rows"]
    untested: str
    note: str = ""
    inside: Status = "warning"


def certify(
    evidence: Evidence,
    folds: Sequence[Fold],
    protocol: str,
    probe: TextProbe | None = None,
    inner: Sequence[Fold] = (),
    around: Mapping[str, Sequence[str]] = NO_TURNS,
) -> Certificate:
    """Test folds for leaks; ``probe`` is that of the gold transcripts, where there are some.

    ``inner`` are the inner folds (:func:`fusion.leakage.fold_sides.inner_sides`); ``around`` the
    ids of the turns whose words are read with those of a row.
    """
    leaky = is_leaky(protocol)
    words_read = _context(evidence, around) if around else []
    questions = [*_who(evidence), *_sound(evidence), *_text(evidence, bool(folds)), *words_read]
    links = [question.link for question in questions]
    outside, inside = (overlaps(evidence.ids, some, links) for some in (folds, inner))
    rows = scored(evidence.ids, folds)
    tests = [
        _answer(question, outer, within, rows, evidence)
        for question, outer, within in zip(questions, outside, inside, strict=True)
    ]
    words = (_telltale_words(evidence), _telltale_marks(evidence), _constancy(evidence, probe))
    return Certificate(protocol, leaky, len(folds), (*tests, *words))


def _answer(
    question: _Question,
    outer: Overlap,
    inner: Overlap,
    scored_rows: Bool[np.ndarray, "rows"],
    evidence: Evidence,
) -> LeakTest:
    if not question.tested.any():
        return LeakTest(question.name, "untested", note=question.untested)
    count, within = int(outer.rows.sum()), int((inner.rows & ~outer.rows).sum())
    status = question.severity if count else question.inside if within else "clean"
    return LeakTest(
        question.name,
        status,
        found=count,
        of=max(int((question.tested & scored_rows).sum()), count),
        examples=_examples([*outer.leaks, *(inner.leaks if within else ())], evidence.ids),
        note=question.note if status != "clean" else "",
        inner=within,
    )


def _examples(leaks: Sequence[Leak], ids: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{ids[a.row]} and {ids[a.other]}, fold {a.fold}" for a in leaks[:NAMED])


# ---------------------------------------------------------------- what belongs together


def _who(evidence: Evidence) -> list[_Question]:
    def grouped(name: str, severity: Status, of: Callable[[], np.ndarray], why: str) -> _Question:
        number = of()
        return _Question(name, severity, Groups(number), number >= 0, why)

    named = np.array([u.speaker is not None for u in evidence.utterances], bool)
    talks = np.array([u.dialogue is not None for u in evidence.utterances], bool)
    spelling = "names differ in spelling only: one person, or two?"
    near, near_note = evidence.near_names(), "names are nearly equal: one person, or two?"
    talk = "names differ in spelling only: one conversation, or two?"
    nobody, none = "no speaker is known", "no dialogue is known"
    said, spoken = Groups(evidence.spellings("speaker")), Groups(evidence.spellings("dialogue"))
    return [
        grouped("same speaker", "error", evidence.speakers, nobody),
        _Question("speaker in another spelling", "warning", said, named, nobody, spelling),
        _Question("speaker of nearly that name", "warning", near, named, nobody, near_note),
        grouped("same dialogue", "error", evidence.dialogues, none),
        _Question("dialogue in another spelling", "warning", spoken, talks, none, talk),
        grouped("same session", "warning", evidence.sessions, "no session is known"),
    ]


def _sound(evidence: Evidence) -> list[_Question]:
    voiced = np.array([u.audio is not None for u in evidence.utterances], bool)
    heard = np.array([name in evidence.keys for name in evidence.ids], bool)
    telling, alike, shared = evidence.telling, evidence.sounding_alike, evidence.sharing
    marked = telling & np.array([name in evidence.landmarks for name in evidence.ids], bool)
    none, named = "there is no audio", "by their names; was one made from the other?"
    music = "the same music or voice behind both, or one was cut from the other: listen to them"
    # Speakers of one dialogue may be told apart inside training, recordings of two people may not.
    copied: tuple[str, Status] = ("", "error")
    copy = "likely a copy with another pitch, speed or noise: listen to them"
    return [
        _Question("overlap in time", "error", Pairs(evidence.overlapping()), voiced, none),
        _Question("identical audio", "error", Groups(evidence.recordings()), heard, none, *copied),
        _Question(
            "the same recording, changed", "error", Pairs(alike.same), telling, none, *copied
        ),
        _Question(
            "part of the same recording", "error", Pairs(shared.parts), marked, none, *copied
        ),
        _Question("audio that sounds alike", "warning", Pairs(alike.changed), telling, none, copy),
        _Question("a stretch in common", "warning", Pairs(shared.stretches), marked, none, music),
        _Question("copies", "warning", Groups(evidence.relatives()), voiced, none, named),
    ]


def _text(evidence: Evidence, chosen: bool) -> list[_Question]:
    tested = np.array([name in evidence.counted_words for name in evidence.ids], bool)
    none = "there are no transcripts, or none is long enough"
    scripted = any(utterance.script is not None for utterance in evidence.utterances)
    offer = "--folds script-disjoint keeps them apart"
    # Only who compares can choose folds.
    note = ("" if scripted else "with the column 'script' ") + offer if chosen else ""
    near = evidence.nearly_equal_texts()
    return [
        _Question("identical text", "warning", Groups(evidence.texts()), tested, none, note),
        _Question("nearly identical text", "warning", near, tested, none, note),
    ]


def _context(evidence: Evidence, around: Mapping[str, Sequence[str]]) -> list[_Question]:
    """Rows and those whose words their embeddings hold: one dialogue, which a fold must not cut."""
    place = {name: row for row, name in enumerate(evidence.ids)}
    pairs = [
        (place[name], place[turn])
        for name, turns in around.items()
        for turn in turns
        if name in place and turn in place
    ]
    read = Pairs(np.array(pairs, np.int64).reshape(-1, 2))
    tested = np.array([name in around for name in evidence.ids], bool)
    none = "no place in a dialogue is known"
    return [_Question(IN_CONTEXT, "error", read, tested, none, CONTEXT)]


# ---------------------------------------------------------------- words and labels


def _telltale_words(evidence: Evidence) -> LeakTest:
    name = "label in the words"
    speakers = {u.id: u.speaker or "" for u in evidence.utterances}
    ids = [utterance for utterance in evidence.words if utterance in evidence.labels]
    if not ids:
        why = NO_CLASS if evidence.words and not evidence.labels else "there are no transcripts"
        return LeakTest(name, "untested", note=why)
    telltales = label_words(evidence.words, evidence.labels, speakers)
    if not telltales:
        return LeakTest(name, "clean", 0, len(ids))
    given = {t.word for t in telltales}
    rows = sum(not given.isdisjoint(evidence.words[utterance]) for utterance in ids)
    examples = [f"{t.word!r} in {t.recall:.0%} of {t.label}" for t in telltales[:5]]
    note = "was the label written into the transcript?"
    return LeakTest(name, "warning", rows, len(ids), tuple(examples), note)


def _telltale_marks(evidence: Evidence) -> LeakTest:
    name, probe = "label in marks and case", evidence.marks
    if probe is None:
        classless = evidence.words and not evidence.labels
        why = NO_CLASS if classless else "there are no marks, or few rows that have some"
        return LeakTest(name, "untested", note=why)
    figures = f"UAR {probe.raw:.3f} from all characters, {probe.words:.3f} from words alone"
    if not probe.telling:
        return LeakTest(name, "clean", examples=(figures,))
    marks = [f"{mark!r} for {label}" for mark, label in probe.marks]
    note = f"{figures}, of other speakers: was the label written into marks, case or spaces?"
    return LeakTest(name, "warning", examples=tuple(marks), note=note)


def _constancy(evidence: Evidence, probe: TextProbe | None) -> LeakTest:
    """Gold transcripts only: recognised words of a fixed sentence may carry the voice."""
    name = CONSTANCY
    if probe is None or probe.uar is None or probe.p is None or probe.null_high is None:
        why = "few sentences come twice"
        if probe is None:
            classless = evidence.gold and not evidence.labels
            why = NO_CLASS if classless else "there are no gold transcripts"
        return LeakTest(name, "untested", note=why)
    example = f"UAR {probe.uar:.3f}, shuffled labels up to {probe.null_high:.3f}, p = {probe.p:.3f}"
    tells = not probe.even and probe.p <= SIGNIFICANT
    return LeakTest(name, "warning" if tells else "clean", examples=(example,))
