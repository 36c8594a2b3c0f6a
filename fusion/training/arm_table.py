"""The arms of a comparison as data: the one place that names them.

An arm is one row of the table. What makes its scores is told by its type: heads that are trained
(:mod:`fusion.training.arms`), the scores of other arms combined (:mod:`fusion.training.late`), or
what was trained elsewhere, a published classifier or the scores of a file
(:mod:`fusion.training.published`). Nothing heavy is imported: reports read it too.
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from encoders.plugins import Table, load_plugins

#: Whose statistics standardise what heads read (:mod:`fusion.training.normalise`).
Normalise = Literal["training", "corpus", "speaker", "recording"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the table: its name, what a reader is told that it is, and the inputs it reads.

    It is compared with each arm of ``against`` that a run has, beside the primary comparison;
    ``beside`` are arms that come along wherever this one is asked for.
    """

    name: str
    inputs: tuple[str, ...]
    _: KW_ONLY
    title: str = ""
    against: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def fused(self) -> bool:
        """Whether it reads more than one modality."""
        return len(self.inputs) > 1

    @property
    def crossfitted(self) -> bool:
        """Whether it has a head per half of the training speakers (fusion.training.crossfit)."""
        return False


@dataclass(frozen=True, slots=True)
class TrainedArm(Arm):
    """An arm with heads of its own; ``head`` is a kind of :data:`fusion.networks.heads.HEADS`."""

    head: str
    crossfitted: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class LateFusionArm(Arm):
    """Decision level: the scores of the arms ``beside`` it are combined, and nothing else trained.

    How is said by :data:`fusion.training.late.LATE`, under its name.
    """

    inputs: tuple[str, ...] = ("audio", "text")
    _: KW_ONLY
    against: tuple[str, ...] = ("audio", "text")
    beside: tuple[str, ...] = ("audio", "text")


@dataclass(frozen=True, slots=True)
class PublishedArm(Arm):
    """A published classifier's own head; its input has its name."""


@dataclass(frozen=True, slots=True)
class ScoresArm(Arm):
    """Scores from a file, any other model's or listeners', or of a model that was trained before.

    Its input has its name.
    """


@dataclass(frozen=True, slots=True)
class JointArm(Arm):
    """Decision level: an arm of ours combined with one that was trained elsewhere."""

    ours: str
    other: str


_BOTH = ("audio", "text")
# Arms of a final layer alone are compared with each other: a hidden layer is another factor.
_LINEAR = ("audio_linear", "text_linear")

#: By name, in the order of every table; a user's own come behind (``docs/adding.md``).
ARMS: Table[Arm] = Table(
    {
        arm.name: arm
        for arm in (
            TrainedArm("audio", ("audio",), "mlp"),
            TrainedArm("text", ("text",), "mlp"),
            TrainedArm("audio_frames", ("audio_frames",), "attention", title="audio frames"),
            TrainedArm("audio_linear", ("audio",), "linear", title="audio, final layer only"),
            TrainedArm("text_linear", ("text",), "linear", title="text, final layer only"),
            TrainedArm("concat", _BOTH, "mlp", against=_BOTH),
            TrainedArm(
                "concat_linear", _BOTH, "linear", title="concat, final layer only", against=_LINEAR
            ),
            TrainedArm(
                "concat_crossfit",
                _BOTH,
                "linear",
                title="concat, cross-fitted",
                against=(*_LINEAR, "concat_linear"),
                crossfitted=True,
            ),
            TrainedArm("gated", _BOTH, "gated", against=_BOTH),
            TrainedArm("lowrank", _BOTH, "lowrank", against=_BOTH),
            LateFusionArm("late"),
            LateFusionArm("late_mean", title="late mean"),
            LateFusionArm("late_product", title="late product"),
            LateFusionArm("late_max", title="late max"),
            LateFusionArm("late_per_class", title="late per class"),
            TrainedArm(
                "attention",
                ("audio_frames", "text_tokens"),
                "attention",
                against=_BOTH,
                # Reads frames and tokens: audio in that form alone makes the comparison fair.
                beside=("audio_frames",),
            ),
        )
    }
)
#: Begins the name of an arm that is a published classifier's own head.
PUBLISHED = "pretrained:"
#: Begins the name of an arm whose scores stand in a file.
SCORES = "scores:"
#: What listeners heard, of a corpus that has their votes.
LISTENERS = "listeners"
#: Begins the name of a saved model that is scored on a corpus it has not seen.
MODEL = "model:"
#: Begins the name of an arm of ours with one from elsewhere, ``late:audio+scores:FILE``.
JOINT = "late:"


def arm_of(name: str) -> Arm:
    """An arm by its name.

    Raises:
        KeyError: there is no such arm.
    """
    for prefix, kind in ((PUBLISHED, PublishedArm), (SCORES, ScoresArm), (MODEL, ScoresArm)):
        if name.startswith(prefix) and name != prefix:
            return kind(name, (name,))
    if name == LISTENERS:
        return ScoresArm(name, (name,))
    if name.startswith(JOINT):
        return _joint(name)
    if name not in ARMS:
        # A worker process has not met a user's own arms yet.
        load_plugins()
    return ARMS[name]


def _joint(name: str) -> JointArm:
    ours, _, other = name.removeprefix(JOINT).partition("+")
    if not is_arm(other) or not isinstance(arm_of(other), PublishedArm | ScoresArm):
        raise KeyError(name)
    own = ARMS[ours]
    return JointArm(
        name,
        (*own.inputs, other),
        ours,
        other,
        against=(ours, other),
        beside=(ours, *own.beside, other),
    )


def is_arm(name: str) -> bool:
    """Whether there is such an arm."""
    try:
        arm_of(name)
    except KeyError:
        return False
    return True


def trained_arm(name: str) -> TrainedArm:
    """An arm with heads of its own, by its name.

    Raises:
        KeyError: there is no such arm.
    """
    arm = arm_of(name)
    assert isinstance(arm, TrainedArm), f"{name}: its scores come of no head of its own"
    return arm


def arms_that(*, fuse: bool) -> tuple[str, ...]:
    """Names of the arms that read several modalities, or one."""
    return tuple(name for name, arm in ARMS.items() if arm.fused == fuse)


def whole_of(name: str) -> str:
    """The arm whose heads an arm has: ``concat`` of ``concat/audio``, else itself."""
    return name if name.startswith((PUBLISHED, SCORES, MODEL, JOINT)) else name.partition("/")[0]
