"""From a corpus to the rows of a comparison: transcripts, embeddings, what is dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from encoders.encoder import fingerprint_of, locate_weights
from encoders.extraction import Extraction, Failure, Progress, embed_audio, embed_text
from encoders.features import Features, read_features
from encoders.names import parse_modality
from encoders.pooling import for_head, statistics_of
from encoders.recognisers import parse_recogniser, recogniser_fingerprint
from encoders.specs import Kind, Modality
from encoders.store import Embedding, EmbeddingStore
from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.config import ConfigError, Study
from experiments.published import Published
from experiments.remarks import cuts, silence
from experiments.rows import split_rows
from experiments.words import Words, to_recognise
from fusion.arms import arm_of
from fusion.batch import Dataset, collate

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


@dataclass(slots=True)
class Modal:
    """One modality of all utterances while inputs are gathered, by the name of the input."""

    frames: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    identity: dict[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    modalities: dict[str, Modality] = field(default_factory=dict)
    encoded: int = 0
    cached: int = 0
    failures: tuple[Failure, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    heard: bool = False
    layers: dict[str, int] = field(default_factory=dict)


def preflight(
    study: Study,
    utterances: Sequence[Utterance],
    arms: Sequence[str],
    published: Mapping[str, Published] = NONE,
) -> None:
    """Find every weight that a study will need before any work starts.

    Raises:
        MissingWeightsError: some weights or a package are neither here nor to be had;
            ValueError: a name is unknown, or a features file cannot be read.
    """
    needed = inputs_needed(arms)
    recogniser = parse_recogniser(study.asr)
    for kind, typed in typed_encoders(study):
        if typed.startswith(FEATURES):
            _features(typed)
            continue
        spec = parse_modality(typed, kind).encoder
        if needed & {kind, SEQUENCE_OF[kind]}:
            locate_weights(spec)
    if reads_words(study, arms, published) and to_recognise(utterances, study.transcript):
        recogniser_fingerprint(recogniser)


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
    kept, dropped = split_rows(utterances, frames, why, study.rows)
    if not kept:
        raise CorpusError(corpus.name, [Fault(f.utterance, f.why) for f in dropped])
    data = Dataset(
        ids=tuple(u.id for u in kept),
        targets=corpus.targets,
        truth=np.array([corpus.targets.index(corpus.label(u) or "") for u in kept], np.int64),
        inputs={
            name: collate([rows.get(u.id) for u in kept], layers.get(name, 1))
            for name, rows in frames.items()
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
    )


def check_sequences(study: Study, arms: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Arms that the inputs can serve, and warnings; attention over single frames is refused."""
    flat = {
        name: typed
        for name, typed in (("audio_frames", study.audio), ("text_tokens", study.text))
        if typed.startswith(FEATURES) and not _features(typed).sequences
    }
    lost = [a for a in arms if arm_of(a).head == "attention" and flat.keys() & arm_of(a).inputs]
    if not lost:
        return tuple(arms), ()
    if study.arms is None:
        # Audio frames alone are there for the sake of attention.
        lost = [a for a in arms if arm_of(a).head == "attention"]
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
    modality = parse_modality(typed, kind)
    wanted = {
        name: found
        for name, found in ((kind, modality), (sequence_name, modality.as_sequence()))
        if name in needed
    }
    modal = _encoded(kind, wanted, utterances, words, store, progress)
    modal.modalities = wanted
    return modal


def _scored(
    one: Published,
    utterances: Sequence[Utterance],
    words: Words,
    store: EmbeddingStore,
    progress: Progress | None,
) -> Modal:
    """Logits of a published classifier; it is no part of the model that a run leaves."""
    own = Modality(name=one.spec.kind, encoder=one.spec)
    return _encoded(one.spec.kind, {one.arm: own}, utterances, words, store, progress)


def _encoded(
    kind: Kind,
    wanted: Mapping[str, Modality],
    utterances: Sequence[Utterance],
    words: Words,
    store: EmbeddingStore,
    progress: Progress | None,
) -> Modal:
    specs = [found.encoder for found in wanted.values()]
    if kind == "audio":
        voiced = [u for u in utterances if u.audio is not None]
        done = embed_audio(voiced, specs, store, progress=progress)
    else:
        ids = [u.id for u in utterances if u.id in words.texts]
        texts = {name: words.texts[name] for name in ids}
        done = embed_text(texts, specs, store, progress=progress)
    modal = Modal(
        keys=done.keys,
        encoded=done.encoded,
        cached=done.cached,
        failures=done.failures,
        heard=kind == "audio",
    )
    cut: tuple[str, ...] = ()
    for name, found in wanted.items():
        modal.identity[name] = fingerprint_of(found.encoder)
        stored = _read(found, modal.identity[name], done, store)
        modal.frames[name] = {
            row: for_head(torch.from_numpy(one.values), found, one.frame_count)
            for row, one in stored.items()
        }
        if found.layer == "mix":
            modal.layers[name] = max((len(one.values) for one in stored.values()), default=1)
        cut = cuts(found, {row: one.extent for row, one in stored.items()})
    modal.remarks = (*silence(done.silent), *cut)
    return modal


def _read(
    modality: Modality, fingerprint: str, done: Extraction, store: EmbeddingStore
) -> dict[str, Embedding]:
    stored = store.space(modality.encoder, fingerprint).read(list(done.keys.values()))
    return dict(zip(done.keys, stored, strict=True))


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
