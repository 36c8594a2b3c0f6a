"""From a corpus to the rows of a comparison: transcripts, embeddings, what is dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encoders.encoder import fingerprint_of, locate_weights
from encoders.extraction import Extraction, Failure, Progress, embed_audio, embed_text
from encoders.features import Features, read_features
from encoders.names import parse_modality
from encoders.pooling import for_head, statistics_of
from encoders.recognisers import normalise, parse_recogniser, recogniser_fingerprint
from encoders.specs import Kind, Modality
from encoders.store import EmbeddingStore
from encoders.transcription import transcribe
from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.config import ConfigError, Study
from fusion.arms import ARMS
from fusion.batch import Dataset, collate

FEATURES = "features:"


@dataclass(frozen=True, slots=True)
class Words:
    """The transcript of each utterance, and which of them were recognised."""

    texts: Mapping[str, str]
    recognised: frozenset[str] = frozenset()
    back_end: str | None = None
    failures: tuple[Failure, ...] = ()


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
    silent: tuple[str, ...] = ()


def labelled(corpus: Corpus) -> tuple[Utterance, ...]:
    """Utterances that can be scored; raises where the task or the classes allow no comparison."""
    if corpus.task != "single-label":
        what = f"{corpus.task} targets: this version compares single-label classification only"
        raise CorpusError(corpus.name, [Fault("label", what)])
    rows = tuple(utterance for utterance in corpus.utterances if utterance.target is not None)
    found = {corpus.label(utterance) for utterance in rows}
    if len(found) < 2:
        what = f"{len(found)} class among {len(rows)} labelled utterances: at least two are needed"
        raise CorpusError(corpus.name, [Fault("label", what)])
    absent = [target for target in corpus.targets if target not in found]
    if absent:
        what = f"no utterance of {', '.join(absent)}: take them out of --labels"
        raise CorpusError(corpus.name, [Fault("label", what)])
    return rows


def preflight(study: Study, utterances: Sequence[Utterance]) -> None:
    """Find every weight that a study will need before any work starts.

    Raises:
        MissingWeightsError: some weights are neither here nor to be had; ValueError: a name is
            unknown, or a features file cannot be read.
    """
    for kind, typed in (("audio", study.audio), ("text", study.text)):
        if typed.startswith(FEATURES):
            _features(typed)
            continue
        locate_weights(parse_modality(typed, "audio" if kind == "audio" else "text").encoder)
    if study.text.startswith(FEATURES):
        return
    wordless = any(u.audio is not None and normalise(u.transcript) is None for u in utterances)
    if study.transcript == "asr" or (study.transcript == "gold_else_asr" and wordless):
        recogniser_fingerprint(parse_recogniser(study.asr))


def find_words(
    utterances: Sequence[Utterance], study: Study, store: EmbeddingStore, progress: Progress | None
) -> Words:
    """Transcripts as the study wants them: gold, recognised, or both, gold first."""
    gold = {u.id: text for u in utterances if (text := normalise(u.transcript)) is not None}
    if study.transcript == "gold" or study.text.startswith(FEATURES):
        return Words(gold)
    wanted = [
        u
        for u in utterances
        if u.audio is not None and (study.transcript == "asr" or u.id not in gold)
    ]
    if not wanted:
        return Words(gold if study.transcript == "gold_else_asr" else {})
    done = transcribe(wanted, parse_recogniser(study.asr), store.root, progress=progress)
    heard = {name: text for name, t in done.transcripts.items() if (text := t.text) is not None}
    kept = {} if study.transcript == "asr" else gold
    return Words({**kept, **heard}, frozenset(u.id for u in wanted), study.asr, done.failures)


def inputs_needed(arms: Sequence[str]) -> frozenset[str]:
    """Names of the inputs that some arm reads."""
    return frozenset(name for arm in arms for name in ARMS[arm].inputs)


def gather(
    corpus: Corpus,
    utterances: Sequence[Utterance],
    words: Words,
    study: Study,
    arms: Sequence[str],
    store: EmbeddingStore,
    progress: Progress | None,
) -> Inputs:
    """Embed what the arms need and line the rows up.

    A row that lacks a modality leaves every arm (``rows="complete"``) and is listed.
    """
    needed = inputs_needed(arms)
    audio = _modal("audio", study.audio, needed, utterances, words, store, progress)
    text = _modal("text", study.text, needed, utterances, words, store, progress)
    frames = {**audio.frames, **text.frames}
    why = {f.utterance: f.why for f in (*words.failures, *audio.failures, *text.failures)}
    kept, dropped = _split_rows(utterances, frames, why, study.rows)
    if not kept:
        raise CorpusError(corpus.name, [Fault(f.utterance, f.why) for f in dropped])
    data = Dataset(
        ids=tuple(u.id for u in kept),
        targets=corpus.targets,
        truth=np.array([corpus.targets.index(corpus.label(u) or "") for u in kept], np.int64),
        inputs={name: collate([rows.get(u.id) for u in kept]) for name, rows in frames.items()},
    )
    failures = {f.utterance: f for f in (*words.failures, *audio.failures, *text.failures)}
    return Inputs(
        data=data,
        utterances=kept,
        words=words,
        identity={**audio.identity, **text.identity},
        keys=audio.keys,
        modalities={**audio.modalities, **text.modalities},
        encoded=audio.encoded + text.encoded,
        cached=audio.cached + text.cached,
        dropped=dropped,
        failures=tuple(failures.values()),
        warnings=_silence(audio.silent),
    )


def check_sequences(study: Study, arms: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Arms that the inputs can serve, and warnings; attention over single frames is refused."""
    flat = {
        name: typed
        for name, typed in (("audio_frames", study.audio), ("text_tokens", study.text))
        if typed.startswith(FEATURES) and not _features(typed).sequences
    }
    lost = [a for a in arms if ARMS[a].head == "attention" and flat.keys() & ARMS[a].inputs]
    if not lost:
        return tuple(arms), ()
    if study.arms is None:
        # Audio frames alone are there for the sake of attention.
        lost = [a for a in arms if ARMS[a].head == "attention"]
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
    sequence_name = {"audio": "audio_frames", "text": "text_tokens"}[kind]
    if typed.startswith(FEATURES):
        return _precomputed(kind, sequence_name, needed, _features(typed), utterances)
    modality = parse_modality(typed, kind)
    wanted = {
        name: found
        for name, found in ((kind, modality), (sequence_name, modality.as_sequence()))
        if name in needed
    }
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
        modalities=wanted,
        encoded=done.encoded,
        cached=done.cached,
        failures=done.failures,
        silent=done.silent,
    )
    for name, found in wanted.items():
        modal.identity[name] = fingerprint_of(found.encoder)
        modal.frames[name] = _read(found, modal.identity[name], done, store)
    return modal


def _read(
    modality: Modality, fingerprint: str, done: Extraction, store: EmbeddingStore
) -> dict[str, Tensor]:
    stored = store.space(modality.encoder, fingerprint).read(list(done.keys.values()))
    return {
        name: for_head(torch.from_numpy(embedding.values), modality)
        for name, embedding in zip(done.keys, stored, strict=True)
    }


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
    modal = Modal(cached=len(own))
    if kind in needed:
        modal.frames[kind] = {
            name: statistics_of(rows) if features.sequences else rows for name, rows in own.items()
        }
        modal.identity[kind] = features.sha256
    if sequence_name in needed:
        modal.frames[sequence_name] = own
        modal.identity[sequence_name] = features.sha256
    return modal


# ---------------------------------------------------------------- rows


def _split_rows(
    utterances: Sequence[Utterance],
    frames: Mapping[str, Mapping[str, Tensor]],
    why: Mapping[str, str],
    rows: str,
) -> tuple[tuple[Utterance, ...], tuple[Failure, ...]]:
    kept: list[Utterance] = []
    dropped: list[Failure] = []
    for utterance in utterances:
        lacking = [name for name in frames if utterance.id not in frames[name]]
        if not lacking or (rows == "all" and len(lacking) < len(frames)):
            kept.append(utterance)
        else:
            reason = why.get(utterance.id) or f"has no {' and no '.join(_plain(lacking))}"
            dropped.append(Failure(utterance.id, reason))
    return tuple(kept), tuple(dropped)


def _plain(names: Sequence[str]) -> list[str]:
    plain = {"audio": "audio", "audio_frames": "audio", "text": "words", "text_tokens": "words"}
    return list(dict.fromkeys(plain[name] for name in names))


def _silence(silent: Sequence[str]) -> tuple[str, ...]:
    if not silent:
        return ()
    shown = ", ".join(silent[:5]) + (", ..." if len(silent) > 5 else "")
    return (f"{len(silent)} recordings are silent (peak below -80 dB): {shown}",)
