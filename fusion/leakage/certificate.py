"""The split certificate: what was tested for leaks before anything was trained, and what was found.

Speakers, dialogues or recordings on two sides of a fold are errors; texts, sessions and what only
sounds alike are warnings with their share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from fusion.leakage.evidence import Evidence
from fusion.leakage.findings import Certificate, LeakTest, Status, TextProbe
from fusion.leakage.fold_sides import Groups, Link, Overlap, Pairs, overlaps, scored
from fusion.leakage.label_words import label_words
from fusion.splitting.protocols import is_leaky
from fusion.splitting.splits import Fold

#: A p from which the sentence alone is said to tell the label.
SIGNIFICANT = 0.05


#: Why words are not tested for telling labels of a set, or values.
NO_CLASS = "utterances have no single class that words could tell"


@dataclass(frozen=True, slots=True)
class _Question:
    """A test before it is answered: what belongs together, and which rows it can look at."""

    name: str
    severity: Status
    link: Link
    tested: Bool[np.ndarray, "rows"]
    untested: str
    note: str = ""


def certify(
    evidence: Evidence, folds: Sequence[Fold], protocol: str, probe: TextProbe | None = None
) -> Certificate:
    """Test folds for leaks; ``probe`` is that of the gold transcripts, where there are some."""
    leaky = is_leaky(protocol)
    questions = [*_who(evidence), *_sound(evidence), *_text(evidence)]
    shared = overlaps(evidence.ids, folds, [question.link for question in questions])
    rows = scored(evidence.ids, folds)
    tests = [
        _answer(question, overlap, rows, evidence)
        for question, overlap in zip(questions, shared, strict=True)
    ]
    words = (_telltale_words(evidence), _constancy(evidence, probe))
    return Certificate(protocol, leaky, len(folds), (*tests, *words))


def _answer(
    question: _Question,
    overlap: Overlap,
    scored_rows: Bool[np.ndarray, "rows"],
    evidence: Evidence,
) -> LeakTest:
    if not question.tested.any():
        return LeakTest(question.name, "untested", note=question.untested)
    ids = evidence.ids
    count = int(overlap.rows.sum())
    examples = tuple(f"{ids[a.row]} and {ids[a.other]}, fold {a.fold}" for a in overlap.leaks)
    of = max(int((question.tested & scored_rows).sum()), count)
    status = question.severity if count else "clean"
    return LeakTest(question.name, status, count, of, examples, question.note if count else "")


# ---------------------------------------------------------------- what belongs together


def _who(evidence: Evidence) -> list[_Question]:
    def grouped(name: str, severity: Status, of: Callable[[], np.ndarray], why: str) -> _Question:
        number = of()
        return _Question(name, severity, Groups(number), number >= 0, why)

    everybody = np.array([u.speaker is not None for u in evidence.utterances], bool)
    spellings = Groups(evidence.spellings())
    typed = "names of speakers differ in spelling only: one person, or two?"
    return [
        grouped("same speaker", "error", evidence.speakers, "no speaker is known"),
        _Question("speaker in another spelling", "warning", spellings, everybody, "", typed),
        grouped("same dialogue", "error", evidence.dialogues, "no dialogue is known"),
        grouped("same session", "warning", evidence.sessions, "no session is known"),
    ]


def _sound(evidence: Evidence) -> list[_Question]:
    voiced = np.array([u.audio is not None for u in evidence.utterances], bool)
    heard = np.array([name in evidence.keys for name in evidence.ids], bool)
    signed = [evidence.signatures.get(name) for name in evidence.ids]
    telling = np.array([signature is not None and signature.telling for signature in signed], bool)
    alike = evidence.sounding_alike
    none, named = "there is no audio", "by their names; was one made from the other?"
    copy = "likely a copy with another pitch, speed or noise: listen to them"
    return [
        _Question("overlap in time", "error", Pairs(evidence.overlapping()), voiced, none),
        _Question("identical audio", "error", Groups(evidence.recordings()), heard, none),
        _Question("the same recording, changed", "error", Pairs(alike.same), telling, none),
        _Question("audio that sounds alike", "warning", Pairs(alike.changed), telling, none, copy),
        _Question("copies", "warning", Groups(evidence.relatives()), voiced, none, named),
    ]


def _text(evidence: Evidence) -> list[_Question]:
    tested = np.array([name in evidence.counted_words for name in evidence.ids], bool)
    none = "there are no transcripts, or none is long enough"
    scripted = any(utterance.script is not None for utterance in evidence.utterances)
    offer = "--folds script-disjoint keeps them apart"
    note = offer if scripted else f"with the column 'script' {offer}"
    near = evidence.nearly_equal_texts()
    return [
        _Question("identical text", "warning", Groups(evidence.texts()), tested, none, note),
        _Question("nearly identical text", "warning", near, tested, none, note),
    ]


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


def _constancy(evidence: Evidence, probe: TextProbe | None) -> LeakTest:
    """Gold transcripts only: recognised words of a fixed sentence may carry the voice."""
    name = "sentence alone tells the label"
    if probe is None or probe.uar is None or probe.p is None or probe.null_high is None:
        why = "few sentences come twice"
        if probe is None:
            classless = evidence.gold and not evidence.labels
            why = NO_CLASS if classless else "there are no gold transcripts"
        return LeakTest(name, "untested", note=why)
    example = f"UAR {probe.uar:.3f}, shuffled labels up to {probe.null_high:.3f}, p = {probe.p:.3f}"
    tells = not probe.even and probe.p <= SIGNIFICANT
    return LeakTest(name, "warning" if tells else "clean", examples=(example,))
