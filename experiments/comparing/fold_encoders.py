"""Encoders that are trained in every outer fold, and what its heads see of the rows through them.

No test row is at hand where an encoder is trained: it gets the fold's training rows, development
speakers among them held out. What it saw is compared with the fold's test rows all the same.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from encoders.decode_index import DecodeIndex
from encoders.extraction import Extractor, Progress, shared_encoders
from encoders.finetuning.settings import FinetuneError
from encoders.store import EmbeddingStore
from encoders.utterance import Corpus, Utterance
from experiments.comparing.contamination import Contamination, allowed
from experiments.comparing.encoder_training import (
    TrainedFoldEncoder,
    TrainingSplit,
    trained_encoder,
)
from experiments.comparing.inputs import inputs_of
from experiments.comparing.modality_data import ModalityData, PendingEncoder, modal_of, sources_of
from experiments.comparing.plan import FoldViews, Plan
from experiments.config import ConfigError, Study
from fusion.batch import ModalityBatch, collate
from fusion.splitting.development import halves
from fusion.splitting.splits import Fold, InnerFold, InnerFolds, assert_speakers_apart, is_leaky
from fusion.training.arm_table import arm_of
from fusion.training.crossfit import FoldData

ALL, HALVES = "all", ("first half", "second half")
#: Utterances that a message names.
NAMED = 3


@dataclass(frozen=True, slots=True)
class FoldContext:
    """What training and embedding need, the same for every fold.

    ``dirty`` says that the study allows to score what encoders have seen; a protocol that leaks by
    its name does so by itself.
    """

    corpus: Corpus
    plan: Plan
    store: EmbeddingStore
    progress: Progress | None
    tell: Callable[[str], None]
    dirty: bool

    @property
    def leaky(self) -> bool:
        """Whether folds share speakers because their protocol says so."""
        return is_leaky(self.plan.protocol)


@dataclass(frozen=True, slots=True)
class ViewSplit:
    """What the encoders of one view are trained and stopped on, and the heads that read them."""

    part: str
    sides: InnerFold
    heads: InnerFolds


@dataclass(frozen=True, slots=True)
class EncodedView:
    """Inputs of one view, and the encoders that made them."""

    view: FoldData
    encoders: tuple[TrainedFoldEncoder, ...]
    modals: tuple[ModalityData, ...]


def check_shared(study: Study, plan: Plan) -> tuple[Contamination, ...]:
    """Recordings that a fold would both train an encoder on and score, under whatever name.

    Of a protocol that leaks by its name the certificate counts them.

    Raises:
        ConfigError: there are some, and the study does not allow it.
    """
    if is_leaky(plan.protocol):
        return ()
    contaminations = []
    for awaited in plan.inputs.awaited:
        if awaited.trainable.kind == "text":
            # The same words said by another speaker are no leak; what they tell is probed for.
            continue
        pairs = [(fold, {awaited.keys.get(i) for i in (*fold.train, *fold.dev)} - {None})
                 for fold in plan.folds]  # fmt: skip
        seen = sum(awaited.keys.get(name) in keys for fold, keys in pairs for name in fold.test)
        if seen:
            scored = sum(len(fold.test) for fold in plan.folds)
            name = f"--{awaited.trainable.kind} {awaited.trainable.typed}"
            contaminations.append(
                Contamination(name, "the same recordings as training rows", seen, scored)
            )
    return allowed(study, contaminations)


def train_encoders(bench: FoldContext) -> Plan:
    """The plan with an encoder per fold where the study asks for that; as it was where not.

    Raises:
        ConfigError: an encoder cannot be trained, or a row cannot be embedded by it.
    """
    plan = bench.plan
    if not plan.inputs.awaited:
        return plan
    # All of it is dealt out before hours of training.
    lessons = [_lessons(bench, views.whole.inner) for views in plan.views]
    encoded_folds = [
        [_seen(bench, fold, lesson) for lesson in fold_views]
        for fold, fold_views in zip(plan.folds, lessons, strict=True)
    ]
    every = [seen for fold_views in encoded_folds for seen in fold_views]
    modals = [modal for seen in every for modal in seen.modals]
    inputs = replace(
        plan.inputs,
        identity={**plan.inputs.identity, **_identity(modals)},
        encoded=plan.inputs.encoded + sum(modal.encoded for modal in modals),
        cached=plan.inputs.cached + sum(modal.cached for modal in modals),
        warnings=tuple(dict.fromkeys(chain(plan.inputs.warnings, *(m.remarks for m in modals)))),
    )
    views = tuple(
        FoldViews(fold_views[0].view, tuple(seen.view for seen in fold_views[1:]))
        for fold_views in encoded_folds
    )
    trained = tuple(encoder.summary for seen in every for encoder in seen.encoders)
    return replace(plan, inputs=inputs, views=views, trained=trained)


def _lessons(bench: FoldContext, inner: InnerFolds) -> list[ViewSplit]:
    """That of all training rows; with cross-fitted arms those of both halves behind it."""
    (whole,) = inner.folds
    splits = [ViewSplit(ALL, whole, inner)]
    if not any(arm_of(arm).crossfitted for arm in bench.plan.arms):
        return splits
    by_id = {u.id: u for u in _all(bench)}
    first, second = halves([by_id[name] for name in whole.train], bench.corpus.classes)
    for part, taught, left in ((HALVES[0], first, second), (HALVES[1], second, first)):
        heads = InnerFolds((InnerFold(left, whole.dev),))
        splits.append(ViewSplit(part, InnerFold(taught, whole.dev), heads))
    return splits


def _seen(bench: FoldContext, fold: Fold, lessons: ViewSplit) -> EncodedView:
    """Train the encoders of a view; embed the rows that its heads and the test set need."""
    rows = {name for inner in lessons.heads.folds for name in (*inner.train, *inner.dev)} | {
        *fold.test
    }
    encoders, modals = [], []
    batches: dict[str, ModalityBatch] = {}
    for awaited in bench.plan.inputs.awaited:
        encoder = _encoder(bench, awaited, fold, lessons)
        bench.tell(str(encoder.summary))
        _check_record(bench, fold, encoder)
        modal = _embedded(bench, awaited, encoder, rows)
        batches |= _batches(bench, awaited, modal, rows)
        encoders.append(encoder)
        modals.append(modal)
    data = bench.plan.inputs.data
    view = FoldData(replace(data, inputs={**data.inputs, **batches}), lessons.heads)
    return EncodedView(view, tuple(encoders), tuple(modals))


def _encoder(
    bench: FoldContext, awaited: PendingEncoder, fold: Fold, lessons: ViewSplit
) -> TrainedFoldEncoder:
    sides = lessons.sides
    by_id = {u.id: _taught(u, awaited, bench) for u in _all(bench) if u.id in awaited.keys}
    train, dev = (
        tuple(by_id[name] for name in side if name in by_id) for side in (sides.train, sides.dev)
    )
    assert not {*sides.train, *sides.dev} & {*fold.test}
    if not bench.leaky:
        assert_speakers_apart(Fold(fold.name, sides.train, fold.test, sides.dev), _all(bench))
    lesson = TrainingSplit(fold.name, lessons.part, train, dev, bench.leaky)
    root = bench.store.root
    try:
        return trained_encoder(
            awaited.trainable, lesson, awaited.keys, bench.corpus, root, bench.progress
        )
    except FinetuneError as error:
        typed = f"--{awaited.trainable.kind} {awaited.trainable.typed}"
        raise ConfigError(f"{typed}: fold {fold.name}: {error}") from error


def _all(bench: FoldContext) -> Sequence[Utterance]:
    return bench.plan.inputs.utterances


def _taught(utterance: Utterance, awaited: PendingEncoder, bench: FoldContext) -> Utterance:
    """The utterance as its encoder is to be taught it.

    Words are those that every arm reads, recognised ones where those are asked. A recording that
    could not be read is none to a text encoder, which would only ask for its content.
    """
    inputs = bench.plan.inputs
    heard = awaited.trainable.kind == "audio" or utterance.id in inputs.keys
    audio = utterance.audio if heard else None
    return replace(utterance, audio=audio, transcript=inputs.words.texts.get(utterance.id))


def _embedded(
    bench: FoldContext, awaited: PendingEncoder, encoder: TrainedFoldEncoder, rows: set[str]
) -> ModalityData:
    kind = awaited.trainable.kind
    modality = replace(awaited.trainable.modality, encoder=encoder.spec)
    wanted = inputs_of(modality, kind, frozenset(awaited.inputs))
    asked = [u for u in bench.plan.inputs.utterances if u.id in rows]
    extractor = Extractor(
        shared_encoders(variant.encoder for variant in wanted.values()), bench.store
    )
    with DecodeIndex(bench.store.root / "hints.json") as hints:
        sources = sources_of(kind, asked, bench.plan.inputs.words, hints)
        done = extractor.extract(kind, sources, bench.progress)
        read = [u for u in asked if kind == "audio" and u.id in done.keys]
        modal = modal_of(kind, wanted, extractor, done, hints.silent(read))
    failed = [f for f in modal.failures if f.utterance in awaited.keys]
    if failed:
        examples = "; ".join(f"{f.utterance}: {f.why}" for f in failed[:NAMED])
        raise ConfigError(
            f"--{kind} {awaited.trainable.typed}: {len(failed)} utterances cannot be embedded by "
            f"the trained encoder, first {examples}; leave them out of the manifest"
        )
    return modal


def _batches(
    bench: FoldContext, awaited: PendingEncoder, modal: ModalityData, rows: set[str]
) -> Mapping[str, ModalityBatch]:
    """Inputs of all rows in their order; those that the view does not ask for are missing."""
    ids = [utterance.id for utterance in bench.plan.inputs.utterances]
    return {
        name: collate(
            [modal.frames[name].get(i) if i in rows else None for i in ids],
            modal.layers.get(name, 1),
        )
        for name in awaited.inputs
    }


def _identity(modals: Sequence[ModalityData]) -> dict[str, str]:
    """One hash per input over the fingerprints of all its encoders, in their order."""
    marks_of: dict[str, list[str]] = {}
    for modal in modals:
        for name, mark in modal.identity.items():
            marks_of.setdefault(name, []).append(mark)
    return {
        n: hashlib.sha256(" ".join(marks).encode()).hexdigest() for n, marks in marks_of.items()
    }


def _check_record(bench: FoldContext, fold: Fold, encoder: TrainedFoldEncoder) -> None:
    """Compare whom an encoder has seen, as its record says, with the fold's test rows (law 4)."""
    keys = bench.plan.inputs.keys if encoder.summary.kind == "audio" else {}
    scored = [u for u in _all(bench) if u.id in {*fold.test}]
    held, corpus = encoder.provenance.seen, bench.corpus.name
    both = [u.id for u in scored if held.holds(corpus, u.speaker, keys.get(u.id))]
    if both and not (bench.dirty or bench.leaky):
        raise ConfigError(
            f"fold {fold.name}: its {encoder.summary.kind} encoder has seen {len(both)} utterances "
            f"that it would be scored on, or their speakers (first {both[0]}); please report this"
        )
