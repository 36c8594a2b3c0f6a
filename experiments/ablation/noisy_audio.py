"""Recordings heard through noise: other samples, so another content key and another embedding."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio
from encoders.decode_index import DecodeIndex
from encoders.extraction import Extraction, Extractor, Progress
from encoders.files import SEAL, make_folder, read_sealed, sealed, write_atomically
from encoders.store import EmbeddingStore, audio_key
from encoders.utterance import Utterance
from experiments.ablation.cells import Noise
from experiments.ablation.noise import (
    BABBLE_S,
    VOICES,
    babble,
    reverberated,
    stretch,
    white,
    with_noise,
)
from experiments.ablation.seeds import generator
from experiments.ablation.subsets import shuffled
from experiments.config import ConfigError
from fusion.splitting.splits import Fold, speaker_of

#: The file below the cache that says which content key a noisy recording has.
HINTS = "noise.json"
#: Other speakers without whom there is no babble: one is a competing talker.
FEWEST = 2
#: Whom a speaker hears in babble: recordings by voice, of others on the same side.
Voices = tuple[tuple[Utterance, ...], ...]
#: Version of what noise does to samples.
NUMERICS_VERSION = 1


class NoisyEmbedder:
    """Makes sure that the store holds recordings as they are heard through a noise."""

    def __init__(self, noise: Noise, seed: int, crowds: Mapping[str, Voices]) -> None:
        self.noise, self.seed, self.crowds = noise, seed, crowds
        self._tracks: dict[str, Audio] = {}

    def extract(
        self,
        utterances: Sequence[Utterance],
        extractor: Extractor,
        store: EmbeddingStore,
        progress: Progress | None = None,
    ) -> Extraction:
        """Noisy keys and embeddings; a hint spares decoding what is known."""
        hints = DecodeIndex(store.root / "hints.json")
        known = _read_hints(store)
        before = len(known)
        sources = [_Source(u.id, u, self, hints, known) for u in utterances]
        try:
            return extractor.extract("audio", sources, progress)
        finally:
            if len(known) > before:
                make_folder(store.root)
                content = {**_read_hints(store), **known}
                write_atomically(store.root / HINTS, json.dumps(sealed(content)).encode())

    def name(self, utterance: Utterance, hints: DecodeIndex) -> str | None:
        """What the noisy samples depend on, as a hash; None where some file is not known yet."""
        crowd = self.crowds.get(speaker_of(utterance), ())
        heard = [hints.get(recording) for recording in (utterance, *(u for v in crowd for u in v))]
        if any(hint is None for hint in heard):
            return None
        keys = [hint.key for hint in heard if hint is not None]
        noise = (self.noise.kind, self.noise.level, self.seed, utterance.id, NUMERICS_VERSION)
        return hashlib.sha256(json.dumps([noise, keys]).encode()).hexdigest()

    def hear(self, utterance: Utterance) -> Audio:
        """The recording through the noise.

        Raises:
            AudioError: it, or one of the crowd, cannot be read.
        """
        clean = read_utterance(utterance)
        speech, rate = clean.samples.astype(np.float64), clean.sample_rate_hz
        # The level is no part of the draw: louder noise is the same noise.
        random = generator(self.noise.kind, self.seed, utterance.id)
        if self.noise.kind == "reverb":
            heard = reverberated(speech, rate, self.noise.level, random)
        elif self.noise.kind == "white":
            heard = with_noise(speech, white(len(speech), random), self.noise.level)
        else:
            track = self._track(speaker_of(utterance), rate)
            heard = with_noise(speech, stretch(track, len(speech), rate, random), self.noise.level)
        return Audio(heard.astype(np.float32), rate)

    def _track(self, speaker: str, rate: int) -> Audio:
        if speaker not in self._tracks:
            voices = [
                [read_utterance(utterance) for utterance in voice] for voice in self.crowds[speaker]
            ]
            self._tracks[speaker] = babble(voices, rate)
        return self._tracks[speaker]


@dataclass(frozen=True, slots=True)
class _Source:
    """A noisy recording for :class:`encoders.extraction.Extractor`."""

    id: str
    utterance: Utterance
    ear: NoisyEmbedder
    hints: DecodeIndex
    known: dict[str, str] = field(repr=False)

    def peek(self) -> str | None:
        """Key from a hint."""
        name = self.ear.name(self.utterance, self.hints)
        return None if name is None else self.known.get(name)

    def load(self) -> tuple[str, Audio | str]:
        """Make the noisy recording."""
        audio = self.ear.hear(self.utterance)
        key = audio_key(audio)
        name = self.ear.name(self.utterance, self.hints)
        if name is not None:
            self.known[name] = key
        return key, audio


def _read_hints(store: EmbeddingStore) -> dict[str, str]:
    content = read_sealed(store.root / HINTS) or {}
    named = {name: key for name, key in content.items() if name != SEAL}
    return {name: key for name, key in named.items() if isinstance(key, str) and len(key) == 64}


# ---------------------------------------------------------------- whom one may hear


def crowds(
    utterances: Sequence[Utterance], folds: Sequence[Fold], seed: int, rows: Collection[str]
) -> dict[str, Voices]:
    """Other speakers for each speaker of some rows, who are on the same side of every fold.

    Raises:
        ConfigError: somebody has fewer than two such speakers.
    """
    side = _sides(utterances, folds)
    said: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        if utterance.audio is not None:
            said.setdefault(speaker_of(utterance), []).append(utterance)
    by_speaker, alone = {}, []
    for speaker in sorted(
        {speaker_of(utterance) for utterance in utterances if utterance.id in rows} & said.keys()
    ):
        others = [name for name in said if name != speaker and side[name] == side[speaker]]
        if len(others) < FEWEST:
            alone.append(speaker)
            continue
        by_speaker[speaker] = _crowd(speaker, {name: said[name] for name in others}, seed)
    if alone:
        raise ConfigError(
            f"--over noise, babble: {', '.join(sorted(alone)[:3])} ({len(alone)} in all) would "
            f"hear fewer than {FEWEST} others who are tested in the same folds, and nobody of the "
            "other side may be heard; use folds that test more speakers at once, as in --folds "
            "groups:2, or white noise and reverberation"
        )
    return by_speaker


def _sides(utterances: Sequence[Utterance], folds: Sequence[Fold]) -> dict[str, frozenset[str]]:
    """On which side of which folds each speaker is; who is on two, as in leaky folds, is alone."""
    by_row: dict[str, set[str]] = {utterance.id: set() for utterance in utterances}
    for fold in folds:
        for name, ids in (("train", fold.train), ("dev", fold.dev), ("test", fold.test)):
            for row in ids:
                by_row[row].add(f"{name} {fold.name}")
    sides: dict[str, set[str]] = {}
    for utterance in utterances:
        sides.setdefault(speaker_of(utterance), set()).update(by_row[utterance.id])
    return {speaker: frozenset(places) for speaker, places in sides.items()}


def _crowd(speaker: str, others: Mapping[str, list[Utterance]], seed: int) -> Voices:
    names = shuffled(list(others), "crowd", seed, speaker)
    voices = []
    for number in range(VOICES):
        recordings = {utterance.id: utterance for utterance in others[names[number % len(names)]]}
        order = shuffled(list(recordings), "voice", seed, speaker, number)
        # A recording of corpora takes some seconds; short ones begin again.
        voices.append(tuple(recordings[name] for name in order[: max(1, round(BABBLE_S / 2))]))
    return tuple(voices)
