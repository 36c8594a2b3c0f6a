"""What a head is trained to make small, per row."""

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

Loss = Literal["cross_entropy", "class_balanced", "focal"]
#: Of the class-balanced loss; Cui et al. 2019 (arXiv 1901.05555, table 2) use .9 to .9999.
BALANCE = 0.999


def class_weights(
    truth: Int64[Tensor, "rows"], classes: int, loss: Loss
) -> Float[Tensor, "classes"]:
    """Weight of each class, 1 on average over rows; 0 for a class that training lacks.

    Inverse frequencies, because UAR weighs classes equally. ``class_balanced`` counts a class of n
    rows as (1 - B ** n) / (1 - B) effective ones (Cui et al. 2019, section 3.3).
    """
    counts = torch.bincount(truth, minlength=classes).double()
    known = counts > 0
    if loss == "class_balanced":
        inverse = (1 - BALANCE) / (1 - BALANCE ** counts.clamp_min(1))
        inverse = inverse * len(truth) / (inverse * counts).sum()
    else:
        inverse = len(truth) / (classes * counts.clamp_min(1))
    return torch.where(known, inverse, 0.0).float()


def row_losses(
    logits: Float[Tensor, "rows classes"], truth: Int64[Tensor, "rows"], loss: Loss, gamma: float
) -> Float[Tensor, "rows"]:
    """Cross-entropy of each row; ``focal`` times (1 - p) ** gamma, p being that of its class.

    Lin et al. 2017 (arXiv 1708.02002, equation 4) use gamma 2.
    """
    entropy = functional.cross_entropy(logits, truth, reduction="none")
    if loss != "focal":
        return entropy
    # Not exp(-entropy) to the power gamma of 1 minus it: at p = 1 its gradient would be NaN.
    missing = -torch.expm1(-entropy)
    return missing.clamp_min(torch.finfo(missing.dtype).tiny) ** gamma * entropy
