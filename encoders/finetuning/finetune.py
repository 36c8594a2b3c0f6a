"""Train an encoder on training speakers, stop it on development speakers, freeze it.

The result is a folder that the family's own spec loads (``SpeechSpec(checkpoint=FOLDER)``, and so
on): weights, and the record of whose speech they have seen. Test speakers have no place in any
signature here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from encoders.analysis import fingerprints, landmarks
from encoders.analysis.recording_quality import sound_of
from encoders.audio.reading import read_utterance
from encoders.device import chosen_device
from encoders.finetuning import lora
from encoders.finetuning.augmentation import WaveformChanges
from encoders.finetuning.objective import STOPPED_BY, Objective, check_task, objective_of
from encoders.finetuning.settings import FinetuneError, Settings, check_fit
from encoders.finetuning.training import (
    EncoderWithClassifier,
    Notify,
    TrainableEncoder,
    score_of,
    train_stopped,
)
from encoders.provenance import Provenance, provenance_of, weights_of, write_provenance
from encoders.specs import FAMILIES, Spec
from encoders.utterance import Task, Utterance

#: The module whose ``start(spec, settings)`` makes a family's network ready for training.
PUPILS: Mapping[str, str] = MappingProxyType(
    {
        "spectrogram_cnn": "encoders.finetuning.windows",
        "mfcc_cnn": "encoders.finetuning.windows",
        "speech": "encoders.finetuning.speech",
        "whisper_encoder": "encoders.finetuning.speech",
        "bert": "encoders.finetuning.text",
    }
)


@dataclass(frozen=True, slots=True)
class Finetuned:
    """A trained network, where it comes from, and what it was trained by, which is not saved."""

    spec: Spec
    pupil: TrainableEncoder
    provenance: Provenance
    classifier: nn.Module
    objective: Objective

    def save(self, folder: Path | str, dtype: torch.dtype = torch.float32) -> Spec:
        """Write weights and record; returns the spec that loads them.

        ``dtype`` float16 halves the file; the encoder computes with float32 all the same.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.pupil.save(folder, dtype)
        record = replace(self.provenance, weights_sha256=weights_of(folder))
        write_provenance(record, folder)
        return self.pupil.saved_spec(str(folder))


#: To be raised whenever the same rows and settings train another encoder than before, were it in
#: the last digits: kept encoders of another number are trained again.
NUMERICS_VERSION = 1


def finetune(
    train: Sequence[Utterance],
    dev: Sequence[Utterance],
    targets: Sequence[str],
    spec: Spec,
    settings: Settings,
    *,
    seed: int,
    corpus: str,
    task: Task = "single-label",
    notice: str = "",
    notify: Notify | None = None,
    device: str | None = None,
    leaky: bool = False,
) -> Finetuned:
    """Train the encoder of a spec: the same arguments give the same bytes on the same machine.

    An untrained spec starts from random weights drawn from ``seed``, another from its checkpoint.
    ``corpus`` is the name under which these speakers are known, ``notice`` the terms of the
    weights; ``notify`` is told every epoch and its development score, which is what
    :data:`encoders.finetuning.objective.STOPPED_BY` has for the task. ``leaky`` lets speakers be on
    both sides, as published splits have them. On a device other than the CPU bytes may differ
    between runs.

    Raises:
        FinetuneError: a speaker is on both sides (unless ``leaky``) or unknown, an utterance has no
            label or lacks what the encoder reads, a side lacks a class or a label or has values
            that never vary, settings do not fit the family or the task, the family is not trained
            here, or the checkpoint was fine-tuned before.
        AudioError: a recording cannot be read.
        MissingWeightsError: the checkpoint is not to be had.
    """
    check_fit(spec, settings)
    check_task(spec, settings, task)
    _check(train, dev, targets, task, leaky)
    _check_fresh(spec)
    random, device = np.random.default_rng(seed), chosen_device(device)
    with torch.random.fork_rng(devices=[] if device == "cpu" else [device]):
        torch.manual_seed(seed)
        pupil: TrainableEncoder = import_module(PUPILS[spec.family]).start(spec, settings)
        if settings.lora_rank is not None:
            lora.adapt(pupil.network, settings.lora_rank)
        heard = pupil.prepare(train, settings.changes, random)
        held = pupil.prepare(dev, WaveformChanges(copies=0), random)
        trainee = EncoderWithClassifier(pupil, len(targets), settings).to(device)
        objective = objective_of(task, settings, heard.truth)
        notify = notify or (lambda *_: None)
        course = train_stopped(trainee, heard, held, objective, settings, notify)
    trainee.to("cpu")
    if settings.lora_rank is not None:
        lora.merge(pupil.network)
    sounds = [sound_of(read_utterance(u)) for u in (*train, *dev) if u.audio is not None]
    provenance = Provenance(
        corpus=corpus,
        targets=tuple(targets),
        train_speakers=_speakers(train),
        dev_speakers=_speakers(dev),
        keys=tuple(sorted({*heard.keys, *held.keys})),
        spec=asdict(pupil.saved_spec("")) | {"checkpoint": ""},
        settings=asdict(settings),
        seed=seed,
        dev_metric=STOPPED_BY[task],
        dev_uar=tuple(round(value, 4) for value in course),
        best_epoch=int(np.argmax(course)),
        weights_sha256="",
        notice=notice,
        start=_start(spec),
        fingerprints=fingerprints.packed(sound.signature for sound in sounds),
        landmarks=landmarks.packed(sound.landmarks for sound in sounds),
    )
    return Finetuned(spec, pupil.eval(), provenance, trainee.classifier.eval(), objective)


def held_out_score(tuned: Finetuned, utterances: Sequence[Utterance]) -> float:
    """What a network's own classifier is worth on speakers that it has not seen, in float32.

    In the metric that it was stopped by, a recording's windows put together as for its development
    speakers: UAR of classes.

    Raises:
        FinetuneError: it has seen one of the speakers or recordings.
    """
    silent = WaveformChanges(copies=0)
    asked = tuned.pupil.prepare(utterances, silent, np.random.default_rng(0))
    both = {*asked.keys} & tuned.provenance.seen.keys
    if both or set(_speakers(utterances)) & tuned.provenance.seen.speakers:
        raise FinetuneError(
            f"{len(both)} of {len(asked.keys)} recordings, or their speakers, were seen in "
            "training or development: that is no held-out score"
        )
    whole = nn.Sequential(tuned.pupil, tuned.classifier)
    return score_of(whole, asked, tuned.objective)


def _start(spec: Spec) -> str:
    """What training started from, for the record: never a way to a folder."""
    if spec.untrained or not spec.checkpoint:
        return "random weights"
    path = Path(spec.checkpoint).expanduser()
    name = path.name if path.exists() else spec.checkpoint
    weights: str = import_module(FAMILIES[spec.family].module).weights_sha256(spec)
    return f"{name}, sha256 {weights[:16]}"


# ---------------------------------------------------------------- what is refused


def _check(
    train: Sequence[Utterance],
    dev: Sequence[Utterance],
    targets: Sequence[str],
    task: Task,
    leaky: bool,
) -> None:
    for side, utterances in (("training", train), ("development", dev)):
        unknown = [u.id for u in utterances if u.speaker is None or u.target is None]
        if unknown:
            raise FinetuneError(
                f"{side}: {len(unknown)} utterances have no speaker or no label, first "
                f"{unknown[0]}; expected both of every one: fill them in or leave the rows out"
            )
        _check_targets(side, [u.target for u in utterances if u.target is not None], targets, task)
    shared = sorted(set(_speakers(train)) & set(_speakers(dev)))
    if shared and not leaky:
        raise FinetuneError(
            f"speaker {', '.join(shared[:5])} ({len(shared)} in all) is in both training and "
            "development: an encoder stopped on its own speakers is not stopped"
        )


def _check_targets(
    side: str, rows: Sequence[tuple[float, ...]], targets: Sequence[str], task: Task
) -> None:
    columns = {name: [row[k] for row in rows] for k, name in enumerate(targets)}
    if task == "regression":
        still = [name for name, values in columns.items() if len(set(values)) < 2]
        if still:
            raise FinetuneError(
                f"{side}: {', '.join(still)} never varies; add speakers with other values"
            )
        return
    if task == "multi-label":
        lacking = [name for name, values in columns.items() if max(values, default=0) < 0.5]
    else:
        present = {row.index(max(row)) for row in rows}
        lacking = [name for number, name in enumerate(targets) if number not in present]
    if lacking:
        raise FinetuneError(
            f"{side}: no utterance of {', '.join(lacking)}; add speakers with that class"
        )


def _check_fresh(spec: Spec) -> None:
    if provenance_of(spec) is not None:
        raise FinetuneError(
            f"{spec.title}: was fine-tuned before, on speakers that the new record would not name; "
            "start from published weights or from an untrained network"
        )


def _speakers(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    return tuple(sorted({str(utterance.speaker) for utterance in utterances}))
