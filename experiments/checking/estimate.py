"""What an encoder will cost on a corpus, from two of its utterances encoded on the spot."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.asr.transcript import normalise
from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio
from encoders.decode_index import DecodedAudio
from encoders.device import chosen_device
from encoders.embedding import embed
from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import default_store
from encoders.specs import Kind, Spec
from encoders.store import StoreError, text_key
from encoders.typed_names import parse_modality
from encoders.utterance import Utterance

#: Utterances that are encoded: those of middle length.
MEASURED = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """What embedding all utterances takes: how many are left to do, seconds and megabytes."""

    encoder: str
    left: int
    of: int
    seconds: float
    megabytes: float


def estimate(
    typed: str, kind: Kind, utterances: Sequence[Utterance], heard: Mapping[str, DecodedAudio]
) -> Estimate:
    """Encode two utterances of middle length and scale by seconds of audio, or by texts.

    The cost of loading the model is left out. On a busy machine it takes longer.

    Raises:
        MissingWeightsError: the weights are neither here nor to be had; ValueError: there is
            nothing of this kind to encode.
    """
    spec = parse_modality(typed, kind).encoder
    sizes = _sizes(kind, utterances, heard)
    if not sizes:
        raise ValueError(f"--{kind} {typed}: nothing to encode: no utterance has {kind}")
    left = _left(spec, kind, utterances, heard)
    order = sorted(sizes, key=lambda name: sizes[name])
    middle = order[max(len(order) // 2 - 1, 0) :][:MEASURED]
    by_id = {utterance.id: utterance for utterance in utterances}
    spent = _measured(spec, [_input(by_id[name], kind) for name in middle])
    share = sum(sizes[name] for name in left) / sum(sizes[name] for name in middle)
    stored = share if spec.storage == "frames" else len(left) / len(middle)
    megabytes = spent.stored_bytes * stored / 1e6
    return Estimate(typed, len(left), len(sizes), spent.seconds * share, megabytes)


@dataclass(frozen=True, slots=True)
class _Spent:
    seconds: float
    stored_bytes: int


def _measured(spec: Spec, inputs: Sequence[Audio | str]) -> _Spent:
    encoder = load_encoder(spec, chosen_device())
    # The first call also warms up what it needs.
    embed(encoder, inputs[:1], [spec])
    begun = time.perf_counter()
    entries = embed(encoder, inputs, [spec])
    seconds = time.perf_counter() - begun
    width = np.dtype(spec.storage_dtype).itemsize
    return _Spent(
        seconds, sum(embedding.values.size * width for e in entries for embedding in e.values())
    )


def _input(utterance: Utterance, kind: Kind) -> Audio | str:
    return read_utterance(utterance) if kind == "audio" else normalise(utterance.transcript) or ""


def _sizes(
    kind: Kind, utterances: Sequence[Utterance], heard: Mapping[str, DecodedAudio]
) -> dict[str, float]:
    """Seconds of audio, or one for each text, by utterance."""
    if kind == "audio":
        return {
            name: max(audio.duration_s, 1e-3) for name, audio in heard.items() if not audio.silent
        }
    return {u.id: 1.0 for u in utterances if normalise(u.transcript)}


def _left(
    spec: Spec, kind: Kind, utterances: Sequence[Utterance], heard: Mapping[str, DecodedAudio]
) -> list[str]:
    """Utterances that the cache does not hold under this encoder."""
    sizes = _sizes(kind, utterances, heard)
    texts = {u.id: normalise(u.transcript) or "" for u in utterances if u.id in sizes}
    keys = {n: heard[n].key if kind == "audio" else text_key(texts[n]) for n in sizes}
    try:
        missing = set(default_store().space(spec, fingerprint_of(spec)).missing(keys.values()))
    except StoreError:
        missing = set(keys.values())
    return [name for name, key in keys.items() if key in missing]
