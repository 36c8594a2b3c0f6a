"""Validate a corpus before anything is trained on it."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from encoders.audio import AudioError
from encoders.extraction import Failure, Progress, default_store
from encoders.hints import Heard, KeyHints
from encoders.utterance import Corpus
from fusion.escaping import counted, plain
from fusion.splits import SplitError, outer_folds

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Check:
    """What was found: counts, the media files that cannot be used, and what to look at."""

    corpus: Corpus
    classes: Mapping[str, int]
    speakers: Mapping[str, Mapping[str, int]]
    hours: float
    failures: tuple[Failure, ...]
    remarks: tuple[str, ...]


def check_corpus(corpus: Corpus, progress: Progress | None = None) -> Check:
    """Decode every file once and count; the keys found spare decoding later."""
    heard, failures = _listen(corpus, progress)
    speakers: dict[str, Counter[str]] = defaultdict(Counter)
    for utterance in corpus.utterances:
        label = corpus.label(utterance) if corpus.task == "single-label" else corpus.task
        speakers[utterance.speaker or "(unknown)"][label or "(unlabelled)"] += 1
    return Check(
        corpus=corpus,
        classes=sum(speakers.values(), Counter()),
        speakers=speakers,
        hours=sum(one.duration_s for one in heard.values()) / 3600,
        failures=failures,
        remarks=tuple(_remarks(corpus, heard)),
    )


def print_check(check: Check, console: Console) -> None:
    """Class by speaker table, then remarks."""
    names = list(check.classes)
    # Speakers, classes and the corpus are named by its table: text, never markup of the terminal.
    title = Text(f"{plain(check.corpus.name)}: utterances by speaker and class")
    table = Table("speaker", title=title)
    for name in names:
        table.add_column(Text(plain(name)))
    for speaker, counts in sorted(check.speakers.items()):
        table.add_row(Text(plain(speaker)), *(str(counts[name]) for name in names))
    table.add_section()
    table.add_row("all", *(str(check.classes[name]) for name in names))
    console.print(table)
    console.print(
        f"{counted(len(check.corpus.utterances), 'utterance')}, "
        f"{counted(len(check.speakers), 'speaker')}, "
        f"{check.hours:.2f} h of audio"
    )
    for remark in (*check.corpus.notes, *check.remarks):
        console.print(Text(f"- {plain(remark)}"), soft_wrap=True)


def _listen(
    corpus: Corpus, progress: Progress | None
) -> tuple[dict[str, Heard], tuple[Failure, ...]]:
    hints = KeyHints(default_store().root / "hints.json")
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
        hints.save()
    return heard, tuple(failures)


def _remarks(corpus: Corpus, heard: Mapping[str, Heard]) -> list[str]:
    rows = corpus.utterances
    remarks = []
    silent = [name for name, one in heard.items() if one.silent]
    if silent:
        remarks.append(f"{len(silent)} recordings are silent: {_some(silent)}")
    by_key: dict[str, list[str]] = defaultdict(list)
    for name, one in heard.items():
        by_key[one.key].append(name)
    doubled = [" = ".join(names) for names in by_key.values() if len(names) > 1]
    if doubled:
        remarks.append(f"{len(doubled)} recordings are there more than once: {_some(doubled)}")
    wordless = [u.id for u in rows if u.transcript is None]
    if wordless:
        remarks.append(f"{len(wordless)} transcripts are missing; compare recognises them (--asr)")
    silent_rows = [u.id for u in rows if u.audio is None]
    if silent_rows:
        remarks.append(f"{len(silent_rows)} utterances have no audio file")
    unlabelled = [u.id for u in rows if u.target is None]
    if unlabelled:
        remarks.append(f"{len(unlabelled)} utterances are unlabelled and are not scored")
    remarks.append(_folds(corpus))
    return remarks


def _folds(corpus: Corpus) -> str:
    rows = [utterance for utterance in corpus.utterances if utterance.target is not None]
    try:
        folds = outer_folds(rows, corpus.folds)
    except SplitError as error:
        return f"no comparison is possible: {error}"
    return f"{len(folds)} speaker-independent folds by '{corpus.folds}'"


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" * (len(names) > SHOWN))
