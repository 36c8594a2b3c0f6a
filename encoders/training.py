"""How a spectrogram network is trained: its steps, and the end of training."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from encoders.augmentation import masked
from encoders.cnn_models import ImageNetwork, Images, Projected
from encoders.cnn_spec import SpectrogramCnnSpec
from encoders.cnn_weights import load_network
from encoders.recordings import Recordings
from encoders.settings import Settings
from encoders.spectrogram_cnn import from_unit

#: Windows of one pass without gradients.
SCORED_AT_ONCE = 64
#: Largest norm of the gradient: AlexNet has no norms of its own that would bound a step.
LARGEST_GRADIENT = 1.0

Notify = Callable[[int, float], None]
State = dict[str, Tensor]


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


def start_of(spec: SpectrogramCnnSpec) -> ImageNetwork:
    """The network that training starts from; random weights are drawn from torch's own state."""
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


def train_stopped(
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
        course.append(uar_of(scores_of(trainee, held, spec), held.truth))
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
def scores_of(
    trainee: nn.Module, held: Recordings, spec: SpectrogramCnnSpec
) -> Float[Tensor, "recordings classes"]:
    """Sum of the log probabilities of each recording's windows."""
    trainee.eval()
    rows = torch.arange(len(held.windows))
    logits = [trainee(from_unit(held.unit(some), spec)) for some in rows.split(SCORED_AT_ONCE)]
    scores = torch.cat(logits).log_softmax(dim=1)
    return torch.zeros(len(held), scores.shape[1]).index_add_(0, held.owners(), scores)


def uar_of(
    scores: Float[Tensor, "recordings classes"], truth: Int64[Tensor, "recordings"]
) -> float:
    """Mean over classes of the share of recordings that are right."""
    right = (scores.argmax(dim=1) == truth).double()
    recalls = [right[truth == label].mean() for label in truth.unique()]
    return float(torch.stack(recalls).mean())
