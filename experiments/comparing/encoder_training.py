"""Train an encoder once, keep it in the cache, and take it from there when it is asked for again.

``finetuned/<hash>/`` holds the weights, the record of whom they have seen, and how long it took.
The hash is that of everything that training depends on, so that an interrupted command goes on with
the next encoder and a repeated one trains none.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from encoders.device import other_arithmetic
from encoders.encoder import fingerprint_of
from encoders.extraction import Progress
from encoders.files import changed_files, make_folder, own_folder, write_atomically
from encoders.finetuning.finetune import NUMERICS_VERSION, finetune
from encoders.finetuning.settings import Settings
from encoders.provenance import Provenance, provenance_of, trained_spec
from encoders.specs import Spec
from encoders.utterance import Corpus, Utterance
from experiments.cache import TRAINED
from experiments.comparing.trainable import FinetuneRequest
from experiments.locks import file_lock
from experiments.reporting.trained_encoder import Trained
from fusion.training.fit_key import hash_of

#: The file that says how long a training took.
TIMES = "training.json"
#: One encoder per fold; seeds of a study are seeds of heads.
SEED = 0
#: What trains encoders besides our own code.
LIBRARIES = ("torch", "numpy", "transformers", "soxr", "soundfile")
#: Settings that encoders kept by older versions do not know; None or 0 is what those did.
LATER = ("loss", "lora_rank")


@dataclass(frozen=True, slots=True)
class TrainingSplit:
    """Whom one encoder of a fold is trained and stopped on.

    ``part`` is "all", or which half of the training speakers it is where heads are cross-fitted.
    ``leaky`` lets an encoder be stopped on speakers that it is trained on, as published splits do.
    """

    fold: str
    part: str
    train: tuple[Utterance, ...]
    dev: tuple[Utterance, ...]
    leaky: bool = False


@dataclass(frozen=True, slots=True)
class TrainedFoldEncoder:
    """A trained encoder: the spec that loads it, whom it has seen, and what is told of it."""

    spec: Spec
    provenance: Provenance
    summary: Trained


def trained_encoder(
    trainable: FinetuneRequest,
    lesson: TrainingSplit,
    keys: Mapping[str, str],
    corpus: Corpus,
    root: Path,
    progress: Progress | None,
) -> TrainedFoldEncoder:
    """The encoder of a lesson, from the store below ``root`` or trained now.

    Raises:
        FinetuneError, AudioError: as :func:`encoders.finetuning.finetune.finetune`.
    """
    name = _name(trainable, lesson, keys, corpus)
    folder = root / TRAINED / name
    with file_lock(folder):
        found = _kept(folder, trainable, lesson)
        if found is None:
            _train(trainable, lesson, corpus, folder, progress)
            found = _kept(folder, trainable, lesson)
    assert found is not None, "what was just written can be read"
    return found


def _train(
    trainable: FinetuneRequest,
    lesson: TrainingSplit,
    corpus: Corpus,
    folder: Path,
    progress: Progress | None,
) -> None:
    epochs = trainable.settings.epochs
    what = f"{trainable.kind} encoder, fold {lesson.fold}" + (
        "" if lesson.part == "all" else f", {lesson.part}"
    )

    def notify(epoch: int, _score: float) -> None:
        if progress is not None:
            progress(what, epoch + 1, epochs)

    # Which families can be trained is for default_settings to say, and was asked before.
    encoder: Any = trainable.modality.encoder
    start = time.monotonic()
    tuned = finetune(
        lesson.train,
        lesson.dev,
        corpus.targets,
        encoder,
        trainable.settings,
        seed=SEED,
        corpus=corpus.name,
        task=corpus.task,
        notice=f"trained on {corpus.name}: the terms of that corpus apply to the weights",
        notify=notify,
        leaky=lesson.leaky,
    )
    seconds = round(time.monotonic() - start, 1)
    if progress is not None:
        progress(what, epochs, epochs)
    make_folder(folder.parent)
    with own_folder(folder) as work:
        tuned.save(work)
        write_atomically(work / TIMES, json.dumps({"seconds": seconds}).encode())


def _kept(
    folder: Path, trainable: FinetuneRequest, lesson: TrainingSplit
) -> TrainedFoldEncoder | None:
    """What lies in a folder; None where it is absent or damaged: then it is trained again."""
    try:
        spec = trained_spec(folder)
        record = provenance_of(spec)
        seconds = float(json.loads((folder / TIMES).read_text())["seconds"])
    except (ValueError, OSError, KeyError, TypeError):
        return None
    if record is None or changed_files(folder):
        return None
    told = Trained(
        kind=trainable.kind,
        typed=trainable.typed,
        fold=lesson.fold,
        part=lesson.part,
        train_speakers=len(record.train_speakers),
        dev_speakers=len(record.dev_speakers),
        utterances=len(lesson.train),
        dev_uar=record.dev_uar[record.best_epoch],
        dev_metric=record.dev_metric,
        epoch=record.best_epoch + 1,
        epochs=len(record.dev_uar),
        seconds=seconds,
        precision=str(record.settings.get("precision", "")),
        fingerprint=fingerprint_of(spec),
    )
    return TrainedFoldEncoder(spec, record, told)


def _name(
    trainable: FinetuneRequest,
    lesson: TrainingSplit,
    keys: Mapping[str, str],
    corpus: Corpus,
) -> str:
    """Hash of what training depends on; never a file's name or an utterance's id."""
    sides = [
        [(keys[u.id], u.speaker, u.target) for u in side] for side in (lesson.train, lesson.dev)
    ]
    libraries = LIBRARIES if trainable.settings.lora_rank is None else (*LIBRARIES, "peft")
    content: dict[str, Any] = {
        "encoder": fingerprint_of(trainable.modality.encoder),
        "settings": _settings(trainable.settings),
        "sides": sides,
        "targets": corpus.targets,
        "corpus": corpus.name,
        "seed": SEED,
        "numerics": NUMERICS_VERSION,
        "libraries": {name: version(name) for name in libraries},
    }
    if corpus.task != "single-label":
        content["task"] = corpus.task
    if device := other_arithmetic():
        content["device"] = device
    return hash_of(content)[:32]


def _settings(settings: Settings) -> dict[str, Any]:
    """Settings without those that came later and say nothing, so that kept encoders stay found."""
    return {name: value for name, value in asdict(settings).items() if name not in LATER or value}
