"""What a check of a corpus found."""

from collections.abc import Mapping
from dataclasses import dataclass

from encoders.extraction import Failure
from encoders.utterance import Corpus
from experiments.checking.estimate import Estimate
from experiments.checking.soundness import Soundness
from fusion.leakage.findings import Certificate

NOTHING = Soundness((), ())


@dataclass(frozen=True, slots=True)
class Check:
    """What was found: counts, the media files that cannot be used, and what to look at.

    ``obstacle`` says why no comparison is possible, None where one is; ``certificate`` is that of
    the folds, None where there are none.
    """

    corpus: Corpus
    classes: Mapping[str, int]
    speakers: Mapping[str, Mapping[str, int]]
    hours: float
    failures: tuple[Failure, ...]
    remarks: tuple[str, ...]
    obstacle: str | None = None
    soundness: Soundness = NOTHING
    certificate: Certificate | None = None
    estimates: tuple[Estimate, ...] = ()
