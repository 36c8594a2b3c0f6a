"""The curve of an ablation: scores along values that are steps of one quantity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import get_args
from xml.etree.ElementTree import Element, SubElement, tostring

from encoders.messages import printable
from encoders.specs import AllLayers
from experiments.ablation.cells import Factor
from experiments.ablation.findings import Findings, title_of
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Summary, blind_of, shown_arms
from experiments.ablation.settings import CLEAN, EVERYONE, GOLD, WER
from experiments.reporting.arm_names import arm_name
from experiments.reporting.figures import draw_symbol, kind_of, score_text
from experiments.reporting.svg import (
    COLOURS,
    Chart,
    axis_around,
    canvas,
    line,
    short,
    write,
    write_short,
)
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
class Steps:
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


def is_curve(ablation: Ablation) -> bool:
    """Whether the values of the only factor are steps of one quantity."""
    return axis_of(ablation.grid.factors[0], ablation.grid.values[0]) is not None


def axis_of(factor: Factor, values: Sequence[str]) -> Steps | None:
    """The axis that values stand on; None where they are names."""
    name = factor.name.rpartition("@")[2]
    if factor.name == "noise":
        return _noise_axis(factor, values)
    steps = [_step(value) for value in values]
    ends = {"transcript": (GOLD,), "speakers": (EVERYONE,), "layer": get_args(AllLayers)}
    numbers = [step for step in steps if step not in ends.get(name, ())]
    known = factor.ordered or name in ends
    if not known or len(numbers) < 2 or any(_number(step) is None for step in numbers):
        return None
    numbers.sort(key=float)
    last = [step for step in steps if step in ends.get(name, ())]
    order = [*last, *numbers] if name == "transcript" else [*numbers, *last]
    unit = f", {factor.unit}" if factor.unit else ""
    title = "simulated word error rate" if name == "transcript" else f"{factor.label}{unit}"
    return Steps(tuple(order), printable(title))


def _noise_axis(factor: Factor, values: Sequence[str]) -> Steps | None:
    kinds = {value.partition(":")[0] for value in values if value != CLEAN}
    levels = list(dict.fromkeys(_step(value) for value in values if value != CLEAN))
    if len(levels) < 2 or not (kinds <= ADDED or kinds == {"reverb"}):
        return None
    worst = kinds == {"reverb"}
    levels.sort(key=float, reverse=not worst)
    what = "reverberation time T60 in s" if worst else "signal-to-noise ratio in dB"
    where = factor.label.removeprefix("noise ")
    return Steps((CLEAN, *levels) if CLEAN in values else tuple(levels), f"{what}, {where}")


def _step(value: str) -> str:
    return value.removeprefix(WER).rpartition(":")[2]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def series_of(ablation: Ablation, findings: Findings) -> list[Series]:
    """One line for each arm that is shown, and for each kind of noise of it."""
    kinds = dict.fromkeys(
        value.partition(":")[0]
        for value in ablation.grid.values[0]
        if ablation.grid.factors[0].name == "noise" and value != CLEAN
    )
    lines = []
    for arm in shown_arms(findings.summaries):
        for kind in kinds if len(kinds) > 1 else ("",):
            cells = tuple(
                summary
                for summary in findings.summaries
                if summary.arm == arm and summary.cell.title.startswith((CLEAN, kind))
            )
            name = f"{arm_name(arm)}, {kind}" if kind else arm_name(arm)
            lines.append(Series(name, kind_of(arm), cells))
    return lines


# ---------------------------------------------------------------- strokes


def draw_curve(ablation: Ablation, findings: Findings) -> str:
    """Each arm along the values, with its intervals, and what knows nothing."""
    steps = axis_of(ablation.grid.factors[0], ablation.grid.values[0])
    assert steps is not None
    lines = series_of(ablation, findings)
    spoken = "; ".join(_spoken(series, summary) for series in lines for summary in series.cells)
    root = canvas(WIDTH, HEIGHT, f"{title_of(ablation)}: {spoken}")
    chart = _frame(root, lines, steps, blind_of(findings.summaries))
    ends = []
    for number, series in enumerate(lines):
        shift = ASIDE * (number - (len(lines) - 1) / 2)
        y = _draw(chart, steps, series, shift, DASHES[number % len(DASHES)])
        ends.append((y, number))
    least = -math.inf
    for y, number in sorted(ends):
        least = max(y, least + APART)
        series, at = lines[number], (RIGHT + 8, least + 4.5)
        name = write_short(root, at, series.name, LONGEST, anchor="start", size=13.5)
        name.attrib |= {"font-weight": "600", "class": series.kind, "fill": COLOURS[series.kind]}
    return tostring(root, encoding="unicode")


def _frame(root: Element, lines: Sequence[Series], steps: Steps, blind: Chance) -> Chart:
    cells = [summary for series in lines for summary in series.cells]
    scores, metric = [summary.main for summary in cells], cells[0].column
    values = [end for score in scores for end in (score.value, score.low, score.high)]
    ends = [blind.value, *(end for end in values if end is not None)]
    up = axis_around(ends, most=7, share=metric.share)
    # A concordance can be below 0, a share cannot.
    up = replace(up, low=max(up.low, 0.0)) if metric.share else up
    chart = Chart(root, LEFT, TOP, RIGHT - LEFT, HEIGHT - TOP - BELOW, up=up)
    for tick in up.ticks():
        chart.level(tick)
        chart.tick_beside(tick)
    every = math.ceil(len(steps.steps) / MOST_STEPS)
    for number, step in enumerate(steps.steps):
        if number % every == 0 or number == len(steps.steps) - 1:
            at = (steps.x(step), chart.bottom + 18)
            write(root, at, short(printable(step), LETTERS), anchor="middle", size=12)
    chart.level(blind.value, "reference", dash="4 3")
    at = (RIGHT + 8, chart.y(blind.value) + 4)
    write(root, at, short(blind.label, WIDEST), anchor="start", size=12)
    about = f"{metric.scale}, 95 % intervals"
    chart.name_axes(steps.title, about, drop=44, edge=18)
    return chart


def _draw(chart: Chart, steps: Steps, series: Series, shift: float, dash: str) -> float:
    """Draw one line; returns how high its last step stands."""
    cells = [summary for summary in series.cells if summary.main.value is not None]
    cells.sort(key=lambda summary: steps.steps.index(_step(summary.cell.title)))
    at = [
        (steps.x(_step(summary.cell.title)) + shift, chart.y(summary.main.value or 0.0))
        for summary in cells
    ]
    for start, end in pairwise(at):
        line(chart.root, start, end, series.kind, dash=dash, width="2")
    for (x, y), summary in zip(at, cells, strict=True):
        if summary.main.low is not None and summary.main.high is not None:
            low, high = chart.y(summary.main.low), chart.y(summary.main.high)
            line(chart.root, (x, low), (x, high), series.kind, width="1.5")
        group = SubElement(chart.root, "g")
        SubElement(group, "title").text = _spoken(series, summary, ":")
        draw_symbol(group, series.kind, x, y)
    return at[-1][1] if at else chart.y(chart.up.low)


def _spoken(series: Series, summary: Summary, colon: str = "") -> str:
    score = score_text(summary.main, summary.column)
    return f"{series.name} at {printable(summary.cell.title)}{colon} {score}"
