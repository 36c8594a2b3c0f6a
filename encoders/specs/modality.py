"""An input of a head: an encoder, and what is cheap to change about it."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from encoders.specs.cnn import WindowSpec
from encoders.specs.spec import Spec

Windows = Literal["pooled", "each"]
#: All stored layers: weighed by the head, or side by side.
AllLayers = Literal["mix", "concat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One input of a head: an encoder and what is cheap to change about it.

    ``layer`` counts from 0 or, negative, from the end; "mix" gives a head all stored layers, which
    it weighs; "concat" gives it all of them side by side, as one wide vector or frame. ``pooling``
    joins statistics of the spec with ``+``, and ``sum`` over time where the mean is one of them; it
    is ignored where the spec stores frames. ``windows`` "each" gives heads that read this input
    alone every window of a recording by itself. ``context`` and ``ahead`` are how many turns of the
    dialogue before and after an utterance are read with its words.
    """

    name: str
    encoder: Spec
    layer: int | AllLayers = -1
    pooling: str = ""
    windows: Windows = "pooled"
    context: int = 0
    ahead: int = 0

    @property
    def in_dialogue(self) -> bool:
        """Whether turns around an utterance are read with it."""
        return bool(self.context or self.ahead)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pooling", self.pooling or self.encoder.default_pooling)
        known = self.encoder.statistics
        if "mean" in known:
            # Not stored: the mean times the number of frames, which lies beside it.
            known = (*known, "sum")
        unknown = [name for name in self.pooling.split("+") if name not in known]
        if unknown:
            said = f"of {self.encoder.family} embeddings there is {', '.join(known)}"
            raise ValueError(f"pooling {'+'.join(unknown)!r}: {said}")
        if self.windows == "each" and not isinstance(self.encoder, WindowSpec):
            raise ValueError(
                f"windows=each: {self.encoder.family} embeds no windows by themselves; expected a "
                "network on windows of a spectrogram, such as alexnet, resnet50 or mfcc-cnn1d-3"
            )
        self._check_dialogue()

    def _check_dialogue(self) -> None:
        for name in ("context", "ahead"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected 0 turns or more")
        if self.in_dialogue and not self.encoder.contextual:
            raise ValueError(
                f"context={self.context}, ahead={self.ahead}: {self.encoder.family} reads no turns "
                "around an utterance; expected an encoder of text, such as minilm or bert-base"
            )

    def as_sequence(self) -> "Modality":
        """The same input as a sequence: frames pooled in time by four, or tokens.

        Of a deep model only this layer is kept, because frames of all layers would fill a disk; a
        mix needs all of them, and so do layers side by side.
        """
        changed: dict[str, Any] = {"storage": "frames", **self.encoder.sequence}
        if isinstance(self.layer, str):
            return replace(self, encoder=replace(self.encoder, **changed))
        if "layers" in self.encoder.after_forward:
            changed["layers"] = (self._own_layer(self.layer),)
        frames = replace(self.encoder, **changed)
        return replace(self, encoder=frames, layer=-1)

    def _own_layer(self, layer: int) -> int:
        """Layer of the model itself, where the spec keeps only some and ``layer`` counts those."""
        kept = self.encoder.layers
        return layer if kept is None else kept[layer]
