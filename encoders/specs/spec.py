"""What every spec says of itself, and its fingerprint.

A spec holds only what is expensive to change: its fields are the input of the cache key. What the
classes say beside their fields (``kind``, ``statistics`` and so on) changes no key.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal

Kind = Literal["audio", "text"]
Storage = Literal["pooled", "frames"]
StorageDtype = Literal["float32", "float16"]

#: Statistics over time that ``storage="pooled"`` keeps side by side, in this order.
TIME_STATISTICS = ("mean", "std", "max")
WindowFunction = Literal["hamming", "hann"]
#: Of the random weights of every ``:untrained`` encoder.
UNTRAINED_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One encoder: the base of every family's dataclass, and the face that all of them share.

    A family has these three fields and those of its own. What is a property here a family that has
    a choice makes a field; what it does not change is as it stands here.
    """

    family: str
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"

    kind: ClassVar[Kind] = "audio"
    #: Fields that are decided after the forward pass: specs that differ in them share a model.
    after_forward: ClassVar[tuple[str, ...]] = ("storage", "storage_dtype")
    #: What changes, beside ``storage``, when frames are asked for.
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    #: Whether texts come with the turns around them (:class:`encoders.context.TextInContext`).
    contextual: ClassVar[bool] = False
    #: Fields that a user may set behind an ``@``.
    options: ClassVar[tuple[str, ...]] = ()

    @property
    def checkpoint(self) -> str | None:
        """Name, folder or file of the weights; None or empty where there are none."""
        return None

    @property
    def revision(self) -> str | None:
        """Revision of the checkpoint on its hub; None is the latest, or what is here."""
        return None

    @property
    def untrained(self) -> bool:
        """Whether seeded random weights take the place of the checkpoint's."""
        return False

    @property
    def layers(self) -> tuple[int, ...] | None:
        """Hidden layers that are kept; None keeps all of them."""
        return None

    @property
    def time_pool(self) -> int:
        """How many consecutive frames are averaged before they are stored."""
        return 1

    @property
    def max_length(self) -> int | None:
        """Tokens that are read of a text; None: the model's own limit, or no text is read."""
        return None

    @property
    def statistics(self) -> tuple[str, ...]:
        """What pooled storage keeps side by side."""
        return TIME_STATISTICS

    @property
    def default_pooling(self) -> str:
        """The statistics that a head reads where a user names none, joined by ``+``."""
        return "mean+std"

    @property
    def title(self) -> str:
        """What a reader is told that this is: the checkpoint, else the family."""
        return self.checkpoint or self.family

    @classmethod
    def has(cls, name: str) -> bool:
        """Whether a property of the face is a field of the family, so that it can be chosen."""
        return any(field.name == name for field in fields(cls))


def fingerprint(spec: Spec, weights_sha256: str, numerics_version: int) -> str:
    """Sha256 over everything that can change an embedding: spec, weights, version of our code."""
    identity = {"spec": asdict(spec), "weights": weights_sha256, "numerics": numerics_version}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def model_part(spec: Spec) -> Spec:
    """The spec without what is decided after the forward pass; specs with equal parts share it."""
    defaults: dict[str, Any] = {field.name: field.default for field in fields(spec)}
    return replace(spec, **{name: defaults[name] for name in spec.after_forward})
