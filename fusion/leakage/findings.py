"""What a certificate and a probe of the words hold; a report reads them without what finds them."""

from dataclasses import dataclass
from typing import Literal

from encoders.messages import printable, with_count
from fusion.splitting.protocols import SplitError

Status = Literal["clean", "error", "warning", "untested"]


@dataclass(frozen=True, slots=True)
class TextProbe:
    """How well the identity of a sentence alone tells the label, with its permutation null.

    ``even`` says that every sentence has the same shares of labels. ``uar`` looks up training
    frequencies of the labels of each sentence, classes weighted equally; ``null_high`` is the 95 %
    point of the same with labels shuffled within speakers, ``p`` its one-sided p; all None where
    fewer than half of the test rows share their sentence, or where a class has no transcript.
    """

    sentences: int
    shared: float
    even: bool = False
    uar: float | None = None
    null_high: float | None = None
    p: float | None = None


class LeakError(SplitError):
    """Folds that leak: what is tested is known from training."""


@dataclass(frozen=True, slots=True)
class LeakTest:
    """One test: how many of the rows that it could look at have a counterpart on an earlier side.

    ``examples`` name some; ``note`` says why nothing was tested, or what to do.
    """

    name: str
    status: Status
    found: int = 0
    of: int = 0
    examples: tuple[str, ...] = ()
    note: str = ""

    @property
    def share(self) -> float:
        """Share of the rows tested, 0 where there are none."""
        return self.found / self.of if self.of else 0.0

    @property
    def sentence(self) -> str:
        """What was found in a sentence, without names."""
        note = f"; {self.note}" if self.note else ""
        return f"{self.name}: {self.found} of {self.of} scored utterances{note}"

    def __str__(self) -> str:
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        note = f"; {self.note}" if self.note else ""
        if not self.of:
            return f"{self.name}{shown}{note}"
        return f"{self.name}: {self.found} of {self.of} scored utterances{shown}{note}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Every test of the folds of a protocol; ``leaky`` protocols leak by their name."""

    protocol: str
    leaky: bool
    folds: int
    tests: tuple[LeakTest, ...]

    @property
    def errors(self) -> tuple[LeakTest, ...]:
        """Tests that found what no result may rest on."""
        return tuple(test for test in self.tests if test.status == "error")

    @property
    def warnings(self) -> tuple[LeakTest, ...]:
        """Tests that found what a reader must know."""
        return tuple(test for test in self.tests if test.status == "warning")

    def check(self) -> None:
        """Raise where the folds leak and do not say so by their name.

        Raises:
            LeakError: with every error found and what to do.
        """
        if self.errors and not self.leaky:
            leaks = "; ".join(printable(test) for test in self.errors)
            raise LeakError(
                f"--folds {self.protocol} leaks, {with_count(len(self.errors), 'error')}: {leaks}. "
                "What is tested would be known from training: mend the columns, take one of the "
                "copies out, or choose other folds (--folds help lists them)"
            )
