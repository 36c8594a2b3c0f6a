"""Validate a corpus before anything is trained on it."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from encoders.audio import AudioError
from encoders.extraction import Failure, Progress, default_store
from encoders.hints import Heard, KeyHints
from encoders.rows import cut
from encoders.store import StoreError
from encoders.utterance import Corpus
from fusion.escaping import counted, plain
from fusion.splits import SplitError, outer_folds

SHOWN = 10
UNKNOWN = "(unknown)"
#: How rich prints what users wrote: brackets are no markup, lines are not broken.
AS_IT_IS: Mapping[str, Any] = MappingProxyType(
    {"markup": False, "highlight": False, "soft_wrap": True}
)


@dataclass(frozen=True, slots=True)
class Check:
    """What was found: counts, the media files that cannot be used, and what to look at.

    ``obstacle`` says why no comparison is possible, None where one is.
    """

    corpus: Corpus
    classes: Mapping[str, int]
    speakers: Mapping[str, Mapping[str, int]]
    hours: float
    failures: tuple[Failure, ...]
    remarks: tuple[str, ...]
    obstacle: str | None = None


def check_corpus(corpus: Corpus, progress: Progress | None = None) -> Check:
    """Decode every file once and count; the keys found spare decoding later."""
    heard, failures, unkept = _listen(corpus, progress)
    obstacle, folds = _folds(corpus)
    speakers: dict[str, Counter[str]] = defaultdict(Counter)
    for utterance in corpus.utterances:
        label = corpus.label(utterance) if corpus.task == "single-label" else corpus.task
        speakers[utterance.speaker or UNKNOWN][label or "(unlabelled)"] += 1
    return Check(
        corpus=corpus,
        classes=sum(speakers.values(), Counter()),
        speakers=speakers,
        hours=sum(one.duration_s for one in heard.values()) / 3600,
        failures=failures,
        remarks=(*_remarks(corpus, heard), *unkept, *folds),
        obstacle=obstacle,
    )


def print_check(check: Check, console: Console) -> None:
    """Class by speaker table, then remarks."""
    if check.obstacle is not None:
        console.print(f"no comparison is possible: {plain(check.obstacle)}", **AS_IT_IS)
    names = list(check.classes)
    title = Text(f"{_shown(check.corpus.name)}: utterances by speaker and class")
    # Text, because names of speakers and classes are no markup.
    table = Table("speaker", title=title)
    for name in names:
        table.add_column(Text(_shown(name)))
    for speaker, counts in sorted(check.speakers.items()):
        table.add_row(Text(_shown(speaker)), *(str(counts[name]) for name in names))
    table.add_section()
    table.add_row("all", *(str(check.classes[name]) for name in names))
    console.print(table)
    utterances = counted(len(check.corpus.utterances), "utterance")
    console.print(f"{utterances}, {_speakers(check)}, {check.hours:.2f} h of audio", **AS_IT_IS)
    for remark in (*check.corpus.notes, *check.remarks):
        console.print(f"- {plain(remark)}", **AS_IT_IS)


def _shown(name: str) -> str:
    return cut(plain(name))


def _speakers(check: Check) -> str:
    known = len(set(check.speakers) - {UNKNOWN})
    unknown = sum(check.speakers.get(UNKNOWN, {}).values())
    if not unknown:
        return counted(known, "speaker")
    if not known:
        return "speakers unknown"
    return f"{counted(known, 'speaker')} ({counted(unknown, 'utterance')} of unknown speakers)"


def _listen(
    corpus: Corpus, progress: Progress | None
) -> tuple[dict[str, Heard], tuple[Failure, ...], tuple[str, ...]]:
    """What was heard by id, what could not be used, and why the cache does not remember it."""
    hints, why = _hints()
    heard: dict[str, Heard] = {}
    failures: list[Failure] = []
    voiced = [utterance for utterance in corpus.utterances if utterance.audio is not None]
    try:
        for done, utterance in enumerate(voiced, start=1):
            try:
                heard[utterance.id] = hints.get(utterance) or hints.decode(utterance)[0]
            except AudioError as error:
                failures.append(Failure(utterance.id, str(error)))
            if progress is not None:
                progress("decoding", done, len(voiced))
    finally:
        why = hints.save() or why
    unkept = (f"what was decoded cannot be remembered: {why}",) if why else ()
    return heard, tuple(failures), unkept


def _hints() -> tuple[KeyHints, str | None]:
    """Hints of the cache; without one, hints that nobody keeps, and why: a check needs none."""
    try:
        return KeyHints(default_store().root / "hints.json"), None
    except StoreError as error:
        return KeyHints(Path(os.devnull) / "hints.json"), str(error)


def _remarks(corpus: Corpus, heard: Mapping[str, Heard]) -> Iterator[str]:
    silent = [name for name, one in heard.items() if one.silent]
    if silent:
        are = _verb(len(silent), "is", "are")
        yield f"{counted(len(silent), 'recording')} {are} silent: {_some(silent)}"
    by_key: dict[str, list[str]] = defaultdict(list)
    for name, one in heard.items():
        by_key[one.key].append(name)
    doubled = [" = ".join(map(cut, names)) for names in by_key.values() if len(names) > 1]
    if doubled:
        are = _verb(len(doubled), "is", "are")
        yield f"{counted(len(doubled), 'recording')} {are} there more than once: {_some(doubled)}"
    yield from _gaps(corpus)


def _gaps(corpus: Corpus) -> Iterator[str]:
    """What utterances lack."""
    rows = corpus.utterances
    wordless = sum(utterance.transcript is None for utterance in rows)
    if wordless:
        are = _verb(wordless, "is", "are")
        them = _verb(wordless, "it", "them")
        yield (
            f"{counted(wordless, 'transcript')} {are} missing; compare recognises {them} (--asr)"
        )
    voiceless = sum(utterance.audio is None for utterance in rows)
    if voiceless:
        has = _verb(voiceless, "has", "have")
        yield f"{counted(voiceless, 'utterance')} {has} no audio file"
    unlabelled = sum(utterance.target is None for utterance in rows)
    if unlabelled:
        unscored = _verb(unlabelled, "is unlabelled and is", "are unlabelled and are")
        yield f"{counted(unlabelled, 'utterance')} {unscored} not scored"


def _folds(corpus: Corpus) -> tuple[str | None, tuple[str, ...]]:
    """Why no comparison is possible, or a remark on the folds of one."""
    rows = [utterance for utterance in corpus.utterances if utterance.target is not None]
    if rows and not any(utterance.speaker for utterance in rows):
        return "speakers unknown: name them in the column 'speaker'", ()
    try:
        folds = outer_folds(rows, corpus.folds)
    except SplitError as error:
        return str(error), ()
    found = counted(len(folds), "speaker-independent fold")
    return None, (f"{found} by '{corpus.folds}'",)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return ", ".join(map(cut, names[:SHOWN])) + more


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
