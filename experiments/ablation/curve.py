"""The curve of an ablation: scores along values that are steps of one quantity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from encoders.messages import printable
from experiments.ablation.cells import Factor
from experiments.ablation.figure_words import (
    blind_of,
    scale_of,
    score_text,
    shown_arms,
    title_of,
)
from experiments.ablation.findings import Findings
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Summary
from experiments.ablation.settings import CLEAN, EVERYONE, GOLD, WER
from experiments.reporting.arm_names import arm_name
from experiments.reporting.figures import COLOURS, draw_symbol, kind_of
from experiments.reporting.numbers import Column, decimals
from experiments.reporting.svg import canvas, line, short, write
from experiments.reporting.target_table import Chance

#: The frame: width and height of all, its edges, and the room below it.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BELOW = 800, 420, 64, 650, 26, 62
#: Room between the frame and the first and last step, and between the steps of two arms.
INSIDE, ASIDE = 34, 7.0
#: The least distance between two names at the right edge.
APART = 17
DASHES = ("none", "7 4", "2 4", "9 3 2 3")
#: Letters of a name and of a step; steps that have their words.
LONGEST, LETTERS, MOST_STEPS = 18, 10, 14
#: Letters of what the dashed line is, which are smaller.
WIDEST = 24
#: Kinds of noise that one axis of signal-to-noise ratios serves.
ADDED = {"white", "babble"}


@dataclass(frozen=True, slots=True)
class Axis:
    """Steps from left to right, at even distances, and what they are."""

    steps: tuple[str, ...]
    title: str

    def x(self, step: str) -> float:
        """Where a step stands."""
        share = self.steps.index(step) / max(len(self.steps) - 1, 1)
        return round(LEFT + INSIDE + share * (RIGHT - LEFT - 2 * INSIDE), 1)


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, its colour group, and its cells."""

    name: str
    kind: str
    cells: tuple[Summary, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Scores from the bottom to the top of the frame."""

    low: float
    high: float
    step: float
    column: Column

    def y(self, value: float) -> float:
        """How high a value stands."""
        share = (value - self.low) / (self.high - self.low)
        return round(TOP + (1 - share) * (HEIGHT - TOP - BELOW), 1)


def is_curve(ablation: Ablation) -> bool:
    """Whether the values of the only factor are steps of one quantity."""
    return axis_of(ablation.grid.factors[0], ablation.grid.values[0]) is not None


def axis_of(factor: Factor, values: Sequence[str]) -> Axis | None:
    """The axis that values stand on; None where they are names."""
    name = factor.name.rpartition("@")[2]
    if factor.name == "noise":
        return _noise_axis(factor, values)
    steps = [_step(value) for value in values]
    ends = {"transcript": GOLD, "speakers": EVERYONE, "layer": "mix"}
    numbers = [step for step in steps if step != ends.get(name)]
    known = factor.ordered or name in ends
    if not known or len(numbers) < 2 or any(_number(step) is None for step in numbers):
        return None
    numbers.sort(key=float)
    last = [step for step in steps if step == ends.get(name)]
    order = [*last, *numbers] if name == "transcript" else [*numbers, *last]
    unit = f", {factor.unit}" if factor.unit else ""
    title = "simulated word error rate" if name == "transcript" else f"{factor.label}{unit}"
    return Axis(tuple(order), printable(title))


def _noise_axis(factor: Factor, values: Sequence[str]) -> Axis | None:
    kinds = {value.partition(":")[0] for value in values if value != CLEAN}
    levels = list(dict.fromkeys(_step(value) for value in values if value != CLEAN))
    if len(levels) < 2 or not (kinds <= ADDED or kinds == {"reverb"}):
        return None
    worst = kinds == {"reverb"}
    levels.sort(key=float, reverse=not worst)
    what = "reverberation time T60 in s" if worst else "signal-to-noise ratio in dB"
    where = factor.label.removeprefix("noise ")
    return Axis((CLEAN, *levels) if CLEAN in values else tuple(levels), f"{what}, {where}")


def _step(value: str) -> str:
    return value.removeprefix(WER).rpartition(":")[2]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def series_of(ablation: Ablation, findings: Findings) -> list[Series]:
    """One line for each arm that is shown, and for each kind of noise of it."""
    arms = shown_arms(findings.summaries)
    kinds = dict.fromkeys(
        value.partition(":")[0]
        for value in ablation.grid.values[0]
        if ablation.grid.factors[0].name == "noise" and value != CLEAN
    )
    lines = []
    for arm in arms:
        arm_cells = tuple(summary for summary in findings.summaries if summary.arm == arm)
        if len(kinds) < 2:
            lines.append(Series(arm_name(arm), kind_of(arm), arm_cells))
            continue
        for kind in kinds:
            cells = tuple(
                summary for summary in arm_cells if summary.cell.title.startswith((CLEAN, kind))
            )
            lines.append(Series(f"{arm_name(arm)}, {kind}", kind_of(arm), cells))
    return lines


# ---------------------------------------------------------------- strokes


def draw_curve(ablation: Ablation, findings: Findings) -> str:
    """Each arm along the values, with its intervals, and what knows nothing."""
    axis = axis_of(ablation.grid.factors[0], ablation.grid.values[0])
    assert axis is not None
    lines = series_of(ablation, findings)
    blind = blind_of(findings.summaries)
    scale = _scale([summary for series in lines for summary in series.cells], blind.value)
    spoken = "; ".join(
        f"{series.name} at {printable(summary.cell.title)} "
        f"{score_text(summary.main, summary.column)}"
        for series in lines
        for summary in series.cells
    )
    root = canvas(WIDTH, HEIGHT, f"{title_of(ablation)}: {spoken}")
    _frame(root, scale, axis, blind)
    ends = []
    for number, series in enumerate(lines):
        shift = ASIDE * (number - (len(lines) - 1) / 2)
        y = _draw(root, scale, axis, series, shift, DASHES[number % len(DASHES)])
        ends.append((y, number))
    least = -math.inf
    for y, number in sorted(ends):
        least = max(y, least + APART)
        _write_name(root, lines[number], least)
    return tostring(root, encoding="unicode")


def _scale(cells: Sequence[Summary], blind: float) -> Scale:
    intervals = [summary.main for summary in cells]
    ends = [
        end
        for interval in intervals
        for end in (interval.value, interval.low, interval.high)
        if end is not None
    ]
    low, high = min(*ends, blind), max(*ends, blind)
    wide = max(high - low, 0.02)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if wide / s <= 7)
    low, high = math.floor((low - wide / 40) / step), math.ceil((high + wide / 40) / step)
    # A concordance can be below 0, a share cannot.
    least = max(low, 0) if cells[0].column.share else low
    return Scale(least * step, high * step, step, cells[0].column)


def _frame(root: Element, scale: Scale, axis: Axis, blind: Chance) -> None:
    bottom = HEIGHT - BELOW
    for number in range(round((scale.high - scale.low) / scale.step) + 1):
        value = scale.low + number * scale.step
        y = scale.y(value)
        line(root, (LEFT, y), (RIGHT, y), "axis", "#e2e2e2")
        tick = decimals(100 * value, 0) if scale.column.share else decimals(value, 2)
        write(root, (LEFT - 8, y + 4), tick, anchor="end", size=12)
    every = math.ceil(len(axis.steps) / MOST_STEPS)
    for number, step in enumerate(axis.steps):
        if number % every == 0 or number == len(axis.steps) - 1:
            at = (axis.x(step), bottom + 18)
            write(root, at, short(printable(step), LETTERS), anchor="middle", size=12)
    y = scale.y(blind.value)
    line(root, (LEFT, y), (RIGHT, y), "reference", "#666666", dash="4 3")
    write(root, (RIGHT + 8, y + 4), short(blind.label, WIDEST), anchor="start", size=12)
    middle = (LEFT + RIGHT) / 2
    write(root, (middle, bottom + 44), axis.title, anchor="middle", size=12.5)
    about = f"{scale_of(scale.column)}, 95 % intervals"
    turned = write(root, (18, (TOP + bottom) / 2), about, anchor="middle", size=12.5)
    turned.set("transform", f"rotate(-90 18 {(TOP + bottom) / 2:g})")


def _draw(
    root: Element, scale: Scale, axis: Axis, series: Series, shift: float, dash: str
) -> float:
    """Draw one line; returns how high its last step stands."""
    cells = [summary for summary in series.cells if summary.main.value is not None]
    cells.sort(key=lambda summary: axis.steps.index(_step(summary.cell.title)))
    at = [
        (axis.x(_step(summary.cell.title)) + shift, scale.y(summary.main.value or 0.0))
        for summary in cells
    ]
    for start, end in pairwise(at):
        stroke = line(root, start, end, f"arm {series.kind}", COLOURS[series.kind], dash)
        stroke.set("stroke-width", "2")
    for (x, y), summary in zip(at, cells, strict=True):
        if summary.main.low is not None and summary.main.high is not None:
            ends = (x, scale.y(summary.main.low)), (x, scale.y(summary.main.high))
            stem = line(root, *ends, f"arm {series.kind}", COLOURS[series.kind])
            stem.set("stroke-width", "1.5")
        group = SubElement(root, "g")
        words = (
            f"{series.name} at {printable(summary.cell.title)}: "
            f"{score_text(summary.main, summary.column)}"
        )
        SubElement(group, "title").text = words
        draw_symbol(group, series.kind, x, y)
    return at[-1][1] if at else scale.y(scale.low)


def _write_name(root: Element, series: Series, y: float) -> None:
    words = write(
        root, (RIGHT + 8, y + 4.5), short(series.name, LONGEST), anchor="start", size=13.5
    )
    words.attrib |= {"font-weight": "600", "class": series.kind, "fill": COLOURS[series.kind]}
    SubElement(words, "title").text = series.name
