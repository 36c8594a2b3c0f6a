"""What a fine-tuned encoder carries: on whose speech it was trained and stopped (law 4).

A folder of weights holds ``weights.safetensors`` and, beside it, ``provenance.json``; the header of
the weights says that there must be one. Whoever scores the encoder asks :func:`seen` first.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from encoders.checkpoints import MissingWeightsError
from encoders.cnn_spec import SpectrogramCnnSpec
from encoders.specs import Spec, spec_from_json

WEIGHTS, PROVENANCE = "weights.safetensors", "provenance.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """Speakers, by the corpus that names them, and content keys of training and development."""

    corpus: str
    speakers: frozenset[str]
    keys: frozenset[str]

    def holds(self, corpus: str, speaker: str | None, key: str | None) -> bool:
        """Whether an utterance is among them, by its speaker or by its samples.

        Names of speakers mean something within their corpus only; samples mean the same anywhere.
        """
        return key in self.keys or (corpus == self.corpus and speaker in self.speakers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How weights came about; ``dev_uar`` is per epoch, of the development speakers.

    ``keys`` are those of :func:`encoders.store.audio_key`, of every recording that was trained or
    stopped on; ``weights_sha256`` ties the record to its weights; ``notice`` are the terms of the
    weights where they are not those of the code.
    """

    corpus: str
    targets: tuple[str, ...]
    train_speakers: tuple[str, ...]
    dev_speakers: tuple[str, ...]
    keys: tuple[str, ...]
    spec: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int
    dev_uar: tuple[float, ...]
    best_epoch: int
    weights_sha256: str
    notice: str = ""

    @property
    def seen(self) -> Seen:
        """What must not be scored."""
        speakers = frozenset((*self.train_speakers, *self.dev_speakers))
        return Seen(self.corpus, speakers, frozenset(self.keys))


def seen(spec: Spec) -> Seen | None:
    """What an encoder saw in training and development; None of one that was not fine-tuned here.

    Raises:
        ValueError: the record beside the weights cannot be read, or is that of other weights.
        MissingWeightsError: the weights are not there.
    """
    found = provenance_of(spec)
    return None if found is None else found.seen


def provenance_of(spec: Spec) -> Provenance | None:
    """The record of a spec's weights; None where they have none, or are random.

    Raises:
        ValueError: it cannot be read, or is that of other weights.
        MissingWeightsError: the weights are not there.
    """
    from encoders.cnn_weights import locate_file

    if not isinstance(spec, SpectrogramCnnSpec) or spec.untrained:
        return None
    return read_provenance(locate_file(spec))


def read_provenance(weights: Path) -> Provenance | None:
    """The record beside a file of weights; None where there is none.

    Raises:
        ValueError: it cannot be read, or is that of other weights.
    """
    path = weights.parent / PROVENANCE
    if not _is_finetuned(weights):
        return None
    if not path.is_file():
        raise ValueError(
            f"{weights}: was fine-tuned, but {PROVENANCE}, which says on whose speech, does not "
            "lie beside it; put it back, without it nothing may be scored"
        )
    found = _parsed(path)
    with weights.open("rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    if sha256 != found.weights_sha256:
        raise ValueError(
            f"{path}: is the record of weights with sha256 {found.weights_sha256[:12]}..., but "
            f"{weights.name} has {sha256[:12]}...: put back the pair that was saved together"
        )
    return found


def write_provenance(provenance: Provenance, folder: Path) -> None:
    """Write the record beside its weights."""
    from encoders.store import write_atomically

    text = json.dumps(asdict(provenance), indent=1, ensure_ascii=False, sort_keys=True)
    write_atomically(folder / PROVENANCE, (text + "\n").encode())


def trained_spec(folder: Path | str) -> SpectrogramCnnSpec:
    """The spec of a folder of weights, with the preprocessing that they were trained with.

    Raises:
        MissingWeightsError: the folder holds no weights with a record.
        ValueError: the record cannot be read.
    """
    found = read_provenance(Path(folder).expanduser() / WEIGHTS)
    if found is None:
        raise MissingWeightsError(
            f"{folder}: expected {WEIGHTS} with {PROVENANCE} beside it, as "
            "encoders.finetune.Finetuned.save writes them"
        )
    spec = spec_from_json({**found.spec, "checkpoint": str(folder)})
    assert isinstance(spec, SpectrogramCnnSpec)
    return spec


def _is_finetuned(weights: Path) -> bool:
    """Whether a file of weights says that it has a record, wherever it was moved."""
    from safetensors import SafetensorError, safe_open

    if weights.suffix != ".safetensors" or not weights.is_file():
        return False
    try:
        with safe_open(weights, framework="np") as file:
            return PROVENANCE in (file.metadata() or {}).values()
    except (SafetensorError, OSError):
        # What is no file of weights is told by whoever loads it.
        return False


def _parsed(path: Path) -> Provenance:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        whole: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in content.items()
        }
        return Provenance(**whole)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        known = ", ".join(field.name for field in fields(Provenance))
        raise ValueError(
            f"{path}: is no record of a fine-tuned encoder ({error}); expected JSON with {known}; "
            "without it nobody knows what the weights have seen"
        ) from error
