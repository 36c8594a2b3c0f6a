"""From a corpus to the rows of a comparison: transcripts, embeddings, what is dropped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from encoders.asr.recognisers import parse_recogniser, recogniser_fingerprint
from encoders.context import ContextError, check_order, with_dialogues
from encoders.decode_index import DecodeIndex
from encoders.encoder import locate_weights
from encoders.extraction import Extractor, Failure, Progress, shared_encoders
from encoders.features import Features, read_features
from encoders.messages import printable
from encoders.pooling import statistics_of
from encoders.specs import Kind, Modality
from encoders.store import EmbeddingStore
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.comparing.modality_data import ModalityData, PendingEncoder, modal_of, sources_of
from experiments.comparing.own_statistics import check_groups, groups_of
from experiments.comparing.published import Published
from experiments.comparing.scores_file import FileScores
from experiments.comparing.trainable import (
    FinetuneRequest,
    check_trainable,
    is_finetuned,
    parse_trainable,
)
from experiments.comparing.transcripts import Transcripts, contexts_of, find_words, to_recognise
from experiments.config import FINETUNED, ConfigError, Study
from fusion.batch import Dataset, collate
from fusion.networks.head import fixed_values
from fusion.splitting.splits import Fold, InnerFolds
from fusion.training.arm_table import Normalise, arm_of
from fusion.training.windows import VOICE_ALONE, WINDOWS

FEATURES = "features:"
#: Input that holds a kind of encoder's frames or tokens; the pooled input has the kind's name.
SEQUENCE_OF: Mapping[Kind, str] = MappingProxyType({"audio": "audio_frames", "text": "text_tokens"})
NONE: Mapping[str, Published] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ready:
    """A study of which nothing is wrong that can be found before any work.

    Without a protocol and folds nothing is scored.
    """

    study: Study
    corpus: Corpus
    rows: tuple[Utterance, ...]
    arms: tuple[str, ...]
    notes: tuple[str, ...] = ()
    published: Mapping[str, Published] = field(default_factory=dict)
    protocol: str = ""
    folds: tuple[Fold, ...] = ()
    inner: tuple[InnerFolds, ...] = ()
    scores: Mapping[str, FileScores] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows of a comparison with everything a head reads, and what happened on the way.

    ``around`` are the ids of the turns that are read with the words of each row.
    """

    data: Dataset
    utterances: tuple[Utterance, ...]
    words: Transcripts
    identity: Mapping[str, str]
    keys: Mapping[str, str]
    modalities: Mapping[str, Modality]
    encoded: int
    cached: int
    dropped: tuple[Failure, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]
    published: Mapping[str, Published]
    awaited: tuple[PendingEncoder, ...] = ()
    around: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scores: Mapping[str, FileScores] = field(default_factory=dict)
    normalise: Normalise = "training"


def preflight(
    study: Study,
    utterances: Sequence[Utterance],
    arms: Sequence[str],
    published: Mapping[str, Published] = NONE,
) -> None:
    """Find every weight that a study will need, and read every value, before any work starts.

    Raises:
        MissingWeightsError: some weights or a package are neither here nor to be had;
            ValueError: a name is unknown, or a features file cannot be read; ConfigError: windows
            are asked for that no arm reads.
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
            _check_windows(trainable.modality, typed, arms)
            if needed & {kind, SEQUENCE_OF[kind]}:
                check_trainable(trainable)
        else:
            modality = parse_modality(typed, kind)
            _check_windows(modality, typed, arms)
            if needed & {kind, SEQUENCE_OF[kind]}:
                check_dialogues(modality, typed, utterances)
                locate_weights(modality.encoder)
    if reads_words(study, arms, published) and to_recognise(utterances, study.transcript):
        recogniser_fingerprint(recogniser)


def _check_windows(modality: Modality, typed: str, arms: Sequence[str]) -> None:
    if modality.windows == "each" and WINDOWS not in inputs_needed(arms):
        raise ConfigError(
            f"--audio {typed}: windows are scored by arms that read the voice alone, and none of "
            f"{', '.join(arms)} does; add audio, audio_linear or late, or leave windows=each out"
        )


def check_dialogues(modality: Modality, typed: str, utterances: Sequence[Utterance]) -> None:
    """Refuse turns around utterances where no place in a dialogue is known.

    Raises:
        ConfigError: none is; names the columns.
    """
    try:
        if modality.in_dialogue:
            check_order(utterances)
    except ContextError as error:
        raise ConfigError(f"--{modality.name} {typed}: {error}") from None


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


def words_of(
    ready: Ready, store: EmbeddingStore, hints: DecodeIndex, progress: Progress | None
) -> Transcripts:
    """The words of every row; those that are missing are recognised where some arm reads words."""
    read = reads_words(ready.study, ready.arms, ready.published)
    source = ready.study.transcript if read else "gold"
    return find_words(turns_read(ready), source, ready.study.asr, store, hints, progress)


def turns_read(ready: Ready) -> tuple[Utterance, ...]:
    """Whose words are read: the rows, and all of their dialogues where turns around them are."""
    asked = [m.in_dialogue for r in _requests(ready) if r.kind == "text" for m in r.wanted.values()]
    return with_dialogues(ready.rows, ready.corpus.utterances) if any(asked) else ready.rows


def inputs_needed(arms: Sequence[str]) -> frozenset[str]:
    """Names of the inputs that some arm reads, windows where one reads the voice alone."""
    every = [arm_of(arm).inputs for arm in arms]
    windows = [WINDOWS] if VOICE_ALONE in every else []
    return frozenset([*windows, *(name for inputs in every for name in inputs)])


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked of one encoder, or of precomputed features, by the name of the input.

    A ``trainable`` one is trained in every fold; a ``published`` classifier is no part of the
    model that a run leaves.
    """

    kind: Kind
    wanted: Mapping[str, Modality] = field(default_factory=dict)
    features: Features | None = None
    trainable: FinetuneRequest | None = None
    published: bool = False


def _requests(ready: Ready) -> Iterator[_Request]:
    needed = inputs_needed(ready.arms)
    for kind, typed in typed_encoders(ready.study):
        if not needed & {kind, SEQUENCE_OF[kind]}:
            continue
        if typed.startswith(FEATURES):
            yield _Request(kind, features=_features(typed))
            continue
        trainable = parse_trainable(typed, kind) if is_finetuned(typed) else None
        modality = trainable.modality if trainable else parse_modality(typed, kind)
        yield _Request(kind, inputs_of(modality, kind, needed), trainable=trainable)
    for arm, one in ready.published.items():
        own = Modality(name=one.spec.kind, encoder=one.spec)
        yield _Request(one.spec.kind, {arm: own}, published=True)


def gather(
    ready: Ready,
    words: Transcripts,
    store: EmbeddingStore,
    hints: DecodeIndex,
    progress: Progress | None,
) -> Inputs:
    """Embed what the arms read, and line the rows up.

    A row that lacks a modality leaves every arm (``rows="complete"``) and is listed.
    """
    modals: list[ModalityData] = []
    for request in _requests(ready):
        if request.features is not None:
            modals.append(_precomputed(request.kind, request.features, ready))
            continue
        # Of an encoder that is yet to be trained nothing is kept: its inputs are only read.
        kept = {} if request.trainable else request.wanted
        extractor = Extractor(shared_encoders(one.encoder for one in kept.values()), store)
        # The words of every row amid turns of its dialogue, where a request reads these.
        around = next((m for m in request.wanted.values() if m.in_dialogue), None)
        contexts = contexts_of(words, ready.rows, turns_read(ready), around)
        sources = sources_of(request.kind, ready.rows, words, hints, contexts)
        done = extractor.extract(request.kind, sources, progress)
        read = [u for u in ready.rows if request.kind == "audio" and u.id in done.keys]
        modal = modal_of(request.kind, kept, extractor, done, hints.silent(read))
        if contexts is not None:
            modal.around, modal.remarks = contexts.around, (*contexts.lines(), *modal.remarks)
        if request.trainable is not None:
            # A frame of zeros stands for each embedding to come, so that rows can be lined up.
            modal.cached, blank = 0, torch.zeros(1, 1)
            modal.frames = {name: dict.fromkeys(modal.keys, blank) for name in request.wanted}
            modal.awaited = PendingEncoder(request.trainable, request.wanted, modal.keys)
        elif not request.published:
            modal.modalities = dict(request.wanted)
        modals.append(modal)
    modals += [_from_file(scores, ready.rows) for scores in ready.scores.values()]
    inputs = _lined_up(ready, words, modals)
    _check_extra(ready, inputs)
    return replace(inputs, warnings=(*inputs.warnings, *hints.odd(inputs.utterances)))


def _check_extra(ready: Ready, inputs: Inputs) -> None:
    """Raise a :class:`ConfigError` where extra data add nothing, because no row can be used."""
    left = {ready.corpus.extra.get(utterance.id) for utterance in inputs.utterances}
    for name in dict.fromkeys(ready.corpus.extra.values()):
        if name not in left:
            lost = [f for f in inputs.dropped if ready.corpus.extra.get(f.utterance) == name]
            first = f" (first {lost[0].utterance}: {lost[0].why})" if lost else ""
            raise ConfigError(
                f"--extra {printable(name)}: no row of it can be used{first}; features and scores "
                "of extra rows stand under ids as extra/NAME/ID"
            )


def _from_file(scores: FileScores, utterances: Sequence[Utterance]) -> ModalityData:
    rows = {name: torch.tensor([values]) for name, values in scores.rows.items()}
    lacking = [u.id for u in utterances if u.id not in rows]
    absent = {name: scores.why.get(name, f"has no row in {scores.file}") for name in lacking}
    return ModalityData(
        frames={scores.arm: rows}, identity={scores.arm: scores.sha256}, absent=absent
    )


def _lined_up(ready: Ready, words: Transcripts, modals: Sequence[ModalityData]) -> Inputs:
    """Rows that stay, with their truth and everything that was gathered of them."""
    corpus = ready.corpus
    frames = {name: rows for modal in modals for name, rows in modal.frames.items()}
    layers = {name: count for modal in modals for name, count in modal.layers.items()}
    why = {name: reason for modal in modals for name, reason in modal.absent.items()}
    failed = [*words.failures, *(f for modal in modals for f in modal.failures)]
    why |= {f.utterance: f.why for f in failed}
    awaited = {name for m in modals if m.awaited is not None for name in m.awaited.inputs}
    kept, dropped = split_rows(ready.rows, frames, why, ready.study.rows)
    if not kept:
        raise CorpusError(corpus.name, [Fault(f.utterance, f.why) for f in dropped])
    data = Dataset(
        ids=tuple(u.id for u in kept),
        targets=corpus.targets,
        truth=_truth(corpus, kept),
        task=corpus.task,
        values=None if corpus.task == "single-label" else _values(corpus, kept),
        groups=_groups(ready, kept),
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
        published=ready.published,
        around={name: ids for modal in modals for name, ids in modal.around.items()},
        awaited=tuple(modal.awaited for modal in modals if modal.awaited is not None),
        scores=ready.scores,
        normalise=ready.study.normalise,
    )


def split_rows(
    utterances: Sequence[Utterance],
    frames: Mapping[str, Mapping[str, Tensor]],
    why: Mapping[str, str],
    rows: str,
) -> tuple[tuple[Utterance, ...], tuple[Failure, ...]]:
    """Rows that stay, and those that leave with the reason; ``rows`` is that of the study.

    ``frames`` are by input and utterance; ``why`` is what is known of an utterance's failure.
    """
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
    heard = dict.fromkeys(("audio", "audio_frames", "audio_windows"), "audio")
    plain = {**heard, "text": "words", "text_tokens": "words"}
    return list(dict.fromkeys(plain.get(name, f"input for {name}") for name in names))


def _groups(ready: Ready, rows: Sequence[Utterance]) -> Int64[np.ndarray, "rows"] | None:
    """Numbers of the groups whose own statistics standardise rows; None: training rows' do."""
    by, corpus = ready.study.normalise, ready.corpus
    if by == "training":
        return None
    names = groups_of(by, rows, corpus.name, corpus.extra)
    check_groups(by, names)
    number = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.int64)


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


def inputs_of(modality: Modality, kind: Kind, needed: frozenset[str]) -> dict[str, Modality]:
    """What an encoder gives by the name of the input: pooled, as a sequence, as windows."""
    pooled = replace(modality, windows="pooled")
    inputs = {kind: pooled, SEQUENCE_OF[kind]: pooled.as_sequence()}
    if modality.windows == "each":
        inputs[WINDOWS] = modality.as_sequence()
    return {name: each for name, each in inputs.items() if name in needed}


def _features(typed: str) -> Features:
    return read_features(Path(typed.removeprefix(FEATURES)))


def _precomputed(kind: Kind, features: Features, ready: Ready) -> ModalityData:
    utterances, needed, sequence = ready.rows, inputs_needed(ready.arms), SEQUENCE_OF[kind]
    own = {u.id: features.frames[u.id] for u in utterances if u.id in features.frames}
    if not own:
        raise ConfigError(
            f"--{kind} features: none of its {len(features.frames)} ids is an utterance's "
            f"(first there: {next(iter(features.frames), 'none')}, first here: {utterances[0].id})"
        )
    absent = {u.id: f"is not in the {kind} features" for u in utterances if u.id not in own}
    modal = ModalityData(cached=len(own), absent=absent)
    if kind in needed:
        modal.frames[kind] = {
            name: statistics_of(rows) if features.sequences else rows for name, rows in own.items()
        }
        modal.identity[kind] = features.sha256
    if sequence in needed:
        modal.frames[sequence] = own
        modal.identity[sequence] = features.sha256
    return modal
