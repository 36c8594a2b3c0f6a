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

    ``inner`` counts rows that have one only where development rows are held out of training.
    ``examples`` name some; ``note`` says why nothing was tested, or what to do.
    """

    name: str
    status: Status
    found: int = 0
    of: int = 0
    examples: tuple[str, ...] = ()
    note: str = ""
    inner: int = 0

    @property
    def share(self) -> float:
        """Share of the rows tested, 0 where there are none."""
        return self.found / self.of if self.of else 0.0

    @property
    def counts(self) -> str:
        """How many rows were found, in words; nothing where none could be."""
        scored = f"{self.found} of {self.of} scored utterances" if self.of else ""
        inner = f"{self.inner} between training and development" if self.inner else ""
        if inner and not self.found:
            return inner
        return f"{scored}, {self.inner} more between training and development" if inner else scored

    @property
    def sentence(self) -> str:
        """What was found in a sentence, without names."""
        return self._told("")

    def __str__(self) -> str:
        return self._told(f" ({'; '.join(self.examples)})" if self.examples else "")

    def _told(self, shown: str) -> str:
        note = f"; {self.note}" if self.note else ""
        counts = f": {self.counts}" if self.counts else ""
        return f"{self.name}{counts}{shown}{note}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Every test of the folds of a protocol; ``leaky`` protocols leak by their name.

    Without folds it is that of a model, trained on all rows and stopped on parts of them.
    """

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
            where = f"--folds {self.protocol} leaks" if self.folds else "development rows leak"
            mend = "mend the columns, or take one of the copies out"
            other = "; or choose other folds (--folds help lists them)" if self.folds else ""
            raise LeakError(
                f"{where}, {with_count(len(self.errors), 'error')}: {leaks}. "
                f"What is tested would be known from training: {mend}{other}"
            )
