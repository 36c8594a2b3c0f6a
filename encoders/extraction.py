"""What is missing → encode → write. Stops anywhere, resumes where it stopped."""

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from encoders.audio import Audio, AudioError
from encoders.device import chosen_device
from encoders.embedding import Stored, embed, unstorable
from encoders.encoder import Encoder, fingerprint_of, load_encoder
from encoders.hints import KeyHints
from encoders.pretrained.cleaning import TextError
from encoders.specs import Kind, Spec, model_part
from encoders.store import (
    CACHE_VARIABLE,
    EmbeddingStore,
    Space,
    StoreError,
    elsewhere,
    make_folder,
    text_key,
)
from encoders.utterance import Utterance

#: Utterances between two shards: what is lost at most when a run is killed.
CHUNK = 64

#: Packages of extras that compute embeddings.
OPTIONAL_PACKAGES = ("opensmile",)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """An utterance that could not be used, and why."""

    utterance: str
    why: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """Where the embeddings lie: content key by utterance id, and what it took."""

    keys: Mapping[str, str]
    encoded: int
    cached: int
    failures: tuple[Failure, ...] = ()
    silent: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """One input of an encoder: its content key where that is known cheaply, and itself."""

    @property
    def id(self) -> str:
        """Id of the utterance."""
        ...

    def peek(self) -> str | None:
        """Content key without reading the input, or None."""
        ...

    def load(self) -> tuple[str, Audio | str]:
        """Content key and input."""
        ...


@dataclass(frozen=True, slots=True)
class AudioSource:
    """The audio of an utterance."""

    id: str
    utterance: Utterance
    hints: KeyHints

    def peek(self) -> str | None:
        """Key from a hint."""
        heard = self.hints.get(self.utterance)
        return heard.key if heard else None

    def load(self) -> tuple[str, Audio | str]:
        """Decode the segment."""
        heard, audio = self.hints.decode(self.utterance)
        return heard.key, audio


@dataclass(frozen=True, slots=True)
class TextSource:
    """A transcript."""

    id: str
    text: str

    def peek(self) -> str | None:
        """Key of the text."""
        return text_key(self.text)

    def load(self) -> tuple[str, Audio | str]:
        """Key and text."""
        return text_key(self.text), self.text


def embed_audio(
    utterances: Sequence[Utterance],
    specs: Sequence[Spec],
    store: EmbeddingStore,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Make sure that the store holds every utterance under every spec.

    A recording that cannot be read is listed among the failures; the others are done. Specs that
    differ only in what is kept share one forward pass. ``device`` None is the one that
    ``SERFUSION_DEVICE`` names, else the CPU.
    """
    hints = KeyHints(store.root / "hints.json")
    sources = [AudioSource(u.id, u, hints) for u in utterances]
    try:
        found = embed_sources("audio", sources, specs, store, device, progress)
    finally:
        hints.save()
    heard = {u.id: hints.get(u) for u in utterances if u.id in found.keys}
    silent = tuple(name for name, what in heard.items() if what is not None and what.silent)
    return Extraction(found.keys, found.encoded, found.cached, found.failures, silent)


def embed_text(
    texts: Mapping[str, str],
    specs: Sequence[Spec],
    store: EmbeddingStore,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Make sure that the store holds every transcript (by utterance id) under every spec."""
    sources = [TextSource(name, text) for name, text in texts.items()]
    return embed_sources("text", sources, specs, store, device, progress)


def embed_sources(
    kind: Kind,
    sources: Sequence[Source],
    specs: Sequence[Spec],
    store: EmbeddingStore,
    device: str | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Make sure that the store holds every source, wherever it comes from, under every spec."""
    where = chosen_device(device)
    models = [SharedModel(list(group), store, where) for group in _by_model(specs)]
    keys: dict[str, str] = {}
    failures: list[Failure] = []
    encoded = 0
    for start in range(0, len(sources), CHUNK):
        chunk = sources[start : start + CHUNK]
        inputs = _load_missing(chunk, models, keys, failures)
        for name, why in _encode_missing(inputs, models).items():
            failures.append(Failure(name, why))
            del keys[name], inputs[name]
        encoded += len({key for key, _ in inputs.values()})
        if progress is not None:
            progress(kind, len(keys) + len(failures), len(sources))
    return Extraction(keys, encoded, len(keys) - encoded, tuple(failures))


def _by_model(specs: Sequence[Spec]) -> Iterator[Iterable[Spec]]:
    ordered = sorted(dict.fromkeys(specs), key=lambda spec: repr(model_part(spec)))
    for _, group in groupby(ordered, key=model_part):
        yield group


def _load_missing(
    chunk: Sequence[Source],
    models: Sequence["SharedModel"],
    keys: dict[str, str],
    failures: list[Failure],
) -> dict[str, tuple[str, Audio | str]]:
    """Inputs of a chunk that some spec still lacks; notes every key on the way."""
    inputs: dict[str, tuple[str, Audio | str]] = {}
    for source in chunk:
        key = source.peek()
        try:
            if key is None or any(model.lacks(key) for model in models):
                key, content = source.load()
                if any(model.lacks(key) for model in models):
                    inputs[source.id] = key, content
        except AudioError as error:
            failures.append(Failure(source.id, str(error)))
            continue
        keys[source.id] = key
    return inputs


def _encode_missing(
    inputs: Mapping[str, tuple[str, Audio | str]], models: Sequence["SharedModel"]
) -> dict[str, str]:
    """Encode and write what each model lacks; returns why an input could not be encoded, by id."""
    failed: dict[str, str] = {}
    for model in models:
        failed |= model.add({name: pair for name, pair in inputs.items() if name not in failed})
    return failed


class SharedModel:
    """Specs that share one forward pass, with their spaces; loaded when first needed."""

    def __init__(self, specs: list[Spec], store: EmbeddingStore, device: str) -> None:
        self.spaces: dict[Spec, Space] = {
            spec: store.space(spec, fingerprint_of(spec)) for spec in specs
        }
        self.device = device
        self._encoder: Encoder | None = None

    def lacks(self, key: str) -> bool:
        """Whether some space has no embedding under this key."""
        return any(space.missing([key]) for space in self.spaces.values())

    def add(self, inputs: Mapping[str, tuple[str, Audio | str]]) -> dict[str, str]:
        """Encode inputs by name, write a shard per space, return failures by name."""
        contents = {key: content for key, content in inputs.values() if self.lacks(key)}
        if not contents:
            return {}
        # Before the model runs: an hour of encoding must not end in a folder that takes nothing.
        for space in self.spaces.values():
            make_folder(space.folder.parent)
        if self._encoder is None:
            self._encoder = load_encoder(next(iter(self.spaces)), self.device, self._depth())
        stored, failed = _encode(self._encoder, contents, list(self.spaces))
        failed |= unstorable(stored)
        stored = {key: found for key, found in stored.items() if key not in failed}
        for spec, space in self.spaces.items():
            entries = {key: stored[key][spec] for key in space.missing(stored)}
            space.write(entries, _provenance(self.device))
        return {name: failed[key] for name, (key, _) in inputs.items() if key in failed}

    def _depth(self) -> int | None:
        """Highest layer that some spec keeps, so that the model need not run further."""
        named = [layer for spec in self.spaces for layer in spec.layers or (-1,)]
        return None if min(named) < 0 else max(named)


def _encode(
    encoder: Encoder, contents: Mapping[str, Audio | str], specs: Sequence[Spec]
) -> tuple[dict[str, Stored], dict[str, str]]:
    """What is stored by key, and why the others failed: one bad input must not cost its batch."""
    try:
        stored = embed(encoder, list(contents.values()), specs)
        return dict(zip(contents, stored, strict=True)), {}
    except (AudioError, TextError):
        pass
    found: dict[str, Stored] = {}
    failed: dict[str, str] = {}
    for key, content in contents.items():
        try:
            found[key] = embed(encoder, [content], specs)[0]
        except (AudioError, TextError) as error:
            failed[key] = str(error)
    return found, failed


def _provenance(device: str) -> dict[str, str]:
    """What may differ by rounding only, and is therefore no part of the key."""
    packages = ["torch", "transformers", "sentence-transformers", "soxr", "soundfile"]
    packages += [name for name in OPTIONAL_PACKAGES if find_spec(name) is not None]
    found = {name: version(name) for name in packages}
    return {
        **found,
        "device": device,
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }


def default_store() -> EmbeddingStore:
    """The store in ``SERFUSION_CACHE``, else in ``~/.cache/serfusion``.

    Raises:
        StoreError: there is something, and it is no folder.
    """
    store = EmbeddingStore(os.environ.get(CACHE_VARIABLE) or Path("~/.cache/serfusion"))
    if store.root.exists() and not store.root.is_dir():
        raise StoreError(f"{store.root}: the cache is to be a folder, this is none; {elsewhere()}")
    return store
