"""From inputs to what the store keeps of them: encode, reduce at once, hold no more than needed."""

import ctypes
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from encoders.audio.waveform import Audio
from encoders.context import TextInContext
from encoders.encoder import Encoder
from encoders.packing import batches
from encoders.pooling import Hidden, Reduction
from encoders.specs import Spec, SpeechSpec
from encoders.store import Embedding, TokenCount, why_not_storable
from encoders.windows import Window, cut

#: Seconds of audio, or texts, whose hidden layers are in memory at once: 13 layers of 768 for
#: 128 s take 0.26 GB.
HELD = 128.0

Stored = Mapping[Spec, Embedding]


def embed(encoder: Encoder, inputs: Sequence[Any], specs: Sequence[Spec]) -> list[Stored]:
    """What each spec stores of each input; the specs share the encoder's forward pass.

    Raises:
        AudioError: an input cannot be encoded, for example because it is shorter than a frame.
    """
    stored: dict[int, Stored] = {}
    sizes = [content.duration_s if isinstance(content, Audio) else 1.0 for content in inputs]
    for batch in batches(sizes, HELD):
        group = [inputs[index] for index in batch]
        windows = [_windows(content, specs[0], encoder) for content in group]
        parts: list[Iterable[Hidden]]
        if all(len(pieces) == 1 for pieces in windows):
            parts = [[hidden] for hidden in encoder.encode(group)]
        else:
            parts = [_parts(pieces, encoder) for pieces in windows]
        for index, hidden, extent in zip(batch, parts, encoder.extents(group), strict=True):
            start_s = encoder.offset_s(inputs[index])
            stored[index] = _reduced(hidden, extent, start_s, specs, encoder)
    return [stored[index] for index in range(len(inputs))]


def unstorable(stored: Mapping[str, Stored]) -> dict[str, str]:
    """Why embeddings cannot be kept, by key: one that is not finite must not stop the others."""
    return {
        key: f"its embedding by {spec.family} {why}"
        for key, by_spec in stored.items()
        for spec, entry in by_spec.items()
        if (why := why_not_storable(entry, spec.storage_dtype)) is not None
    }


def _windows(content: Audio | str | TextInContext, spec: Spec, encoder: Encoder) -> list[Window]:
    if not isinstance(spec, SpeechSpec):
        return [Window(content)]
    assert isinstance(content, Audio)
    assert encoder.frame_s is not None
    return cut(content, spec.window_s, spec.overlap_s, encoder.frame_s)


def _parts(windows: Sequence[Window], encoder: Encoder) -> Iterable[Hidden]:
    for window in windows:
        yield window.own(encoder.encode([window.content])[0])
        _give_back()


def _give_back() -> None:
    """Hand freed memory back: glibc keeps it, and what it keeps grows with every window."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _reduced(
    parts: Iterable[Hidden],
    extent: TokenCount | None,
    start_s: float,
    specs: Sequence[Spec],
    encoder: Encoder,
) -> Stored:
    reductions = {spec: Reduction(spec) for spec in specs}
    for hidden in parts:
        for reduction in reductions.values():
            reduction.add(hidden)
        # Not held while the next window is encoded.
        del hidden
    embeddings = {}
    for spec, reduction in reductions.items():
        values = reduction.stored().numpy()
        times = np.zeros(0, np.float32)
        if spec.storage == "frames" and encoder.frame_s is not None:
            step_s = encoder.frame_s * spec.time_pool
            times = (start_s + np.arange(values.shape[1]) * step_s).astype(np.float32)
        embeddings[spec] = Embedding(values, reduction.frame_count, times, extent)
    return embeddings
