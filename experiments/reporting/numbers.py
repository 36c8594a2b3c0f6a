"""Numbers in words: how each metric is written, in percent or as it is, and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from experiments.reporting.results_schema import Results
from fusion.evaluation.goals import Goal, goal_of
from fusion.evaluation.measures import CLASSES, LABELS, OF_SENTIMENT, SENTIMENT, SHARES, VALUES
from fusion.evaluation.statistics import Interval

MINUS = "−"
ABSENT = "–"
#: Metrics of a task's table of arms, its own first; the others stand in results.json.
TABLES: Mapping[str, tuple[str, ...]] = {
    "single-label": (*CLASSES, "auc"),
    "distribution": (
        *("uar", "accuracy", "macro_f1", "macro_precision", "auc"),
        *("soft_macro_f1", "kl", "js", "cosine"),
    ),
    "multi-label": (
        *("macro_f1", "micro_f1", "weighted_f1", "samples_f1", "weighted_accuracy"),
        *("macro_precision", "auc"),
    ),
    "regression": ("ccc", "pearson", "mse", "mae"),
    "sentiment": ("ccc", "pearson", "mae", "acc2_has0", "acc2_non0", "f1_non0", "acc7"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A metric as it is told: its title, whether in percent, and whether less is better."""

    title: str
    share: bool = True
    lower: bool = False

    @property
    def head(self) -> str:
        """What stands above a column of it."""
        return f"{self.title}, %" if self.share else self.title

    @property
    def scale(self) -> str:
        """What stands at an axis of it."""
        return f"{self.title} in %" if self.share else self.title

    @property
    def unit(self) -> str:
        """What stands behind a difference in it."""
        return f"points {self.title}" if self.share else self.title

    def tell(self, value: float | None) -> str:
        """A value: a share in percent with one decimal, another with three decimals."""
        if self.share or value is None:
            return percent(value)
        return decimals(value, 3)

    def tell_signed(self, value: float | None) -> str:
        """The same with a sign before what is above zero."""
        text = self.tell(value)
        return f"+{text}" if value is not None and value > 0 and text.strip("0.") else text

    def tell_span(self, interval: Interval) -> str:
        """The bounds of an interval, or a dash."""
        if interval.low is None or interval.high is None:
            return ABSENT
        return f"{self.tell(interval.low)} to {self.tell(interval.high)}"

    def tell_score(self, score: Interval) -> str:
        """A value with its interval, where it has one."""
        between = self.tell_span(score)
        return self.tell(score.value) + ("" if between == ABSENT else f" ({between})")


COLUMNS: Mapping[str, Column] = {
    name: Column(measure.title, measure.share, measure.lower)
    for measures in (CLASSES, LABELS, SHARES, OF_SENTIMENT, VALUES)
    for name, measure in measures.items()
} | {"auc": Column("AUC")}


def column(metric: str) -> Column:
    """How a metric is told."""
    return COLUMNS[metric]


def primary_of(results: Results) -> Goal:
    """The metric that arms are chosen by, and that the answer is told in."""
    return goal_of(results.task, results.facts.select)


def columns_of(results: Results) -> dict[str, Column]:
    """Metrics of the table of arms, the one that they are chosen by first."""
    names = TABLES[metrics_kind(results)]
    return {name: COLUMNS[name] for name in dict.fromkeys((primary_of(results), *names))}


def metrics_kind(results: Results) -> str:
    """Which metrics there are: those of the task, or of sentiment as CMU has it."""
    sentiment = results.task == "regression" and results.targets == SENTIMENT
    return "sentiment" if sentiment else results.task


def scale_note(results: Results) -> str:
    """How the numbers of the table of arms are to be read."""
    columns = columns_of(results).values()
    if all(column.share for column in columns):
        return "In percent, with 95 % intervals"
    shares = [column.title for column in columns if column.share]
    in_percent = f" ({', '.join(shares)} in percent)" if shares else ""
    return f"With 95 % intervals{in_percent}"


# ---------------------------------------------------------------- numbers

#: From here on powers of ten are told: so many digits say nothing, and more cannot be rounded.
LARGEST = 10**12


def decimals(value: float, digits: int) -> str:
    """A rounded number with a true minus sign and no negative zero.

    >>> decimals(-0.04, 1), decimals(-2.15, 1), decimals(0.625, 2), decimals(-2.5e30, 1)
    ('0.0', '−2.2', '0.63', '−2.5e+30')
    """
    # Halves that were lost to binary fractions (3.7499999999999978) are halves again.
    exact = Decimal(repr(round(float(value), 9)))
    if abs(value) >= LARGEST:
        return f"{value:.{digits}e}".replace("-", MINUS, value < 0)
    rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{MINUS if rounded < 0 else ''}{abs(rounded)}"


def percent(value: float | None) -> str:
    """A share or a difference of shares times 100, with one decimal."""
    return ABSENT if value is None else decimals(100 * value, 1)


def p_text(p: float | None, name: str = "p") -> str:
    """A p value as it is printed in articles; three decimals below .1.

    >>> p_text(0.0039), p_text(0.3125), p_text(0.0002), p_text(1.0), p_text(0.625, "Holm")
    ('p = .004', 'p = .31', 'p < .001', 'p = 1.00', 'Holm .63')
    """
    if p is None:
        return ABSENT
    lead = f"{name} = " if name == "p" else f"{name} "
    if p < 0.001:
        return f"{name} < .001"
    return lead + decimals(p, 3 if p < 0.1 else 2).removeprefix("0")


def p_number(p: float | None) -> str:
    """A p value for a column headed p."""
    return p_text(p).removeprefix("p = ").removeprefix("p ")
