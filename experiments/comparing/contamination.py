"""Law 4 for trained encoders: what one was trained or stopped on must not be scored.

Whether it was is asked in four ways: by speakers and samples of its record, by what sounds like the
recordings of its record, by the names of files of known corpora, and by the corpora that a public
checkpoint is known to have heard.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from encoders.analysis import landmarks
from encoders.analysis.fingerprints import AudioFingerprint, FingerprintSet
from encoders.analysis.landmarks import Landmarks
from encoders.provenance import Provenance, TrainingRecord, provenance_of
from encoders.specs import Kind, Modality, Spec
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, Utterance
from encoders.weights.cards import CARDS
from experiments.comparing.inputs import FEATURES, SEQUENCE_OF, inputs_needed, typed_encoders
from experiments.comparing.published import checkpoint_of
from experiments.comparing.trainable import parse_trainable
from experiments.config import FINETUNED, ConfigError, Study
from experiments.corpora.known_names import known_name
from fusion.leakage.audio_copies import known_again
from fusion.leakage.audio_parts import in_part_known
from fusion.leakage.evidence import NOTHING, Evidence
from fusion.model.fusion_model import FusionModel
from fusion.splitting.splits import Fold
from fusion.training.arm_table import PUBLISHED

FLAG = "--allow-contaminated"
#: Share of rows that sound like changed copies (another pitch, speed, much noise) from which they
#: count as seen: single rows may sound so by chance.
MANY = 0.02
#: What gives rows away besides speakers and samples of a record.
NAMED = "the names of their files"
SOUNDING = "their sound, as copies or parts of what it was trained on"
CORPUS = "their corpus, which the checkpoint was trained on"


@dataclass(frozen=True, slots=True)
class Contamination:
    """An encoder and how many of the rows to be scored, or their speakers, it has seen.

    ``ways`` counts rows by what gave them away, where that was not its record alone.
    """

    encoder: str
    corpus: str
    seen: int
    scored: int
    ways: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        ways = "".join(f"; {count} by {way}" for way, count in self.ways.items())
        return (
            f"{self.encoder}: has seen {self.seen} of the {self.scored} utterances to be scored, "
            f"or their speakers, when it was trained and stopped (on {self.corpus}){ways}"
        )


@dataclass(frozen=True, slots=True)
class Sounds:
    """What is known of the rows before they are scored, by id: content keys, what sounds alike."""

    keys: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, AudioFingerprint] = field(default_factory=dict)
    landmarks: Mapping[str, Landmarks] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: Evidence, keys: Mapping[str, str] = NOTHING) -> "Sounds":
        """Those of rows that were heard; ``keys`` are known besides."""
        return cls({**keys, **evidence.keys}, evidence.signatures, evidence.landmarks)


def check_unseen(
    study: Study, corpus: Corpus, arms: Sequence[str], scored: Sequence[Utterance], sounds: Sounds
) -> tuple[Contamination, ...]:
    """Encoders that have seen something of what is to be scored, where the study allows it.

    Without ``sounds`` only the names of speakers and of files tell.

    Raises:
        ConfigError: there are some and the study does not allow it; names each, how much it has
            seen, and what allows it.
    """
    contaminations = [
        _contamination(name, corpus, scored, sounds, record, _heard(spec, record))
        for name, spec in used_specs(study, arms).items()
        for record in [provenance_of(spec)]
    ]
    contaminations += [
        _contamination(name, corpus, scored, sounds, None, heard)
        for name, heard in _started(study, arms)
    ]
    return allowed(study, [found for found in contaminations if found is not None])


def _contamination(
    name: str,
    corpus: Corpus,
    scored: Sequence[Utterance],
    sounds: Sounds,
    record: Provenance | None,
    heard: Sequence[str],
) -> Contamination | None:
    """What one encoder has seen, by its record and by the corpora that it has ``heard``."""
    seen: dict[str, set[str]] = {"": set(), **{way: set() for way in (NAMED, SOUNDING, CORPUS)}}
    if record is not None:
        held = record.seen
        seen[""] = {u.id for u in scored if is_seen(held, corpus, u, sounds.keys.get(u.id))}
        seen[NAMED] = {u.id for u in scored if _is_named(held, u)}
        seen[SOUNDING] = _sounding(record, scored, sounds)
    seen[CORPUS] = {u.id for u in scored if _origin_of(corpus, u) in heard}
    known: set[str] = set()
    ways = {}
    for way, rows in seen.items():
        ways[way] = len(rows - known)
        known |= rows
    if not known:
        return None
    told = {way: count for way, count in ways.items() if way and count}
    where = record.corpus if record is not None else ", ".join(heard)
    return Contamination(name, where, len(known), len(scored), told)


def allowed(study: Study, contaminations: Sequence[Contamination]) -> tuple[Contamination, ...]:
    """What was found, where the study allows it.

    Raises:
        ConfigError: it does not.
    """
    if contaminations and not study.allow_contaminated:
        raise ConfigError(
            f"{'; '.join(map(str, contaminations))}: its score there says nothing about other "
            f"speakers. Score another corpus, take another encoder, or add {FLAG}, which marks "
            "every table and model"
        )
    return tuple(contaminations)


def is_seen(held: TrainingRecord, corpus: Corpus, utterance: Utterance, key: str | None) -> bool:
    """Whether an encoder has seen an utterance or its speaker, however corpora were merged."""
    origin, speaker = utterance.corpus or corpus.name, utterance.speaker
    if speaker is not None and utterance.corpus is not None:
        speaker = speaker.removeprefix(f"{origin}/")
    return held.holds(origin, speaker, key) or f"{origin}/{speaker}" in held.speakers


def _is_named(held: TrainingRecord, utterance: Utterance) -> bool:
    """Whether the name of a file is one of a known corpus, and of a speaker who was seen."""
    name = known_name(utterance)
    if name is None or name.speaker is None:
        return False
    return held.holds(name.corpus, name.speaker, None) or (
        f"{name.corpus}/{name.speaker}" in held.speakers
    )


def _origin_of(corpus: Corpus, utterance: Utterance) -> str:
    """The corpus of a row: by the name of its file, or as it was named."""
    name = known_name(utterance)
    return (utterance.corpus or corpus.name) if name is None else name.corpus


def _sounding(record: Provenance, scored: Sequence[Utterance], sounds: Sounds) -> set[str]:
    """Rows that are copies or parts of the record's; likely copies count where they are many."""
    if not record.fingerprints or not sounds.signatures:
        return set()
    signed = [sounds.signatures.get(utterance.id) for utterance in scored]
    known = known_again(signed, FingerprintSet.unpacked(record.fingerprints))
    many = known.changed.sum() >= max(MANY * len(scored), 3)
    rows = known.same | known.changed if many else known.same
    # Any two steady sounds have the same landmarks.
    marks = [
        sounds.landmarks.get(utterance.id) if sign is not None and sign.telling else None
        for utterance, sign in zip(scored, signed, strict=True)
    ]
    rows = rows | in_part_known(marks, landmarks.unpacked(record.landmarks))
    return {utterance.id for utterance, found in zip(scored, rows, strict=True) if found}


def _heard(spec: Spec, record: Provenance | None = None) -> tuple[str, ...]:
    """Corpora that a public checkpoint has heard, or the one that training started from."""
    start = None if record is None else CARDS.get(record.start.split(",")[0])
    card = start or CARDS.get(spec.checkpoint or "")
    return () if card is None or spec.untrained else card.heard


def _started(study: Study, arms: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What has heard something before it is trained in every fold, or is scored as published."""
    for kind, typed in typed_encoders(study):
        if typed.startswith(FINETUNED) and _is_read(kind, arms):
            spec = parse_trainable(typed, kind).modality.encoder
            yield f"--{kind} {typed}", _heard(spec)
    for arm in arms:
        if arm.startswith(PUBLISHED):
            card = CARDS.get(checkpoint_of(arm))
            yield f"--arms {arm}", () if card is None else card.heard


def _is_read(kind: Kind, arms: Sequence[str]) -> bool:
    return bool(inputs_needed(arms) & {kind, SEQUENCE_OF[kind]})


def used_specs(study: Study, arms: Sequence[str]) -> dict[str, Spec]:
    """Encoders that some arm needs, by what the user typed."""
    return {
        f"--{kind} {typed}": parse_modality(typed, kind).encoder
        for kind, typed in typed_encoders(study)
        # What is trained in every fold has seen nothing yet (experiments.comparing.fold_encoders).
        if not typed.startswith((FEATURES, FINETUNED)) and _is_read(kind, arms)
    }


def scored_rows(utterances: Iterable[Utterance], folds: Sequence[Fold]) -> tuple[Utterance, ...]:
    """Utterances that are in some test set."""
    tested = {name for fold in folds for name in fold.test}
    return tuple(utterance for utterance in utterances if utterance.id in tested)


def stamped(model: FusionModel, contaminations: Sequence[Contamination]) -> FusionModel:
    """The model whose card and caution say what its encoders knew before; itself where nothing."""
    if not contaminations:
        return model
    caution = (
        f"contaminated: {'; '.join(map(str, contaminations))}; how sure it is and how often it is "
        "right were measured on speech that its encoder knows"
    )
    before = f"{model.origin.caution}; " if model.origin.caution else ""
    return replace(model, origin=replace(model.origin, caution=before + caution))


def remarks(
    modalities: Mapping[str, Modality], contaminations: Sequence[Contamination]
) -> tuple[str, ...]:
    """What a report says of trained encoders: what they have seen, on whom, on which terms."""
    lines = [f"contaminated: {contamination}" for contamination in contaminations]
    for kind, modality in modalities.items():
        record = provenance_of(modality.encoder)
        if record is not None:
            lines.append(_origin(kind, record))
        elif heard := _heard(modality.encoder):
            lines.append(f"the {kind} encoder was trained on emotions of {', '.join(heard)}")
    return tuple(lines)


def _origin(kind: str, record: Provenance) -> str:
    speakers = len(record.train_speakers), len(record.dev_speakers)
    line = (
        f"the {kind} encoder was trained on {record.corpus}: {speakers[0]} speakers, and stopped "
        f"on {speakers[1]} more"
    )
    if not record.fingerprints:
        line += "; its record has no fingerprints, so that changed copies are not known by it"
    return f"{line}; {record.notice}" if record.notice else line
