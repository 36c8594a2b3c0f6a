"""Forest plots: the arms of a run, and the differences between them, with their intervals."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from encoders.messages import with_count
from experiments.reporting.arm_names import arm_name, in_rows, row_name
from experiments.reporting.caveats import BEST, stamped
from experiments.reporting.numbers import ABSENT, MINUS, Column, column, primary_of
from experiments.reporting.results_schema import Results
from experiments.reporting.svg import (
    COLOURS,
    Chart,
    axis_around,
    canvas,
    line,
    outline,
    write,
    write_short,
)
from experiments.reporting.target_table import chance_level
from fusion.evaluation.statistics import Interval
from fusion.training.arm_table import LISTENERS, PUBLISHED, SCORES

#: Width of a letter of a label, and letters after which an arm's name is cut.
LETTER, LONGEST = 8.4, 26


@dataclass(frozen=True, slots=True)
class Mark:
    """One row of a forest plot."""

    label: str
    kind: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest plot: its rows, the line to compare with, and what the axis says.

    ``ceiling`` is a second line, of what people reach, with its own words.
    """

    title: str
    marks: tuple[Mark, ...]
    reference: float
    reference_label: str
    axis_label: str
    share: bool = True
    ceiling: float | None = None
    ceiling_label: str = ""


def kind_of(arm: str) -> str:
    """The colour group of an arm: audio, text, fused, or single (the best, or from elsewhere)."""
    if arm in ("best_unimodal", LISTENERS) or arm.startswith((PUBLISHED, SCORES)):
        return "single"
    return next((kind for kind in ("audio", "text") if arm.startswith(kind)), "fused")


def arms_forest(results: Results) -> Forest:
    """The primary metric of every arm with its interval, what knows nothing, and listeners."""
    metric, primary = primary_of(results), column(primary_of(results))
    marks = tuple(
        make_mark(row_name(arm), arm, results.arms[arm].score(metric), primary, strong=arm in BEST)
        for arm in in_rows(results.arms)
    )
    speakers = with_count(results.rows.speakers, "speaker")
    label = f"{primary.scale}, with 95 % intervals over {speakers}"
    title, label = stamped(f"{primary.title} of every arm", results), stamped(label, results)
    blind = chance_level(results)
    people = results.arms[LISTENERS].score(metric).value if LISTENERS in results.arms else None
    told = "" if people is None else f"listeners {primary.tell(people)}"
    return Forest(title, marks, blind.value, blind.label, label, primary.share, people, told)


def differences_forest(results: Results) -> Forest:
    """Differences in the primary metric with their intervals, and zero."""
    metric, primary = primary_of(results), column(primary_of(results))
    marks = tuple(
        make_mark(
            f"{arm_name(row.arm)} {MINUS} {arm_name(row.against)}".removesuffix(" modality"),
            row.arm,
            row,
            primary,
            strong=row.primary,
            sign=True,
        )
        for row in results.differences
        if row.metric == metric
    )
    title = stamped(f"Differences in {primary.title}", results)
    label = stamped(f"{primary.unit}, with 95 % intervals", results)
    return Forest(title, marks, 0.0, "no difference", label, primary.share)


def make_mark(
    label: str,
    arm: str,
    score: Interval,
    metric: Column,
    *,
    strong: bool,
    sign: bool = False,
) -> Mark:
    """The row of an arm: its score or a difference, which has its sign."""
    text = score_text(score, metric, sign=sign)
    return Mark(label, kind_of(arm), score.value, score.low, score.high, text, strong)


def score_text(score: Interval, metric: Column, *, sign: bool = False) -> str:
    """A score with its interval, or that it has none."""
    if score.value is None:
        return "not defined"
    text = metric.tell_signed(score.value) if sign else metric.tell(score.value)
    between = metric.tell_span(score)
    return f"{text}, no interval" if between == ABSENT else f"{text} ({between})"


# ---------------------------------------------------------------- forest plot


def draw_forest(forest: Forest, *, narrow: bool = False) -> str:
    """A forest plot as SVG; ``narrow``, for telephones, sets each label above its row."""
    longest = max((len(mark.label) for mark in forest.marks), default=0)
    left = 24 + round(LETTER * min(max(longest, 14), LONGEST))
    width, left, right, row = (340, 10, 330, 46) if narrow else (800, left, 640, 32)
    # A second line has its words above those of the first.
    head = 0 if forest.ceiling is None else 16
    bottom = head + 30 + row * len(forest.marks)
    spoken = "; ".join(f"{mark.label} {mark.text}" for mark in forest.marks)
    root = canvas(width, bottom + 48, f"{forest.title}: {spoken}")
    values = [end for mark in forest.marks for end in (mark.value, mark.low, mark.high)]
    values.append(forest.ceiling)
    ends = [forest.reference, *(end for end in values if end is not None)]
    axis = axis_around(ends, most=5 if narrow else 8, share=forest.share)
    chart = Chart(root, left, head + 26, right - left, bottom - head - 26, across=axis)
    _grid(chart, forest)
    before = False
    for number, mark in enumerate(forest.marks):
        top = chart.top + 4 + number * row
        if number and mark.strong != before:
            line(root, (0, top), (width, top), "rule")
        before = mark.strong
        y = top + (31 if narrow else row / 2)
        _write_mark(chart, mark, top + 16 if narrow else y + 4.5, width - 4, halo=narrow)
        _draw_mark(chart, mark, y)
    return tostring(root, encoding="unicode")


def _grid(chart: Chart, forest: Forest) -> None:
    for tick in chart.across.ticks():
        x = chart.x(tick)
        line(chart.root, (x, chart.top), (x, chart.bottom), "axis")
        chart.tick_below(tick, drop=17)
    words = [(forest.reference, chart.top - 11, forest.reference_label, "4 3")]
    if forest.ceiling is not None:
        words.insert(0, (forest.ceiling, 15, forest.ceiling_label, "1 3"))
    for level in words:
        letters = _level(chart, *level)
        if len(words) > 1:
            _halo(letters)
    below = (chart.left + chart.wide / 2, chart.bottom + 38)
    write(chart.root, below, forest.axis_label, anchor="middle", size=12)


def _level(chart: Chart, value: float, y: float, words: str, dash: str) -> Element:
    """The words of a line down the frame at a value, which begins below them."""
    x, right = chart.x(value), chart.left + chart.wide
    line(chart.root, (x, y + 7), (x, chart.bottom), "reference", dash=dash)
    # Near an edge of the frame the words stay inside it.
    anchor = "start" if x < chart.left + 45 else "end" if x > right - 45 else "middle"
    return write(chart.root, (x, y), words, anchor=anchor, size=12)


def _halo(letters: Element) -> None:
    """Let lines pass behind words."""
    paint = {"stroke": "#ffffff", "stroke-width": "5", "paint-order": "stroke"}
    letters.attrib |= {"class": "halo", "stroke-linejoin": "round", **paint}


def _write_mark(chart: Chart, mark: Mark, y: float, right: float, *, halo: bool) -> None:
    x, anchor = (4, "start") if halo else (chart.left - 14, "end")
    label = write_short(chart.root, (x, y), mark.label, LONGEST, anchor=anchor)
    label.set("font-weight", "600" if mark.strong else "400")
    value = write(chart.root, (right, y), mark.text, anchor="end", size=12.5)
    for letters in (label, value) if halo else ():
        _halo(letters)


def _draw_mark(chart: Chart, mark: Mark, y: float) -> None:
    if mark.value is None:
        return
    if mark.low is not None and mark.high is not None:
        low, high = chart.x(mark.low), chart.x(mark.high)
        for start, end in (
            ((low, y), (high, y)),
            ((low, y - 4), (low, y + 4)),
            ((high, y - 4), (high, y + 4)),
        ):
            line(chart.root, start, end, mark.kind, width="3" if mark.strong else "2")
    draw_symbol(chart.root, mark.kind, chart.x(mark.value), y)


def draw_symbol(root: Element, kind: str, x: float, y: float) -> None:
    """The shape of a colour group, so that it is told without its colour."""
    (aside, above), path = outline(kind, {"text": 5, "fused": 7}.get(kind, 5.5))
    about = {"class": f"arm {kind}", "d": f"M{x + aside},{y + above}{path}"}
    SubElement(root, "path", {**about, "fill": COLOURS[kind], "stroke": "none"})
