"""Long recordings in overlapping windows, so that memory does not grow with their length.

Each frame is taken from the window whose middle is nearest, so that no frame sees a cut edge
nearer than half the overlap.
"""

from dataclasses import dataclass

from jaxtyping import Float32
from torch import Tensor

from encoders.audio.waveform import Audio
from encoders.context import TextInContext
from encoders.pooling import Hidden


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of an input and which of its frames count, as a slice; ``stop`` None: all."""

    content: Audio | str | TextInContext
    start: int = 0
    stop: int | None = None

    def own(self, hidden: Hidden) -> Float32[Tensor, "layers own dim"]:
        """The frames that no other window has."""
        return hidden[:, self.start : self.stop]


def cut(audio: Audio, window_s: float, overlap_s: float, frame_s: float) -> list[Window]:
    """Windows of a recording; one that fits into a window is left whole.

    The distance of two windows is ``window_s - overlap_s``; it and half the overlap are whole
    numbers of frames, so that the frames of all windows lie on one grid.

    Raises:
        ValueError: they are not, or the overlap leaves no window.
    """
    hop_s, margin_s = window_s - overlap_s, overlap_s / 2
    if not (0 <= overlap_s < window_s and _whole(hop_s / frame_s) and _whole(margin_s / frame_s)):
        raise ValueError(
            f"window_s={window_s:g}, overlap_s={overlap_s:g}: expected window_s - overlap_s and "
            f"overlap_s / 2 to be multiples of {frame_s:g} s, the distance of two frames"
        )
    if audio.duration_s <= window_s:
        return [Window(audio)]
    hop, margin = round(hop_s / frame_s), round(margin_s / frame_s)
    count = 1
    while (count - 1) * hop_s + window_s < audio.duration_s:
        count += 1
    return [
        Window(
            _segment(audio, number * hop_s, number * hop_s + window_s),
            0 if number == 0 else margin,
            None if number == count - 1 else margin + hop,
        )
        for number in range(count)
    ]


def _segment(audio: Audio, start_s: float, end_s: float) -> Audio:
    rate = audio.sample_rate_hz
    return Audio(audio.samples[round(start_s * rate) : round(end_s * rate)], rate)


def _whole(ratio: float) -> bool:
    return abs(ratio - round(ratio)) < 1e-6
