"""What a fine-tuned encoder carries: on whose speech it was trained and stopped (law 4).

A folder of weights holds ``weights.safetensors`` and, beside it, ``provenance.json``; the header of
the weights says that there must be one. Whoever scores the encoder asks :func:`seen` first. Hashes
of weights cover their record: weights that have seen more are another encoder.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from encoders.specs import Spec, spec_from_json
from encoders.weights.cards import CARDS
from encoders.weights.files import CONFIG_FILES, file_sha256, files_sha256, weight_files
from encoders.weights.locate import find, locate
from encoders.weights.sources import MissingWeightsError, source_of

WEIGHTS, PROVENANCE = "weights.safetensors", "provenance.json"


@dataclass(frozen=True, slots=True)
class TrainingRecord:
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

    It is UAR unless ``dev_metric`` says otherwise: records keep the name that they began with.

    ``keys`` are those of :func:`encoders.store.audio_key`, of every recording that was trained or
    stopped on, and of :func:`encoders.store.text_key` where an utterance is text alone;
    ``fingerprints`` and ``landmarks`` are those of the recordings, by which changed copies and
    parts of them are known (``packed`` of :mod:`encoders.analysis.fingerprints` and of
    :mod:`encoders.analysis.landmarks`), empty where none were taken;
    ``weights_sha256`` ties the record to its weights; ``notice`` are the terms of the weights where
    they are not those of the code; ``start`` names what training started from.
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
    start: str = ""
    dev_metric: str = "UAR"
    fingerprints: str = field(default="", repr=False)
    landmarks: str = field(default="", repr=False)

    @property
    def seen(self) -> TrainingRecord:
        """What must not be scored."""
        speakers = frozenset((*self.train_speakers, *self.dev_speakers))
        return TrainingRecord(self.corpus, speakers, frozenset(self.keys))


def seen(spec: Spec) -> TrainingRecord | None:
    """What an encoder saw in training and development; None of one that was not fine-tuned here.

    Raises:
        ValueError: the record beside the weights cannot be read, or is that of other weights.
        MissingWeightsError: the weights are not there.
    """
    provenance = provenance_of(spec)
    return None if provenance is None else provenance.seen


def provenance_of(spec: Spec) -> Provenance | None:
    """The record of a spec's weights; None where they have none, or are random.

    Raises:
        ValueError: it cannot be read, or is that of other weights.
        MissingWeightsError: the weights are not there, and not to be had.
    """
    if not spec.checkpoint:
        return None
    source = source_of(spec)
    if source is None:
        return None
    path = find(source)
    if path is None and spec.checkpoint in CARDS:
        # Published by others: there is nothing of ours beside it.
        return None
    return record_of(path or locate(source))


def record_of(weights: Path) -> Provenance | None:
    """The record of a folder or file of weights; None where no file says that it has one.

    Raises:
        ValueError: it cannot be read, or is that of other weights.
    """
    files = weight_files(weights) if weights.is_dir() else [weights]
    records = (read_provenance(path) for path in files)
    return next((record for record in records if record is not None), None)


def weights_of(folder: Path) -> str:
    """Sha256 that ties a record to a folder's weights: of one file its own, or of all of them."""
    files = weight_files(folder)
    if len(files) == 1:
        return file_sha256(files[0])
    return files_sha256((path.name, path) for path in files)


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
    provenance = _parsed(path)
    sha256 = file_sha256(weights)
    if provenance.weights_sha256 not in (sha256, weights_of(weights.parent)):
        raise ValueError(
            f"{path}: is the record of weights with sha256 {provenance.weights_sha256[:12]}..., "
            f"but {weights.name} has {sha256[:12]}...: put back the pair that was saved together"
        )
    return provenance


def weights_sha256(folder: Path) -> str:
    """Sha256 over the weights and every file that decides an embedding, names included.

    Raises:
        ValueError: the weights were fine-tuned, and their record is missing or that of others.
    """
    record_of(folder)
    parts = _module_folders(folder)
    configs = [folder / name for name in CONFIG_FILES] + [part / "config.json" for part in parts]
    weights = [path for part in (folder, *parts) for path in weight_files(part)]
    files = [*(path for path in configs if path.is_file()), *weights]
    return files_sha256((path.relative_to(folder).as_posix(), path) for path in files)


def _module_folders(folder: Path) -> list[Path]:
    """Folders of the later modules of a sentence-transformers model; a Dense one has weights."""
    listed = folder / "modules.json"
    if not listed.is_file():
        return []
    return [folder / part["path"] for part in json.loads(listed.read_text()) if part["path"]]


def network_sha256(weights: Path) -> str:
    """Hash of a file of weights, and of its record where it has one.

    Raises:
        ValueError: the record cannot be read, or is that of other weights.
    """
    sha256 = file_sha256(weights)
    if read_provenance(weights) is None:
        return sha256
    both = sha256 + file_sha256(weights.parent / PROVENANCE)
    return hashlib.sha256(both.encode()).hexdigest()


def write_provenance(provenance: Provenance, folder: Path) -> None:
    """Write the record beside its weights."""
    from encoders.files import write_atomically

    text = json.dumps(asdict(provenance), indent=1, ensure_ascii=False, sort_keys=True)
    write_atomically(folder / PROVENANCE, (text + "\n").encode())


def claim_record(weights: Path) -> None:
    """Write into the header of a file of weights that its record must lie beside it.

    As bytes: the library writes several entries in an order that changes from call to call.
    """
    content = weights.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = {**header.get("__metadata__", {}), "record": PROVENANCE}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    # Tensors begin at a multiple of eight bytes.
    text += b" " * (-len(text) % 8)
    weights.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


def trained_spec(folder: Path | str) -> Spec:
    """The spec of a folder of weights, with the preprocessing that they were trained with.

    Raises:
        MissingWeightsError: the folder holds no weights with a record.
        ValueError: the record cannot be read.
    """
    provenance = record_of(Path(folder).expanduser())
    if provenance is None:
        raise MissingWeightsError(
            f"{folder}: expected weights ({WEIGHTS}, or a model of transformers) with {PROVENANCE} "
            "beside them, as encoders.finetuning.finetune.Finetuned.save writes them"
        )
    return spec_from_json({**provenance.spec, "checkpoint": str(folder)})


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
        known = ", ".join(part.name for part in fields(Provenance))
        raise ValueError(
            f"{path}: is no record of a fine-tuned encoder ({error}); expected JSON with {known}; "
            "without it nobody knows what the weights have seen"
        ) from error
