"""From a corpus to the rows of a comparison: transcripts, embeddings, what is dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64, Int64

from encoders.asr.recognisers import parse_recogniser, recogniser_fingerprint
from encoders.encoder import locate_weights
from encoders.extraction import Failure, Progress
from encoders.features import Features, read_features
from encoders.pooling import statistics_of
from encoders.specs import Kind, Modality
from encoders.store import EmbeddingStore
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.comparing.finetuned import check_trainable, is_finetuned, parse_trainable
from experiments.comparing.modal import Awaited, Modal, awaiting, encoded
from experiments.comparing.published import Published
from experiments.comparing.rows import split_rows
from experiments.comparing.words import Words, to_recognise
from experiments.config import FINETUNED, ConfigError, Study
from fusion.batch import Dataset, collate
from fusion.networks.head import fixed_values
from fusion.training.arm_table import arm_of

FEATURES = "features:"
#: Input that holds a kind of encoder's frames or tokens; the pooled input has the kind's name.
SEQUENCE_OF: Mapping[Kind, str] = MappingProxyType({"audio": "audio_frames", "text": "text_tokens"})
NONE: Mapping[str, Published] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows of a comparison with everything a head reads, and what happened on the way."""

    data: Dataset
    utterances: tuple[Utterance, ...]
    words: Words
    identity: Mapping[str, str]
    keys: Mapping[str, str]
    modalities: Mapping[str, Modality]
    encoded: int
    cached: int
    dropped: tuple[Failure, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]
    published: Mapping[str, Published]
    awaited: tuple[Awaited, ...] = ()


def preflight(
    study: Study,
    utterances: Sequence[Utterance],
    arms: Sequence[str],
    published: Mapping[str, Published] = NONE,
) -> None:
    """Find every weight that a study will need, and read every value, before any work starts.

    Raises:
        MissingWeightsError: some weights or a package are neither here nor to be had;
            ValueError: a name is unknown, or a features file cannot be read.
    """
    fixed_values(study.head)
    needed = inputs_needed(arms)
    check_crossfitted(study, arms)
    recogniser = parse_recogniser(study.asr)
    for kind, typed in typed_encoders(study):
        if typed.startswith(FEATURES):
            _features(typed)
        elif is_finetuned(typed):
            trainable = parse_trainable(typed, kind)
            if needed & {kind, SEQUENCE_OF[kind]}:
                check_trainable(trainable)
        else:
            spec = parse_modality(typed, kind).encoder
            if needed & {kind, SEQUENCE_OF[kind]}:
                locate_weights(spec)
    if reads_words(study, arms, published) and to_recognise(utterances, study.transcript):
        recogniser_fingerprint(recogniser)


def check_crossfitted(study: Study, arms: Sequence[str]) -> None:
    """Refuse cross-fitted arms where no encoder is trained: there would be nothing to cross.

    Raises:
        ConfigError: there are some.
    """
    asked = [arm for arm in arms if arm_of(arm).crossfitted]
    if asked and not any(is_finetuned(typed) for _, typed in typed_encoders(study)):
        raise ConfigError(
            f"--arms {','.join(asked)}: cross-fits encoders that are trained here, and none is; "
            f"name one as in --audio {FINETUNED}alexnet, or leave the arm out"
        )


def typed_encoders(study: Study) -> tuple[tuple[Kind, str], ...]:
    """What the user typed for each kind of encoder."""
    return ("audio", study.audio), ("text", study.text)


def reads_words(
    study: Study, arms: Sequence[str], published: Mapping[str, Published] = NONE
) -> bool:
    """Whether some arm encodes transcripts; without one nothing need be recognised."""
    read = inputs_needed(arms) & {"text", SEQUENCE_OF["text"]}
    scored = any(one.spec.kind == "text" for one in published.values())
    return scored or (bool(read) and not study.text.startswith(FEATURES))


def inputs_needed(arms: Sequence[str]) -> frozenset[str]:
    """Names of the inputs that some arm reads."""
    return frozenset(name for arm in arms for name in arm_of(arm).inputs)


def gather(
    corpus: Corpus,
    utterances: Sequence[Utterance],
    words: Words,
    study: Study,
    arms: Sequence[str],
    store: EmbeddingStore,
    progress: Progress | None,
    published: Mapping[str, Published] = NONE,
) -> Inputs:
    """Embed what the arms need and line the rows up.

    A row that lacks a modality leaves every arm (``rows="complete"``) and is listed.
    """
    needed = inputs_needed(arms)
    modals = [
        _modal("audio", study.audio, needed, utterances, words, store, progress),
        _modal("text", study.text, needed, utterances, words, store, progress),
        *(_scored(one, utterances, words, store, progress) for one in published.values()),
    ]
    frames = {name: rows for modal in modals for name, rows in modal.frames.items()}
    layers = {name: count for modal in modals for name, count in modal.layers.items()}
    why = {name: reason for modal in modals for name, reason in modal.absent.items()}
    failed = [*words.failures, *(f for modal in modals for f in modal.failures)]
    why |= {f.utterance: f.why for f in failed}
    awaited = {name for m in modals if m.awaited is not None for name in m.awaited.inputs}
    kept, dropped = split_rows(utterances, frames, why, study.rows)
    if not kept:
        raise CorpusError(corpus.name, [Fault(f.utterance, f.why) for f in dropped])
    data = Dataset(
        ids=tuple(u.id for u in kept),
        targets=corpus.targets,
        truth=_truth(corpus, kept),
        task=corpus.task,
        values=None if corpus.task == "single-label" else _values(corpus, kept),
        inputs={
            name: collate([rows.get(u.id) for u in kept], layers.get(name, 1))
            for name, rows in frames.items()
            if name not in awaited
        },
    )
    return Inputs(
        data=data,
        utterances=kept,
        words=words,
        identity={name: mark for modal in modals for name, mark in modal.identity.items()},
        keys={u: key for modal in modals if modal.heard for u, key in modal.keys.items()},
        modalities={name: m for modal in modals for name, m in modal.modalities.items()},
        encoded=sum(modal.encoded for modal in modals),
        cached=sum(modal.cached for modal in modals),
        dropped=dropped,
        failures=tuple({f.utterance: f for f in failed}.values()),
        warnings=tuple(dict.fromkeys(line for modal in modals for line in modal.remarks)),
        published=published,
        awaited=tuple(modal.awaited for modal in modals if modal.awaited is not None),
    )


def _truth(corpus: Corpus, utterances: Sequence[Utterance]) -> Int64[np.ndarray, "rows"]:
    """Class of each row, -1 where it has none or several."""
    if corpus.task in ("multi-label", "regression"):
        return np.full(len(utterances), -1, np.int64)
    found = [corpus.classes(utterance) for utterance in utterances]
    return np.array([corpus.targets.index(next(iter(c))) if c else -1 for c in found], np.int64)


def _values(corpus: Corpus, utterances: Sequence[Utterance]) -> Float64[np.ndarray, "rows targets"]:
    """Targets as numbers; shares are brought to a sum of 1, which two decimals may miss."""
    found = np.array([utterance.target for utterance in utterances], np.float64)
    if corpus.task == "distribution":
        return found / found.sum(axis=1, keepdims=True)
    return found


def check_sequences(study: Study, arms: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Arms that the inputs can serve, and warnings; attention over single frames is refused."""
    flat = {
        name: typed
        for name, typed in (("audio_frames", study.audio), ("text_tokens", study.text))
        if typed.startswith(FEATURES) and not _features(typed).sequences
    }
    lost = [a for a in arms if flat.keys() & arm_of(a).inputs]
    if not lost:
        return tuple(arms), ()
    if study.arms is None:
        # Audio frames alone are there for the sake of attention.
        lost = [a for a in arms if set(SEQUENCE_OF.values()) & {*arm_of(a).inputs}]
    file = next(iter(flat.values()))
    why = f"{file} holds one frame per utterance, over which attention is an MLP in disguise"
    if study.arms is not None:
        raise ConfigError(f"--arms {','.join(lost)}: {why}; give sequences with 'lengths'")
    return tuple(a for a in arms if a not in lost), (f"left out {', '.join(lost)}: {why}",)


# ---------------------------------------------------------------- one modality


def _modal(
    kind: Kind,
    typed: str,
    needed: frozenset[str],
    utterances: Sequence[Utterance],
    words: Words,
    store: EmbeddingStore,
    progress: Progress | None,
) -> Modal:
    sequence_name = SEQUENCE_OF[kind]
    if not needed & {kind, sequence_name}:
        return Modal()
    if typed.startswith(FEATURES):
        return _precomputed(kind, sequence_name, needed, _features(typed), utterances)
    if is_finetuned(typed):
        trainable = parse_trainable(typed, kind)
        wanted = inputs_of(trainable.modality, kind, needed)
        return awaiting(trainable, wanted, utterances, words, store, progress)
    wanted = inputs_of(parse_modality(typed, kind), kind, needed)
    modal = encoded(kind, wanted, utterances, words, store, progress)
    modal.modalities = dict(wanted)
    return modal


def inputs_of(modality: Modality, kind: Kind, needed: frozenset[str]) -> dict[str, Modality]:
    """What an encoder gives by the name of the input: pooled, and as a sequence."""
    both = ((kind, modality), (SEQUENCE_OF[kind], modality.as_sequence()))
    return {name: found for name, found in both if name in needed}


def _scored(
    one: Published,
    utterances: Sequence[Utterance],
    words: Words,
    store: EmbeddingStore,
    progress: Progress | None,
) -> Modal:
    """Logits of a published classifier; it is no part of the model that a run leaves."""
    own = Modality(name=one.spec.kind, encoder=one.spec)
    return encoded(one.spec.kind, {one.arm: own}, utterances, words, store, progress)


def _features(typed: str) -> Features:
    return read_features(Path(typed.removeprefix(FEATURES)))


def _precomputed(
    kind: Kind,
    sequence_name: str,
    needed: frozenset[str],
    features: Features,
    utterances: Sequence[Utterance],
) -> Modal:
    own = {u.id: features.frames[u.id] for u in utterances if u.id in features.frames}
    if not own:
        raise ConfigError(
            f"--{kind} features: none of its {len(features.frames)} ids is an utterance's "
            f"(first there: {next(iter(features.frames), 'none')}, first here: {utterances[0].id})"
        )
    absent = {u.id: f"is not in the {kind} features" for u in utterances if u.id not in own}
    modal = Modal(cached=len(own), absent=absent)
    if kind in needed:
        modal.frames[kind] = {
            name: statistics_of(rows) if features.sequences else rows for name, rows in own.items()
        }
        modal.identity[kind] = features.sha256
    if sequence_name in needed:
        modal.frames[sequence_name] = own
        modal.identity[sequence_name] = features.sha256
    return modal
