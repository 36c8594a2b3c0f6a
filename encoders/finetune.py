"""Train a spectrogram network on training speakers, stop it on development speakers, freeze it.

The result is a folder that ``SpectrogramCnnSpec(checkpoint=FOLDER)`` loads: weights, and the record
of whose speech they have seen. Test speakers have no place in any signature here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from encoders.augmentation import Masks, WaveformChanges, masked
from encoders.cnn_models import ImageNetwork, Images, Projected
from encoders.cnn_spec import SpectrogramCnnSpec
from encoders.cnn_weights import file_sha256, load_network
from encoders.provenance import PROVENANCE, WEIGHTS, Provenance, provenance_of, write_provenance
from encoders.recordings import Recordings, prepare
from encoders.spectrogram_cnn import from_unit
from encoders.utterance import Utterance

#: Windows of one pass without gradients.
SCORED_AT_ONCE = 64
#: Largest norm of the gradient: AlexNet has no norms of its own that would bound a step.
LARGEST_GRADIENT = 1.0

Notify = Callable[[int, float], None]
State = dict[str, Tensor]


class FinetuneError(ValueError):
    """An encoder cannot be trained on these utterances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a network is trained; none of it is part of the spec, all of it is in the record.

    AdamW with a rate that rises over a tenth of all steps and falls to nothing at the last (Smith
    2018, arXiv 1708.07120). An epoch shows one random window of every training recording. Training
    ends ``patience`` epochs after the best development UAR. An embedding has ``projection_dim``
    values, 256 as in the recipe for AlexNet; ``bfloat16`` computes forward passes with 8 bits.
    """

    epochs: int = 50
    patience: int = 15
    batch_size: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    dropout: float = 0.3
    label_smoothing: float = 0.1
    projection_dim: int = 256
    precision: Literal["float32", "bfloat16"] = "float32"
    masks: Masks = field(default_factory=Masks)
    changes: WaveformChanges = field(default_factory=WaveformChanges)

    def __post_init__(self) -> None:
        least = {"epochs": 1, "patience": 1, "batch_size": 2, "projection_dim": 1}
        low = [f"{k} {getattr(self, k)}: expected {v} or more" for k, v in least.items()]
        low = [said for said, k in zip(low, least, strict=True) if getattr(self, k) < least[k]]
        if self.learning_rate <= 0:
            low.append(f"learning_rate {self.learning_rate:g}: expected more than 0")
        if low:
            raise FinetuneError("; ".join(low))


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
        trainee = Trainee(_start(spec), len(targets), settings)
        course = _train(trainee, heard, held, spec, settings, notify or (lambda *_: None))
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
    return _uar(_scores(whole, asked, tuned.spec), asked.truth)


class Trainee(nn.Module):
    """A network, its projection, and the classifier that is thrown away after training."""

    def __init__(self, network: ImageNetwork, classes: int, settings: Settings) -> None:
        super().__init__()
        self.network = Projected(network, settings.projection_dim)
        self.classifier = nn.Sequential(
            nn.ReLU(), nn.Dropout(settings.dropout), nn.Linear(settings.projection_dim, classes)
        )
        self.reduced = settings.precision == "bfloat16"
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Images) -> Float[Tensor, "images classes"]:
        """Logits in float32."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.reduced):
            shaped = images.contiguous(memory_format=torch.channels_last)
            logits: Tensor = self.classifier(self.network(shaped))
        return logits.float()


def _start(spec: SpectrogramCnnSpec) -> ImageNetwork:
    network = load_network(spec)
    if spec.untrained:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                # Torch's own draw leaves a sixth of the mean square per layer, He's all of it
                # (2015, eq. 10), and AlexNet has no norms to make up for that.
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return network


# ---------------------------------------------------------------- training


def _train(
    trainee: Trainee,
    heard: Recordings,
    held: Recordings,
    spec: SpectrogramCnnSpec,
    settings: Settings,
    notify: Notify,
) -> list[float]:
    """Train in place, leave the best epoch's weights; returns development UAR per epoch."""
    random = torch.Generator().manual_seed(torch.initial_seed())
    steps = settings.epochs * _batches(heard, settings)
    optimiser = torch.optim.AdamW(
        trainee.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, pct_start=0.1
    )
    course: list[float] = []
    best: State = {}
    for epoch in range(settings.epochs):
        for windows, truth in _epoch(heard, settings, random):
            _step(trainee, from_unit(windows, spec), truth, optimiser, settings)
            rates.step()
        course.append(_uar(_scores(trainee, held, spec), held.truth))
        notify(epoch, course[-1])
        if course[-1] > max(course[:-1], default=-1.0):
            best = {name: value.clone() for name, value in trainee.state_dict().items()}
        if epoch - int(np.argmax(course)) >= settings.patience:
            break
    trainee.load_state_dict(best)
    return course


def _batches(heard: Recordings, settings: Settings) -> int:
    # Never a batch of one, of which a norm over the batch can tell nothing.
    return max(1, len(heard) // settings.batch_size)


def _epoch(
    heard: Recordings, settings: Settings, random: torch.Generator
) -> Iterator[tuple[Tensor, Int64[Tensor, "batch"]]]:
    """Masked windows from 0 to 1 and their classes: one window of every recording."""
    order = torch.randperm(len(heard), generator=random)
    for chosen in order.tensor_split(_batches(heard, settings)):
        rows = heard.one_window_each(chosen, random)
        yield masked(heard.unit(rows), settings.masks, random), heard.truth[chosen]


def _step(
    trainee: Trainee,
    images: Images,
    truth: Int64[Tensor, "images"],
    optimiser: torch.optim.Optimizer,
    settings: Settings,
) -> None:
    trainee.train()
    loss = nn.functional.cross_entropy(
        trainee(images), truth, label_smoothing=settings.label_smoothing
    )
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(trainee.parameters(), LARGEST_GRADIENT)
    optimiser.step()


@torch.no_grad()
def _scores(
    trainee: nn.Module, held: Recordings, spec: SpectrogramCnnSpec
) -> Float[Tensor, "recordings classes"]:
    """Sum of the log probabilities of each recording's windows."""
    trainee.eval()
    rows = torch.arange(len(held.windows))
    logits = [trainee(from_unit(held.unit(some), spec)) for some in rows.split(SCORED_AT_ONCE)]
    scores = torch.cat(logits).log_softmax(dim=1)
    return torch.zeros(len(held), scores.shape[1]).index_add_(0, held.owners(), scores)


def _uar(scores: Float[Tensor, "recordings classes"], truth: Int64[Tensor, "recordings"]) -> float:
    """Mean over classes of the share of recordings that are right."""
    right = (scores.argmax(dim=1) == truth).double()
    recalls = [right[truth == label].mean() for label in truth.unique()]
    return float(torch.stack(recalls).mean())


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
