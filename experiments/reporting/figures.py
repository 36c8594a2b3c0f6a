"""Figures as SVG, built as element trees, so that no name in them can become markup.

Colours are presentation attributes, which fit white paper; the report's style sheet overrides them
by class, which is how the same figure fits a dark page.
"""

import math
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from encoders.messages import with_count
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import BEST, stamped
from experiments.reporting.numbers import ABSENT, MINUS, Column, column, decimals, primary_of
from experiments.reporting.results_schema import ArmDifference, Results
from experiments.reporting.svg import canvas, line, short, write
from experiments.reporting.target_table import chance_level
from fusion.evaluation.statistics import Interval

#: Okabe and Ito's palette, told apart by colour-blind eyes; shapes tell the same again.
COLOURS = {"audio": "#0072b2", "text": "#c25200", "fused": "#007a59", "single": "#555555"}
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
    """A forest plot: its rows, the line to compare with, and what the axis says."""

    title: str
    marks: tuple[Mark, ...]
    reference: float
    reference_label: str
    axis_label: str
    share: bool = True


def kind_of(arm: str) -> str:
    """The colour group of an arm: audio, text, fused or single (the best of the unimodal)."""
    if arm == "best_unimodal":
        return "single"
    return next((kind for kind in ("audio", "text") if arm.startswith(kind)), "fused")


def arms_forest(results: Results) -> Forest:
    """The primary metric of every arm with its interval, and what knows nothing."""
    metric, primary = primary_of(results), column(primary_of(results))
    marks = tuple(
        _mark(arm_name(arm), kind_of(arm), summary.score(metric), primary, strong=arm in BEST)
        for arm, summary in results.arms.items()
    )
    speakers = with_count(results.rows.speakers, "speaker")
    label = (
        f"{primary.title}{' in %' if primary.share else ''}, with 95 % intervals over {speakers}"
    )
    title, label = stamped(f"{primary.title} of every arm", results), stamped(label, results)
    blind = chance_level(results)
    return Forest(title, marks, blind.value, blind.label, label, primary.share)


def differences_forest(results: Results) -> Forest:
    """Differences in the primary metric with their intervals, and zero."""
    metric, primary = primary_of(results), column(primary_of(results))
    marks = tuple(
        _mark(
            f"{arm_name(row.arm)} {MINUS} {arm_name(row.against)}".removesuffix(" modality"),
            kind_of(row.arm),
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


def _mark(
    label: str,
    kind: str,
    interval: Interval | ArmDifference,
    metric: Column,
    *,
    strong: bool,
    sign: bool = False,
) -> Mark:
    value, between = interval.value, metric.tell_span(interval)
    tell = metric.tell_signed if sign else metric.tell
    text = "not defined" if value is None else f"{tell(value)} ({between})"
    if value is not None and between == ABSENT:
        text = f"{tell(value)}, no interval"
    return Mark(label, kind, value, interval.low, interval.high, text, strong)


# ---------------------------------------------------------------- forest plot


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things lie in a forest plot; ``narrow`` sets each label above its row."""

    narrow: bool
    width: int
    left: int
    right: int
    row: int
    low: float
    high: float
    step: float

    def x(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.left + share * (self.right - self.left), 1)


def draw_forest(forest: Forest, *, narrow: bool = False) -> str:
    """A forest plot as SVG; ``narrow`` is for telephones."""
    frame = _frame(forest, narrow)
    bottom = 30 + frame.row * len(forest.marks)
    root = canvas(frame.width, bottom + 48, f"{forest.title}: " + _spoken(forest))
    _grid(root, frame, bottom, forest)
    before = False
    for number, mark in enumerate(forest.marks):
        top = 30 + number * frame.row
        if number and mark.strong != before:
            line(root, (0, top), (frame.width, top), "rule", "#bbbbbb")
        before = mark.strong
        _draw_mark(root, frame, mark, top)
    return tostring(root, encoding="unicode")


def _spoken(forest: Forest) -> str:
    return "; ".join(f"{mark.label} {mark.text}" for mark in forest.marks)


def _frame(forest: Forest, narrow: bool) -> _Frame:
    values = [end for mark in forest.marks for end in (mark.value, mark.low, mark.high)]
    ends = [forest.reference, *(end for end in values if end is not None)]
    low, high = min(ends), max(ends)
    wide = max(high - low, 0.02)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if wide / s <= (5 if narrow else 8))
    # A little air, so that no end of an interval touches the frame.
    low, high = math.floor((low - wide / 40) / step), math.ceil((high + wide / 40) / step)
    longest = max((len(mark.label) for mark in forest.marks), default=0)
    left = 24 + round(LETTER * min(max(longest, 14), LONGEST))
    size = (340, 10, 330, 46) if narrow else (800, left, 640, 32)
    return _Frame(narrow, *size, low * step, high * step, step)


def _grid(root: Element, frame: _Frame, bottom: int, forest: Forest) -> None:
    for number in range(round((frame.high - frame.low) / frame.step) + 1):
        value = frame.low + number * frame.step
        x = frame.x(value)
        line(root, (x, 26), (x, bottom), "axis", "#e2e2e2")
        tick = decimals(100 * value, 0) if forest.share else decimals(value, 2)
        write(root, (x, bottom + 17), tick, anchor="middle", size=12)
    x = frame.x(forest.reference)
    line(root, (x, 22), (x, bottom), "reference", "#666666", dash="4 3")
    # Near an edge of the frame the words stay inside it.
    anchor = "start" if x < frame.left + 45 else "end" if x > frame.right - 45 else "middle"
    write(root, (x, 15), forest.reference_label, anchor=anchor, size=12)
    middle = (frame.left + frame.right) / 2
    write(root, (middle, bottom + 38), forest.axis_label, anchor="middle", size=12)


def _draw_mark(root: Element, frame: _Frame, mark: Mark, top: int) -> None:
    weight = "600" if mark.strong else "400"
    y = top + (31 if frame.narrow else frame.row / 2)
    words = (top + 16) if frame.narrow else y + 4.5
    at = (4.0, words) if frame.narrow else (frame.left - 14.0, words)
    label = write(root, at, short(mark.label, LONGEST), anchor="start" if frame.narrow else "end")
    label.set("font-weight", weight)
    SubElement(label, "title").text = mark.label
    value = write(root, (frame.width - 4, words), mark.text, anchor="end", size=12.5)
    for letters in (label, value) if frame.narrow else ():
        # Lines of the grid pass behind the words.
        halo = {"stroke": "#ffffff", "stroke-width": "5", "paint-order": "stroke"}
        letters.attrib |= {"class": "halo", "stroke-linejoin": "round", **halo}
    if mark.value is None:
        return
    colour = COLOURS[mark.kind]
    if mark.low is not None and mark.high is not None:
        low, high = frame.x(mark.low), frame.x(mark.high)
        thick = "3" if mark.strong else "2"
        for start, end in (
            ((low, y), (high, y)),
            ((low, y - 4), (low, y + 4)),
            ((high, y - 4), (high, y + 4)),
        ):
            line(root, start, end, f"arm {mark.kind}", colour).set("stroke-width", thick)
    draw_symbol(root, mark.kind, frame.x(mark.value), y)


def draw_symbol(root: Element, kind: str, x: float, y: float) -> None:
    """The shape of a colour group, so that it is told without its colour."""
    shapes = {
        "text": f"M{x - 5},{y - 5}h10v10h-10z",
        "fused": f"M{x},{y - 7}l7,7l-7,7l-7,-7z",
    }
    circle = f"M{x - 5.5},{y}a5.5,5.5 0 1,0 11,0a5.5,5.5 0 1,0 -11,0z"
    about = {"class": f"arm {kind}", "d": shapes.get(kind, circle), "fill": COLOURS[kind]}
    SubElement(root, "path", {**about, "stroke": "none"})
