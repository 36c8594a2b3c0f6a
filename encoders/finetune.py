"""Train a spectrogram network on training speakers, stop it on development speakers, freeze it.

The result is a folder that ``SpectrogramCnnSpec(checkpoint=FOLDER)`` loads: weights, and the record
of whose speech they have seen. Test speakers have no place in any signature here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from encoders.augmentation import WaveformChanges
from encoders.cnn_models import Projected
from encoders.cnn_spec import SpectrogramCnnSpec
from encoders.cnn_weights import file_sha256
from encoders.provenance import PROVENANCE, WEIGHTS, Provenance, provenance_of, write_provenance
from encoders.recordings import prepare
from encoders.settings import FinetuneError, Settings, default_settings
from encoders.training import (
    Notify,
    Trainee,
    scores_of,
    start_of,
    train_stopped,
    uar_of,
)
from encoders.utterance import Utterance

__all__ = [
    "FinetuneError",
    "Finetuned",
    "Settings",
    "default_settings",
    "finetune",
    "held_out_uar",
]


@dataclass(frozen=True, slots=True)
class Finetuned:
    """A trained network, where it comes from, and its classifier, which is not saved."""

    spec: SpectrogramCnnSpec
    network: Projected
    provenance: Provenance
    classifier: nn.Module

    def save(self, folder: Path | str, dtype: torch.dtype = torch.float32) -> SpectrogramCnnSpec:
        """Write weights and record; returns the spec that loads them.

        ``dtype`` float16 halves the file; the encoder computes with float32 all the same.
        """
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        network, own = self.network.network.state_dict(), self.network.projection.state_dict()
        state = {**network, **{f"projection.{name}": value for name, value in own.items()}}
        kept = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
        # Channels last is how a network computes, not how a file is compared.
        plain = {name: value.contiguous() for name, value in kept.items()}
        save_file(plain, folder / WEIGHTS, metadata={"record": PROVENANCE})
        sha256 = file_sha256(folder / WEIGHTS)
        write_provenance(replace(self.provenance, weights_sha256=sha256), folder)
        return replace(self.spec, checkpoint=str(folder), untrained=False)


def finetune(
    train: Sequence[Utterance],
    dev: Sequence[Utterance],
    targets: Sequence[str],
    spec: SpectrogramCnnSpec,
    settings: Settings,
    *,
    seed: int,
    corpus: str,
    notice: str = "",
    notify: Notify | None = None,
) -> Finetuned:
    """Train the network of a spec: the same arguments give the same bytes on the same machine.

    An untrained spec starts from random weights drawn from ``seed``, another from its checkpoint.
    ``corpus`` is the name under which these speakers are known, ``notice`` the terms of the
    weights; ``notify`` is told every epoch and its development UAR.

    Raises:
        FinetuneError: a speaker is on both sides or unknown, an utterance has no label, a side
            lacks a class, or the checkpoint was fine-tuned before.
        AudioError: a recording cannot be read.
    """
    _check(train, dev, targets)
    _check_fresh(spec)
    random = np.random.default_rng(seed)
    heard = prepare(train, spec, settings.changes, random)
    held = prepare(dev, spec, WaveformChanges(copies=0), random)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trainee = Trainee(start_of(spec), len(targets), settings)
        course = train_stopped(trainee, heard, held, spec, settings, notify or (lambda *_: None))
    provenance = Provenance(
        corpus=corpus,
        targets=tuple(targets),
        train_speakers=_speakers(train),
        dev_speakers=_speakers(dev),
        keys=tuple(sorted({*heard.keys, *held.keys})),
        spec=asdict(spec) | {"checkpoint": "", "untrained": False},
        settings=asdict(settings),
        seed=seed,
        dev_uar=tuple(round(value, 4) for value in course),
        best_epoch=int(np.argmax(course)),
        weights_sha256="",
        notice=notice,
    )
    return Finetuned(spec, trainee.network.eval(), provenance, trainee.classifier.eval())


def held_out_uar(tuned: Finetuned, utterances: Sequence[Utterance]) -> float:
    """UAR of a network's own classifier on speakers that it has not seen, in float32.

    Log probabilities of a recording's windows are added up, as for its development speakers.

    Raises:
        FinetuneError: it has seen one of the speakers or recordings.
    """
    silent = WaveformChanges(copies=0)
    asked = prepare(utterances, tuned.spec, silent, np.random.default_rng(0))
    both = {*asked.keys} & tuned.provenance.seen.keys
    if both or set(_speakers(utterances)) & tuned.provenance.seen.speakers:
        raise FinetuneError(
            f"{len(both)} of {len(asked.keys)} recordings, or their speakers, were seen in "
            "training or development: that is no held-out score"
        )
    whole = nn.Sequential(tuned.network, tuned.classifier)
    return uar_of(scores_of(whole, asked, tuned.spec), asked.truth)


# ---------------------------------------------------------------- what is refused


def _check(train: Sequence[Utterance], dev: Sequence[Utterance], targets: Sequence[str]) -> None:
    for side, utterances in (("training", train), ("development", dev)):
        unknown = [u.id for u in utterances if u.speaker is None or u.target is None]
        if unknown:
            raise FinetuneError(
                f"{side}: {len(unknown)} utterances have no speaker or no label, first "
                f"{unknown[0]}; expected both of every one: fill them in or leave the rows out"
            )
        found = {u.target.index(max(u.target)) for u in utterances if u.target is not None}
        lacking = [name for number, name in enumerate(targets) if number not in found]
        if lacking:
            raise FinetuneError(
                f"{side}: no utterance of {', '.join(lacking)}; add speakers with that class"
            )
    shared = sorted(set(_speakers(train)) & set(_speakers(dev)))
    if shared:
        raise FinetuneError(
            f"speaker {', '.join(shared[:5])} ({len(shared)} in all) is in both training and "
            "development: an encoder stopped on its own speakers is not stopped"
        )


def _check_fresh(spec: SpectrogramCnnSpec) -> None:
    if provenance_of(spec) is not None:
        raise FinetuneError(
            f"{spec.checkpoint}: was fine-tuned before, on speakers that the new record would not "
            "name; start from published weights or from an untrained network"
        )


def _speakers(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    return tuple(sorted({str(utterance.speaker) for utterance in utterances}))
