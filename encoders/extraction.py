"""What is missing → encode → write. Stops anywhere, resumes where it stopped."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from encoders.audio.waveform import Audio, AudioError
from encoders.context import TextInContext
from encoders.dealing import ENGINE, Engine, Lost
from encoders.decode_index import DecodedAudio, DecodeIndex
from encoders.device import chosen_device
from encoders.embedding import Stored, embed, unstorable
from encoders.encoder import Encoder, fingerprint_of, load_encoder
from encoders.files import CACHE_VARIABLE, StoreError, elsewhere, make_folder
from encoders.pretrained.text import TextError
from encoders.specs import Kind, Spec, model_part
from encoders.store import EmbeddingStore, HeldStore, text_key
from encoders.utterance import Utterance

#: Utterances between two shards: what is lost at most when a run is killed.
CHUNK = 64
#: Bytes of samples from which on no further utterance is decoded before these are encoded.
LOADED_BYTES = 256_000_000

#: What other machines wrote must be seen here in so many seconds: network file systems keep lists
#: of folders for up to half a minute.
SEEN_S = 60.0

#: Read once of each package: its file would be parsed for every shard.
version = cache(metadata.version)
#: Packages of extras that compute embeddings.
OPTIONAL_PACKAGES = ("opensmile",)

Progress = Callable[[str, int, int], None]
#: What encoders are given.
Content = Audio | str | TextInContext


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

    def load(self) -> tuple[str, Content]:
        """Content key and input."""
        ...


@dataclass(frozen=True, slots=True)
class AudioSource:
    """The audio of an utterance."""

    id: str
    utterance: Utterance
    hints: DecodeIndex

    def peek(self) -> str | None:
        """Key from a hint."""
        heard = self.hints.get(self.utterance)
        return heard.key if heard else None

    def load(self) -> tuple[str, Content]:
        """Decode the segment."""
        heard, audio = self.hints.decode(self.utterance)
        return heard.key, audio


@dataclass(frozen=True, slots=True)
class HeldSource:
    """An input that is in memory: a transcript, or samples that were decoded before."""

    id: str
    key: str
    content: Content = field(repr=False)

    def peek(self) -> str | None:
        """The key."""
        return self.key

    def load(self) -> tuple[str, Content]:
        """Key and content."""
        return self.key, self.content


class SharedEncoder:
    """Specs that differ only in what is kept of one forward pass; loaded when first needed.

    ``device`` None is the one that ``SERFUSION_DEVICE`` names when it is loaded, else the CPU.
    """

    def __init__(self, specs: Sequence[Spec], device: str | None) -> None:
        self.specs = tuple(specs)
        self.kind: str = self.specs[0].kind
        self._device = device

    @cached_property
    def device(self) -> str:
        """Where it computes."""
        return chosen_device(self._device)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder; it runs no further than the highest layer that some spec keeps."""
        named = [layer for spec in self.specs for layer in spec.layers or (-1,)]
        return load_encoder(self.specs[0], self.device, None if min(named) < 0 else max(named))


def shared_encoders(specs: Iterable[Spec], device: str | None = None) -> tuple[SharedEncoder, ...]:
    """One encoder for all specs that share a forward pass; nothing is loaded yet."""
    ordered = sorted(dict.fromkeys(specs), key=lambda spec: repr(model_part(spec)))
    return tuple(
        SharedEncoder(list(group), device) for _, group in groupby(ordered, key=model_part)
    )


class Extractor:
    """Encoders with the spaces of their specs in a store: what is missing there is encoded."""

    def __init__(self, encoders: Sequence[SharedEncoder], store: EmbeddingStore) -> None:
        self.encoders = encoders
        self.store = store
        self.fingerprints = {s: fingerprint_of(s) for shared in encoders for s in shared.specs}
        self.spaces = {s: store.space(s, mark) for s, mark in self.fingerprints.items()}

    def extract(
        self, kind: Kind, sources: Sequence[Source], progress: Progress | None = None
    ) -> Extraction:
        """Make sure that the store holds every source, wherever it comes from, under every spec.

        A source that cannot be read or encoded is listed among the failures; others are done. Under
        an engine (:mod:`encoders.dealing`) its workers encode what is missing.

        Raises:
            StoreError: something is missing, and nothing can be written where the store lies, or
                what workers wrote is not seen here.
        """
        engine = ENGINE.get()
        dealt = all(isinstance(source, AudioSource | HeldSource) for source in sources)
        if engine is not None and dealt and not isinstance(self.store, HeldStore):
            return self._dealt(engine, kind, sources, progress)
        keys: dict[str, str] = {}
        failures: list[Failure] = []
        encoded = 0
        waiting = list(reversed(sources))
        while waiting:
            inputs = self._load_missing(waiting, keys, failures)
            for shared in self.encoders:
                contents = {k: c for k, c in inputs.values() if self._lacks(k, shared.specs)}
                if not contents:
                    continue
                # Before the model runs: hours of encoding must not end in a folder that takes
                # nothing.
                make_folder(self.spaces[shared.specs[0]].folder.parent)
                try:
                    stored = embed(shared.encoder, list(contents.values()), shared.specs)
                    outcome: dict[str, Stored | str] = dict(zip(contents, stored, strict=True))
                except (AudioError, TextError):
                    outcome = {key: _alone(shared, content) for key, content in contents.items()}
                refused = self._write(outcome, shared)
                for name in [name for name, (key, _) in inputs.items() if key in refused]:
                    failures.append(Failure(name, refused[keys[name]]))
                    del keys[name], inputs[name]
            encoded += len({key for key, _ in inputs.values()})
            if progress is not None:
                progress(kind, len(keys) + len(failures), len(sources))
        self._describe()
        return Extraction(keys, encoded, len(keys) - encoded, tuple(failures))

    def _dealt(
        self, engine: Engine, kind: Kind, sources: Sequence[Source], progress: Progress | None
    ) -> Extraction:
        """The same by an engine's workers, who get what is missing, of equal contents the first."""
        peeked = {source.id: source.peek() for source in sources}
        keys = {n: k for n, k in peeked.items() if k and not self._lacks(k, self.spaces)}
        first: dict[str, str] = {}
        for name, key in peeked.items():
            if key and name not in keys:
                first.setdefault(key, name)
        later = {n: k for n, k in peeked.items() if k in first and first[k] != n and k}
        # Chunks are those of one process, and so are batches and shards.
        chunks = [
            [one for one in sources[start : start + CHUNK] if one.id not in keys.keys() | later]
            for start in range(0, len(sources), CHUNK)
        ]
        failed: dict[str, str] = {}
        encoded = 0
        specs = tuple(spec for shared in self.encoders for spec in shared.specs)
        job = ExtractionJob(kind, specs, self.store.root.absolute())
        for chunk, outcome in engine(job, [chunk for chunk in chunks if chunk]):
            if isinstance(outcome, Lost):
                failed |= {source.id: outcome.why for source in chunk}
            else:
                done, heard = outcome
                for source in chunk:
                    if isinstance(source, AudioSource):
                        source.hints.learn(heard)
                keys |= done.keys
                failed |= {failure.utterance: failure.why for failure in done.failures}
                encoded += done.encoded
            if progress is not None:
                progress(kind, len(keys) + len(failed), len(sources))
        keys |= {name: key for name, key in later.items() if first[key] not in failed}
        failed |= {name: failed[first[key]] for name, key in later.items() if name not in keys}
        self._await(keys.values())
        # In the order of the sources, whichever worker was done first.
        keys = {source.id: keys[source.id] for source in sources if source.id in keys}
        failures = tuple(Failure(name, failed[name]) for name in peeked if name in failed)
        return Extraction(keys, encoded, len(keys) - encoded, failures)

    def _await(self, keys: Iterable[str]) -> None:
        """Find what workers wrote; a network file system may show it late."""
        until = time.monotonic() + SEEN_S
        for space in self.spaces.values():
            space.reread()
            while absent := space.missing(keys):
                if time.monotonic() > until:
                    raise StoreError(
                        f"{space.folder}: {len(absent)} embeddings that workers wrote are not seen "
                        f"here after {SEEN_S:.0f} s; the cache is to lie where every machine sees "
                        f"the same folder: {elsewhere()}"
                    )
                time.sleep(1)
                space.reread()

    def _describe(self) -> None:
        """Write again what an encoder is where that was lost; a cache may be read-only."""
        for shared in self.encoders:
            for space in (self.spaces[spec] for spec in shared.specs):
                if space.folder.is_dir():
                    with suppress(OSError):
                        space.describe(_provenance(shared.device))

    def _lacks(self, key: str, specs: Iterable[Spec]) -> bool:
        return any(self.spaces[spec].missing([key]) for spec in specs)

    def _load_missing(
        self, waiting: list[Source], keys: dict[str, str], failures: list[Failure]
    ) -> dict[str, tuple[str, Content]]:
        """Inputs of a chunk that some spec still lacks; notes every key on the way.

        The chunk is taken from the end of what is ``waiting``, and is cut short by long recordings.
        """
        inputs: dict[str, tuple[str, Content]] = {}
        room = LOADED_BYTES
        for _ in range(min(CHUNK, len(waiting))):
            if room <= 0:
                break
            source = waiting.pop()
            key = source.peek()
            try:
                if key is None or self._lacks(key, self.spaces):
                    key, content = source.load()
                    if self._lacks(key, self.spaces):
                        inputs[source.id] = key, content
                        room -= content.samples.nbytes if isinstance(content, Audio) else 0
            except AudioError as error:
                failures.append(Failure(source.id, str(error)))
                continue
            keys[source.id] = key
        return inputs

    def _write(self, outcome: Mapping[str, Stored | str], shared: SharedEncoder) -> dict[str, str]:
        """A shard per space of what could be encoded; returns why the rest is not kept, by key."""
        refused = {key: why for key, why in outcome.items() if isinstance(why, str)}
        made = {key: stored for key, stored in outcome.items() if not isinstance(stored, str)}
        refused |= unstorable(made)
        for spec in shared.specs:
            missing = self.spaces[spec].missing(key for key in made if key not in refused)
            entries = {key: made[key][spec] for key in missing}
            self.spaces[spec].write(entries, _provenance(shared.device))
        return refused


@dataclass(frozen=True)
class ExtractionJob:
    """What a worker of an engine does: encode chunks of sources, and write into the store itself.

    Returned with an extraction is what was heard, for the hints of whoever dealt the chunk.
    """

    kind: Kind
    specs: tuple[Spec, ...]
    root: Path

    @cached_property
    def extractor(self) -> Extractor:
        """Its own, made where it works."""
        return Extractor(shared_encoders(self.specs), EmbeddingStore(self.root))

    def __call__(self, chunk: Sequence[Source]) -> tuple[Extraction, dict[str, DecodedAudio]]:
        """Encode what is missing."""
        done = self.extractor.extract(self.kind, chunk)
        heard = [source.hints.heard for source in chunk if isinstance(source, AudioSource)]
        return done, {stamp: audio for known in heard for stamp, audio in known.items()}


def _alone(shared: SharedEncoder, content: Content) -> Stored | str:
    """What is stored of one input, or why not: a bad one must not cost those of its batch."""
    try:
        return embed(shared.encoder, [content], shared.specs)[0]
    except (AudioError, TextError) as error:
        return str(error)


def embed_audio(
    utterances: Sequence[Utterance],
    specs: Sequence[Spec],
    store: EmbeddingStore,
    *,
    hints: DecodeIndex | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Make sure that the store holds every utterance under every spec.

    A recording that cannot be read is listed among the failures; the others are done. Specs that
    differ only in what is kept share one forward pass. ``device`` None is the one that
    ``SERFUSION_DEVICE`` names, else the CPU.
    """
    known = hints or DecodeIndex(store.root / "hints.json")
    sources = [AudioSource(u.id, u, known) for u in utterances]
    try:
        return Extractor(shared_encoders(specs, device), store).extract("audio", sources, progress)
    finally:
        known.save()


def embed_text(
    texts: Mapping[str, str] | Mapping[str, TextInContext | str],
    specs: Sequence[Spec],
    store: EmbeddingStore,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Make sure that the store holds every transcript (by utterance id) under every spec."""
    extractor = Extractor(shared_encoders(specs, device), store)
    return extractor.extract("text", text_sources(texts), progress)


def text_sources(texts: Mapping[str, str] | Mapping[str, TextInContext | str]) -> list[HeldSource]:
    """Transcripts, in context or alone, by the id of their utterance as inputs of an encoder."""
    return [HeldSource(name, text_key(text), text) for name, text in texts.items()]


def _provenance(device: str) -> dict[str, str]:
    """What may differ by rounding only, and is therefore no part of the key."""
    packages = ["torch", "transformers", "sentence-transformers", "soxr", "soundfile"]
    packages += [name for name in OPTIONAL_PACKAGES if find_spec(name) is not None]
    return {
        **{name: version(name) for name in packages},
        "device": device,
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }


def default_store() -> EmbeddingStore:
    """The store in ``SERFUSION_CACHE``, else in ``~/.cache/serfusion``.

    Raises:
        StoreError: there is something, and it is no folder; or nobody's home is known.
    """
    try:
        store = EmbeddingStore(os.environ.get(CACHE_VARIABLE) or Path("~/.cache/serfusion"))
    except RuntimeError as error:
        raise StoreError(
            f"no home folder is known for the cache ({error}); {elsewhere()}"
        ) from error
    if store.root.exists() and not store.root.is_dir():
        raise StoreError(f"{store.root}: the cache is to be a folder, this is none; {elsewhere()}")
    return store
