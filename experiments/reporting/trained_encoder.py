"""What a run tells of an encoder that it has trained.

Not among the types of ``results.json``, whose defaults are left out there: runs that are kept have
hashes over every field of this one.
"""

from dataclasses import dataclass

from encoders.specs import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An encoder of a fold as a report tells of it; ``epoch`` counts from 1, of ``epochs``.

    ``dev_uar`` is UAR unless ``dev_metric`` says otherwise: results keep the name they began with.
    """

    kind: Kind
    typed: str
    fold: str
    part: str
    train_speakers: int
    dev_speakers: int
    utterances: int
    dev_uar: float
    epoch: int
    epochs: int
    seconds: float
    precision: str
    fingerprint: str
    dev_metric: str = "UAR"

    def __str__(self) -> str:
        whole = "" if self.part == "all" else f", {self.part}"
        return (
            f"{self.kind} encoder of fold {self.fold}{whole}: {self.train_speakers} training and "
            f"{self.dev_speakers} development speakers, development {self.dev_metric} "
            f"{self.dev_uar:.3f} at "
            f"epoch {self.epoch} of {self.epochs}, {self.seconds:.0f} s"
        )
