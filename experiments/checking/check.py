"""Validate a corpus before anything is trained on it."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.decode_index import DecodedAudio, DecodeIndex, odd_recordings
from encoders.extraction import Failure, Progress, default_store
from encoders.files import StoreError
from encoders.messages import cut, with_count
from encoders.specs import Kind
from encoders.utterance import Corpus, Utterance
from experiments.checking.estimate import Estimate, estimate
from experiments.checking.soundness import Soundness, soundness
from experiments.comparing.certificate import DecodedCorpus, decode_all, evidence_of
from experiments.comparing.plan import make_folds, outer_of, protocol_of, rows_for, unit_notes
from fusion.leakage.certificate import certify
from fusion.leakage.findings import Certificate
from fusion.leakage.fold_sides import inner_sides
from fusion.leakage.text_probe import probe_labels
from fusion.splitting.splits import Fold, SplitError

SHOWN = 10
UNKNOWN = "(unknown)"
NOTHING = Soundness((), ())


@dataclass(frozen=True, slots=True)
class Check:
    """What was found: counts, the media files that cannot be used, and what to look at.

    ``obstacle`` says why no comparison is possible, None where one is; ``certificate`` is that of
    the folds, None where there are none.
    """

    corpus: Corpus
    classes: Mapping[str, int]
    speakers: Mapping[str, Mapping[str, int]]
    hours: float
    failures: tuple[Failure, ...]
    remarks: tuple[str, ...]
    obstacle: str | None = None
    soundness: Soundness = NOTHING
    certificate: Certificate | None = None
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True)
class _Folds:
    """Why no comparison is possible, a remark on the folds of one, and their certificate."""

    obstacle: str | None
    remarks: tuple[str, ...] = ()
    certificate: Certificate | None = None


def check_corpus(
    corpus: Corpus,
    progress: Progress | None = None,
    *,
    folds: str | None = None,
    audio: str | None = None,
    text: str | None = None,
) -> Check:
    """Decode every file that is not known yet, count, and test the folds for leaks.

    ``folds`` is a protocol, None the corpus's own; ``audio`` and ``text`` are encoders whose cost
    is to be estimated.
    """
    kinds: tuple[tuple[Kind, str | None], ...] = (("audio", audio), ("text", text))
    # A check needs no cache: without one it remembers nothing, and says why.
    try:
        store, unkept = default_store(), None
    except StoreError as error:
        store, unkept = None, str(error)
    hints = DecodeIndex(Path(os.devnull if store is None else store.root) / "hints.json")
    hearing = decode_all(corpus.utterances, store, hints, progress)
    made = _folds(corpus, hearing, protocol_of(corpus, folds), progress)
    speakers: dict[str, Counter[str]] = defaultdict(Counter)
    for utterance in corpus.utterances:
        speakers[utterance.speaker or UNKNOWN][_label(corpus, utterance)] += 1
    unkept = hearing.unkept or unkept
    lost = unkept and f"what was decoded cannot be remembered: {unkept}"
    return Check(
        corpus=corpus,
        classes=sum(speakers.values(), Counter()),
        speakers=speakers,
        hours=sum(recording.duration_s for recording in hearing.heard.values()) / 3600,
        failures=hearing.failures,
        remarks=(*_remarks(corpus, hearing.heard), *filter(None, [lost]), *made.remarks),
        obstacle=made.obstacle,
        soundness=soundness(corpus.utterances, hearing.heard, hearing.sounds),
        certificate=made.certificate,
        estimates=tuple(
            estimate(typed, kind, corpus.utterances, hearing.heard)
            for kind, typed in kinds
            if typed is not None
        ),
    )


def _label(corpus: Corpus, utterance: Utterance) -> str:
    """What an utterance is counted as: its class, or its task where it has none or several."""
    if utterance.target is None:
        return "(unlabelled)"
    # Sets of six labels would be 64 columns.
    if corpus.task in ("multi-label", "regression"):
        return corpus.task
    return next(iter(corpus.classes(utterance)), "(tie)")


def _folds(
    corpus: Corpus, hearing: DecodedCorpus, protocol: str, progress: Progress | None
) -> _Folds:
    rows = [utterance for utterance in corpus.utterances if utterance.target is not None]
    if rows and not any(utterance.speaker for utterance in rows):
        return _Folds("speakers unknown: name them in the column 'speaker'")
    try:
        rows = list(rows_for(corpus, rows, protocol))
        folds = outer_of(corpus, rows, protocol)
    except SplitError as error:
        return _Folds(str(error))
    evidence = evidence_of(corpus, rows, hearing, protocol, progress)
    speakers = {utterance.id: utterance.speaker or "" for utterance in rows}
    probe = probe_labels(corpus.targets, evidence.labels, evidence.gold, speakers, folds)
    certificate = certify(evidence, folds, protocol, probe, _inside(corpus, rows, protocol))
    return _Folds(_leaks(certificate), (_folds_remark(folds, certificate),), certificate)


def _inside(corpus: Corpus, rows: Sequence[Utterance], protocol: str) -> tuple[Fold, ...]:
    """The inner folds of a comparison; none where a class has too few speakers for them."""
    try:
        folds, inner = make_folds(corpus, rows, protocol)
    except SplitError:
        return ()
    return inner_sides([fold.name for fold in folds], inner)


def _leaks(certificate: Certificate) -> str | None:
    try:
        certificate.check()
    except SplitError as error:
        return str(error)
    return None


def _folds_remark(folds: Sequence[Fold], certificate: Certificate) -> str:
    if certificate.leaky:
        return f"LEAKY: {with_count(len(folds), 'fold')} by '{certificate.protocol}'"
    return f"{with_count(len(folds), 'speaker-independent fold')} by '{certificate.protocol}'"


def _remarks(corpus: Corpus, heard: Mapping[str, DecodedAudio]) -> Iterator[str]:
    silent = [name for name, recording in heard.items() if recording.silent]
    if silent:
        are = _verb(len(silent), "is", "are")
        yield f"{with_count(len(silent), 'recording')} {are} silent: {_some(silent)}"
    yield from odd_recordings(heard)
    by_key: dict[str, list[str]] = defaultdict(list)
    for name, recording in heard.items():
        by_key[recording.key].append(name)
    doubled = [" = ".join(map(cut, names)) for names in by_key.values() if len(names) > 1]
    if doubled:
        are = _verb(len(doubled), "is", "are")
        recordings = with_count(len(doubled), "recording")
        yield f"{recordings} {are} there more than once: {_some(doubled)}"
    yield from _gaps(corpus)


def _gaps(corpus: Corpus) -> Iterator[str]:
    """What utterances lack."""
    rows = corpus.utterances
    wordless = sum(utterance.transcript is None for utterance in rows)
    if wordless:
        are = _verb(wordless, "is", "are")
        them = _verb(wordless, "it", "them")
        yield (
            f"{with_count(wordless, 'transcript')} {are} missing; compare recognises {them} (--asr)"
        )
    voiceless = sum(utterance.audio is None for utterance in rows)
    if voiceless:
        has = _verb(voiceless, "has", "have")
        yield f"{with_count(voiceless, 'utterance')} {has} no audio file"
    yield from unit_notes([u for u in rows if u.target is not None and u.speaker is not None])
    unlabelled = sum(utterance.target is None for utterance in rows)
    if unlabelled:
        unscored = _verb(unlabelled, "is unlabelled and is", "are unlabelled and are")
        yield f"{with_count(unlabelled, 'utterance')} {unscored} not scored"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return ", ".join(map(cut, names[:SHOWN])) + more


def _verb(number: int, singular: str, plural: str) -> str:
    return singular if number == 1 else plural
