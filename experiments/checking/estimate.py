"""What an encoder will cost on a corpus, from two of its utterances encoded on the spot."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.asr.transcript import normalise
from encoders.audio.reading import read_utterance
from encoders.context import TextInContext, in_context
from encoders.decode_index import DecodedAudio
from encoders.device import chosen_device
from encoders.embedding import embed
from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import Content, default_store
from encoders.files import StoreError
from encoders.specs import Kind, Modality, Spec
from encoders.store import text_key
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
    modality = parse_modality(typed, kind)
    spec, texts = modality.encoder, _texts(modality, utterances)
    sizes = _sizes(heard) if kind == "audio" else dict.fromkeys(texts, 1.0)
    if not sizes:
        raise ValueError(f"--{kind} {typed}: nothing to encode: no utterance has {kind}")
    keys = {n: heard[n].key if kind == "audio" else text_key(texts[n]) for n in sizes}
    left = _left(spec, keys)
    order = sorted(sizes, key=lambda name: sizes[name])
    middle = order[max(len(order) // 2 - 1, 0) :][:MEASURED]
    by_id = {utterance.id: utterance for utterance in utterances}
    inputs = [read_utterance(by_id[n]) if kind == "audio" else texts[n] for n in middle]
    spent = _measured(spec, inputs)
    share = sum(sizes[name] for name in left) / sum(sizes[name] for name in middle)
    stored = share if spec.storage == "frames" else len(left) / len(middle)
    megabytes = spent.stored_bytes * stored / 1e6
    return Estimate(typed, len(left), len(sizes), spent.seconds * share, megabytes)


@dataclass(frozen=True, slots=True)
class _Spent:
    seconds: float
    stored_bytes: int


def _measured(spec: Spec, inputs: Sequence[Content]) -> _Spent:
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


def _texts(
    modality: Modality, utterances: Sequence[Utterance]
) -> Mapping[str, TextInContext | str]:
    """Transcripts as the encoder reads them, by utterance."""
    texts = {u.id: text for u in utterances if (text := normalise(u.transcript)) is not None}
    return in_context(texts, utterances, modality.context, modality.ahead).texts


def _sizes(heard: Mapping[str, DecodedAudio]) -> dict[str, float]:
    """Seconds of audio by utterance."""
    return {name: max(audio.duration_s, 1e-3) for name, audio in heard.items() if not audio.silent}


def _left(spec: Spec, keys: Mapping[str, str]) -> list[str]:
    """Utterances that the cache does not hold under this encoder, by their content keys."""
    try:
        missing = set(default_store().space(spec, fingerprint_of(spec)).missing(keys.values()))
    except StoreError:
        missing = set(keys.values())
    return [name for name, key in keys.items() if key in missing]
