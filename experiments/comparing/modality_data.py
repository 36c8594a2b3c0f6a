"""One modality of all utterances: embedded, read back, and what happened on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from encoders.context import Contexts
from encoders.decode_index import DecodeIndex
from encoders.extraction import AudioSource, Extraction, Extractor, Failure, Source, text_sources
from encoders.pooling import for_head
from encoders.specs import Kind, Modality
from encoders.store import TokenCount
from encoders.utterance import Utterance
from experiments.comparing.trainable import FinetuneRequest
from experiments.comparing.transcripts import Transcripts

#: Silent recordings that a remark names.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class PendingEncoder:
    """An encoder that is trained in every fold: what it will be given, and the inputs it serves.

    ``keys`` are the content keys of the utterances, by id.
    """

    trainable: FinetuneRequest
    inputs: Mapping[str, Modality]
    keys: Mapping[str, str]


@dataclass(slots=True)
class ModalityData:
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
    awaited: PendingEncoder | None = None
    around: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def sources_of(
    kind: Kind,
    utterances: Sequence[Utterance],
    words: Transcripts,
    hints: DecodeIndex,
    contexts: Contexts | None = None,
) -> list[Source]:
    """The inputs of encoders of a kind: recordings, or transcripts, of those that have one."""
    if kind == "audio":
        return [AudioSource(u.id, u, hints) for u in utterances if u.audio is not None]
    texts = words.texts if contexts is None else contexts.texts
    return [*text_sources({u.id: texts[u.id] for u in utterances if u.id in texts})]


def modal_of(
    kind: Kind,
    wanted: Mapping[str, Modality],
    extractor: Extractor,
    done: Extraction,
    silent: Sequence[str] = (),
) -> ModalityData:
    """What was extracted, read back, by the name of the input that it is for."""
    modal = ModalityData(
        keys=done.keys,
        encoded=done.encoded,
        cached=done.cached,
        failures=done.failures,
        heard=kind == "audio",
    )
    cut: tuple[str, ...] = ()
    for name, modality in wanted.items():
        modal.identity[name] = extractor.fingerprints[modality.encoder]
        entries = extractor.spaces[modality.encoder].read(list(done.keys.values()))
        stored = dict(zip(done.keys, entries, strict=True))
        modal.frames[name] = {
            row: for_head(torch.from_numpy(entry.values), modality, entry.frame_count)
            for row, entry in stored.items()
        }
        if modality.layer == "mix":
            modal.layers[name] = max((len(entry.values) for entry in stored.values()), default=1)
        cut = cuts(modality, {row: entry.extent for row, entry in stored.items()})
    modal.remarks = (*silence(silent), *cut)
    return modal


def silence(silent: Sequence[str]) -> tuple[str, ...]:
    """A line that names recordings without sound; none where there are none."""
    if not silent:
        return ()
    shown = ", ".join(silent[:SHOWN]) + (", ..." if len(silent) > SHOWN else "")
    return (f"{len(silent)} recordings are silent (peak below -80 dB): {shown}",)


def cuts(modality: Modality, extents: Mapping[str, TokenCount | None]) -> tuple[str, ...]:
    """Lines that count the transcripts of which the encoder did not read the end, or all turns.

    ``extents`` are those of every transcript, by utterance id, as they are kept beside the
    embeddings: a run that finds all of them in the cache says the same as the first one.
    """
    shortened = [one.turns_cut for one in extents.values() if one is not None and one.turns_cut]
    lines: tuple[str, ...] = ()
    if shortened:
        lines = (
            f"{len(shortened)} of {len(extents)} transcripts were read with up to {max(shortened)} "
            "turns fewer around them, the oldest left out first, to leave room for their own words",
        )
    cut = [extent for extent in extents.values() if extent is not None and extent.cut]
    if not cut:
        return lines
    # All cut texts were read up to one limit: it is that of the encoder.
    limit, longest = cut[0].tokens_read, max(extent.tokens for extent in cut)
    by_encoder = modality.encoder.max_length is None
    whose = (
        f"which is all that {modality.encoder.title} reads" if by_encoder else "as max_length says"
    )
    return (
        *lines,
        f"{len(cut)} of {len(extents)} transcripts were longer than {limit} tokens (special ones "
        f"included) and were cut there, {whose}; the longest has {longest}",
    )
