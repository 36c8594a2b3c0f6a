"""Evidence for the split certificate: what is heard and said in the rows of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from encoders.analysis.recording_quality import QualityIndex, RecordingQuality
from encoders.audio.waveform import AudioError
from encoders.decode_index import DecodedAudio, DecodeIndex
from encoders.extraction import Failure, Progress
from encoders.store import EmbeddingStore
from encoders.utterance import Corpus, Utterance
from experiments.comparing.inputs import Ready
from experiments.comparing.own_statistics import transductive
from experiments.comparing.plan import Plan
from fusion.leakage.certificate import CONSTANCY, certify
from fusion.leakage.evidence import Evidence
from fusion.leakage.findings import Certificate, LeakTest
from fusion.leakage.fold_sides import inner_sides
from fusion.splitting.folds import InnerFolds
from fusion.splitting.protocols import is_leaky
from fusion.training.arm_table import Normalise

#: The protocol of a model of every speaker: development groups are of speakers.
MODEL = "speaker"
#: What is looked at of test rows where they are standardised by their own statistics.
STATISTICS = "statistics of other test rows"


@dataclass(frozen=True, slots=True)
class DecodedCorpus:
    """What was heard of each utterance by its id, and what could not be heard.

    ``unkept`` says why the cache does not remember it, None where it does.
    """

    heard: Mapping[str, DecodedAudio]
    sounds: Mapping[str, RecordingQuality]
    failures: tuple[Failure, ...]
    unkept: str | None = None


def decode_all(
    utterances: Sequence[Utterance],
    store: EmbeddingStore | None,
    hints: DecodeIndex,
    progress: Progress | None = None,
) -> DecodedCorpus:
    """Decode what is not known yet; what is known by path, size and time is not opened.

    Without a store nothing is remembered but in ``hints``.
    """
    sounds = QualityIndex(store)
    heard: dict[str, DecodedAudio] = {}
    failures: list[Failure] = []
    voiced = [utterance for utterance in utterances if utterance.audio is not None]
    try:
        for done, utterance in enumerate(voiced, start=1):
            try:
                known = hints.get(utterance)
                if known is None or sounds.missing([known.key]):
                    known, audio = hints.decode(utterance)
                    sounds.add(known.key, audio)
                heard[utterance.id] = known
            except AudioError as error:
                failures.append(Failure(utterance.id, str(error)))
            if progress is not None:
                progress("decoding", done, len(voiced))
    finally:
        sounds.save()
        why = hints.save()
    by_key = sounds.read([decoded.key for decoded in heard.values()])
    qualities = {
        name: by_key[decoded.key] for name, decoded in heard.items() if decoded.key in by_key
    }
    return DecodedCorpus(heard, qualities, tuple(failures), why)


def evidence_of(
    corpus: Corpus,
    utterances: Sequence[Utterance],
    hearing: DecodedCorpus,
    protocol: str,
    progress: Progress | None = None,
) -> Evidence:
    """What is known of some rows of a corpus, for folds of a protocol."""

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("comparing", done, total)

    # Labels of a set and values are no class, which is what words are tested for telling.
    single = corpus.task in ("single-label", "distribution")
    classes = {u.id: corpus.classes(u) if single else frozenset[str]() for u in utterances}
    labels = {
        name: next(iter(row_classes)) if row_classes else None
        for name, row_classes in classes.items()
    }
    return Evidence(
        utterances=utterances,
        # Silence is equal to silence, and says nothing about who recorded it.
        keys={name: audio.key for name, audio in hearing.heard.items() if not audio.silent},
        signatures={name: audio.signature for name, audio in hearing.sounds.items()},
        landmarks={name: audio.landmarks for name, audio in hearing.sounds.items()},
        gold={u.id: u.transcript for u in utterances if u.transcript is not None},
        labels={name: label for name, label in labels.items() if label is not None},
        speakers_apart=not is_leaky(protocol),
        progress=tell,
    )


def certify_corpus(
    ready: Ready, store: EmbeddingStore, hints: DecodeIndex, progress: Progress | None = None
) -> Evidence:
    """Listen to every row and test the folds before hours of work; the evidence is used again.

    What is decoded here, ``hints`` hold for the encoders.

    Raises:
        LeakError: the folds leak, and not by their name.
    """
    hearing = decode_all(ready.rows, store, hints, progress)
    evidence = evidence_of(ready.corpus, ready.rows, hearing, ready.protocol, progress)
    inner = inner_sides([fold.name for fold in ready.folds], ready.inner)
    certify(evidence, ready.folds, ready.protocol, inner=inner).check()
    return evidence


def certify_model(
    ready: Ready,
    inner: InnerFolds,
    store: EmbeddingStore,
    hints: DecodeIndex,
    progress: Progress | None = None,
) -> tuple[Evidence, Certificate]:
    """The same for a model of all rows, which is stopped and calibrated on parts of them.

    Raises:
        LeakError: what it would be stopped on is known from training.
    """
    hearing = decode_all(ready.rows, store, hints, progress)
    evidence = evidence_of(ready.corpus, ready.rows, hearing, MODEL, progress)
    certificate = certify(evidence, (), MODEL, inner=inner_sides(["all"], [inner]))
    certificate.check()
    return evidence, _with_statistics(certificate, ready.study.normalise, 0)


def certify_final_rows(evidence: Evidence, plan: Plan) -> Certificate:
    """The certificate of the folds that are trained on, once rows have left and words are known.

    Raises:
        LeakError: the folds leak, and not by their name.
    """
    rows = evidence.of(plan.inputs.utterances)
    inner = inner_sides([fold.name for fold in plan.folds], plan.inner)
    around = plan.inputs.around
    certificate = certify(rows, plan.folds, plan.protocol, plan.probe, inner, around)
    certificate.check()
    scored = sum(len(fold.test) for fold in plan.folds)
    return _with_statistics(certificate, plan.inputs.normalise, scored)


def _with_statistics(certificate: Certificate, by: Normalise, scored: int) -> Certificate:
    """The certificate with what standardising by groups looks at."""
    if by == "training":
        return certificate
    looked = LeakTest(STATISTICS, "warning", scored, scored, note=transductive(by))
    return replace(certificate, tests=(*certificate.tests, looked))


def certificate_lines(certificate: Certificate) -> list[str]:
    """Warnings of a certificate as a report tells them.

    What the sentence alone tells is told in full by the probe; a leaky protocol by its own line.
    """
    if certificate.leaky:
        leaks = ", ".join(test.name for test in certificate.errors) or "nothing that can be tested"
        return [
            f"LEAKY: --folds {certificate.protocol} is for replication only; what test rows share "
            f"with training: {leaks}"
        ]
    return [
        f"split certificate: {test.sentence}"
        for test in certificate.warnings
        if test.name != CONSTANCY
    ]
