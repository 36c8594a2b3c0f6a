"""Law 4 for fine-tuned encoders: what one was trained or stopped on must not be scored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from encoders.provenance import Provenance, TrainingRecord, provenance_of
from encoders.specs import Modality, Spec
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, Utterance
from experiments.comparing.inputs import FEATURES, SEQUENCE_OF, inputs_needed, typed_encoders
from experiments.config import FINETUNED, ConfigError, Study
from fusion.splitting.splits import Fold

FLAG = "--allow-contaminated"


@dataclass(frozen=True, slots=True)
class Contamination:
    """An encoder and how many of the rows to be scored, or their speakers, it has seen."""

    encoder: str
    corpus: str
    seen: int
    scored: int

    def __str__(self) -> str:
        return (
            f"{self.encoder}: has seen {self.seen} of the {self.scored} utterances to be scored, "
            f"or their speakers, when it was trained and stopped (on {self.corpus})"
        )


def check_unseen(
    study: Study,
    corpus: Corpus,
    arms: Sequence[str],
    scored: Sequence[Utterance],
    keys: Mapping[str, str],
) -> tuple[Contamination, ...]:
    """Encoders that have seen something of what is to be scored, where the study allows it.

    ``keys`` are content keys of the utterances as far as they are known: without them only the
    names of speakers tell.

    Raises:
        ConfigError: there are some and the study does not allow it; names each, how much it has
            seen, and what allows it.
    """
    contaminations = []
    for name, spec in used_specs(study, arms).items():
        record = provenance_of(spec)
        if record is None:
            continue
        held = record.seen
        count = sum(is_seen(held, corpus, u, keys.get(u.id)) for u in scored)
        if count:
            contaminations.append(Contamination(name, record.corpus, count, len(scored)))
    return allowed(study, contaminations)


def allowed(study: Study, contaminations: Sequence[Contamination]) -> tuple[Contamination, ...]:
    """What was found, where the study allows it.

    Raises:
        ConfigError: it does not.
    """
    if contaminations and not study.allow_contaminated:
        raise ConfigError(
            f"{'; '.join(map(str, contaminations))}: its score there says nothing about other "
            f"speakers. Score another corpus, take another encoder, or add {FLAG}, which marks "
            "every table"
        )
    return tuple(contaminations)


def is_seen(held: TrainingRecord, corpus: Corpus, utterance: Utterance, key: str | None) -> bool:
    """Whether an encoder has seen an utterance or its speaker, however corpora were merged."""
    origin, speaker = utterance.corpus or corpus.name, utterance.speaker
    if speaker is not None and utterance.corpus is not None:
        speaker = speaker.removeprefix(f"{origin}/")
    return held.holds(origin, speaker, key) or f"{origin}/{speaker}" in held.speakers


def used_specs(study: Study, arms: Sequence[str]) -> dict[str, Spec]:
    """Encoders that some arm needs, by what the user typed."""
    needed = inputs_needed(arms)
    return {
        f"--{kind} {typed}": parse_modality(typed, kind).encoder
        for kind, typed in typed_encoders(study)
        # What is trained in every fold has seen nothing yet (experiments.comparing.fold_encoders).
        if not typed.startswith((FEATURES, FINETUNED)) and needed & {kind, SEQUENCE_OF[kind]}
    }


def scored_rows(utterances: Iterable[Utterance], folds: Sequence[Fold]) -> tuple[Utterance, ...]:
    """Utterances that are in some test set."""
    tested = {name for fold in folds for name in fold.test}
    return tuple(utterance for utterance in utterances if utterance.id in tested)


def remarks(
    modalities: Mapping[str, Modality], contaminations: Sequence[Contamination]
) -> tuple[str, ...]:
    """What a report says of fine-tuned encoders: what they have seen, on whom, on which terms."""
    records = {m.name: provenance_of(m.encoder) for m in modalities.values()}
    lines = [_origin(kind, record) for kind, record in records.items() if record is not None]
    return (*(f"contaminated: {contamination}" for contamination in contaminations), *lines)


def _origin(kind: str, record: Provenance) -> str:
    speakers = len(record.train_speakers), len(record.dev_speakers)
    line = (
        f"the {kind} encoder was trained on {record.corpus}: {speakers[0]} speakers, and stopped "
        f"on {speakers[1]} more"
    )
    return f"{line}; {record.notice}" if record.notice else line
