"""One modality of all utterances: embedded, read back, and what happened on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from encoders.encoder import fingerprint_of
from encoders.extraction import Extraction, Failure, Progress, embed_audio, embed_text
from encoders.pooling import for_head
from encoders.specs import Kind, Modality, Spec
from encoders.store import Embedding, EmbeddingStore
from encoders.utterance import Utterance
from experiments.comparing.finetuned import Trainable
from experiments.comparing.remarks import cuts, silence
from experiments.comparing.words import Words


class Hear(Protocol):
    """Makes sure that the store holds every utterance under every spec."""

    def __call__(
        self,
        utterances: Sequence[Utterance],
        specs: Sequence[Spec],
        store: EmbeddingStore,
        *,
        progress: Progress | None = None,
    ) -> Extraction:
        """The keys of the embeddings, and what it took."""
        ...


@dataclass(frozen=True, slots=True)
class Awaited:
    """An encoder that is trained in every fold: what it will be given, and the inputs it serves.

    ``keys`` are the content keys of the utterances, by id.
    """

    trainable: Trainable
    inputs: Mapping[str, Modality]
    keys: Mapping[str, str]


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
    awaited: Awaited | None = None


def encoded(
    kind: Kind,
    wanted: Mapping[str, Modality],
    utterances: Sequence[Utterance],
    words: Words,
    store: EmbeddingStore,
    progress: Progress | None,
    hear: Hear = embed_audio,
) -> Modal:
    """Utterances under every encoder that is wanted, by the name of the input it is for.

    ``hear`` embeds recordings; an ablation gives one that hears them in noise.
    """
    specs = [found.encoder for found in wanted.values()]
    if kind == "audio":
        voiced = [u for u in utterances if u.audio is not None]
        done = hear(voiced, specs, store, progress=progress)
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


def awaiting(
    trainable: Trainable,
    inputs: Mapping[str, Modality],
    utterances: Sequence[Utterance],
    words: Words,
    store: EmbeddingStore,
    progress: Progress | None,
) -> Modal:
    """What an encoder will be trained on: every input is read, none is embedded yet.

    A frame of zeros stands for each embedding to come, so that rows can be lined up before.
    """
    modal = encoded(trainable.kind, {}, utterances, words, store, progress)
    modal.cached = 0
    modal.frames = {name: dict.fromkeys(modal.keys, torch.zeros(1, 1)) for name in inputs}
    modal.awaited = Awaited(trainable, inputs, modal.keys)
    return modal


def _read(
    modality: Modality, fingerprint: str, done: Extraction, store: EmbeddingStore
) -> dict[str, Embedding]:
    stored = store.space(modality.encoder, fingerprint).read(list(done.keys.values()))
    return dict(zip(done.keys, stored, strict=True))
