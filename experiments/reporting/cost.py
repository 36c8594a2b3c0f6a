"""What every arm of a run cost: ``cost.json``, the one file of a run that depends on the clock.

It lies beside ``results.json`` and not in it, so that the same command gives the same results. Of a
fit that came from the cache it tells what it took when it was trained.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.messages import printable, with_count
from experiments.reporting.arm_names import arm_name
from experiments.reporting.results_file import read_strictly
from fusion.evaluation.predictions import AGAIN
from fusion.training.arm_table import JOINT, arm_of, whole_of

if TYPE_CHECKING:
    from fusion.training.arms import FoldScores

COST = "cost.json"


@dataclass(frozen=True, slots=True)
class FoldCost:
    """Heads of the trials, pruned ones too, those trained after them, and the seconds of both."""

    fold: str
    trial_heads: int
    final_heads: int
    trial_seconds: list[float]
    final_seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Fits by arm, those with heads or trials of their own."""

    arms: dict[str, list[FoldCost]]


@dataclass(frozen=True, slots=True)
class ArmCost:
    """All folds of an arm together; seconds are of one process."""

    arm: str
    trials: int
    heads: int
    trial_seconds: float
    final_seconds: float

    @property
    def seconds(self) -> float:
        """Trials and final heads."""
        return self.trial_seconds + self.final_seconds


def cost_of(scores: "Sequence[FoldScores]", seeds: int) -> Cost:
    """What fits took; ``seeds`` are those of the final heads, a trial has one.

    Arms with one input alone are the heads of another arm, and published ones were not trained.
    """
    arms: dict[str, list[FoldCost]] = {}
    for fit in scores:
        if whole_of(fit.arm) == fit.arm and (fit.epochs or fit.trials):
            arms.setdefault(fit.arm, []).append(_fold_cost(fit, seeds))
    return Cost(arms)


def _fold_cost(fit: "FoldScores", seeds: int) -> FoldCost:
    return FoldCost(
        fold=fit.fold,
        trial_heads=len(fit.trials) * len(fit.epochs) // seeds,
        final_heads=len(fit.epochs),
        trial_seconds=[round(trial.seconds, 3) for trial in fit.trials],
        final_seconds=round(fit.seconds, 3),
    )


def arm_costs(cost: Cost) -> list[ArmCost]:
    """One line for each arm, in their order."""
    return [
        ArmCost(
            arm,
            sum(len(fold.trial_seconds) for fold in folds),
            sum(fold.trial_heads + fold.final_heads for fold in folds),
            sum(sum(fold.trial_seconds) for fold in folds),
            sum(fold.final_seconds for fold in folds),
        )
        for arm, folds in cost.arms.items()
    ]


def cost_lines(cost: Cost | None) -> Iterator[str]:
    """The cost of every arm for a terminal; nothing where it is not known."""
    lines = [_line(arm_cost) for arm_cost in arm_costs(cost)] if cost is not None else []
    if lines:
        yield f"cost of every arm, all folds: {'; '.join(lines)}"


def _line(cost: ArmCost) -> str:
    joint = cost.arm.startswith(JOINT)
    trials = with_count(cost.trials, "trial")
    name = arm_name(cost.arm) if joint else printable(cost.arm).replace("_", " ")
    if cost.heads == 0:
        whose = arm_of(cost.arm).beside[0] if joint else "audio and text"
        return (
            f"{name} {trials} of the combination alone, {cost.seconds:.1f} s, with the heads of "
            f"{whose}"
        )
    return f"{name} {trials}, {with_count(cost.heads, 'head')}, {cost.seconds:.1f} s"


def read_cost(folder: Path) -> Cost | None:
    """The cost of a finished run; None where the file is not there.

    Raises:
        ValueError: it is none that a run wrote.
    """
    path = folder / COST
    if not path.is_file():
        return None
    try:
        return read_strictly(Cost, path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not what a run wrote, {error}; delete it, or {AGAIN}") from error
