"""Lines over steps, as SVG: a small frame of which several stand side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from experiments.reporting.figures import COLOURS
from experiments.reporting.numbers import decimals
from experiments.reporting.svg import canvas, line, write

#: Where the frame lies, and the room around it for words.
LEFT, TOP, WIDE, HIGH, RIGHT, BELOW = 58, 34, 330, 180, 14, 58
STEPS = (1, 2, 5)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the chart; ``strong`` ones lie above thin ones."""

    points: tuple[Point, ...]
    summary: str
    strong: bool = False
    dash: str = "none"


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines in one colour, their key, and ``ticks`` at some steps along the bottom."""

    title: str
    kind: str
    below: str
    beside: str
    lines: tuple[Line, ...]
    ticks: tuple[float, ...] = ()
    share: bool = False
    key: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    step: float

    def at(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def marks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.low + number * self.step for number in range(count + 1)]


def draw_chart(chart: Chart) -> str:
    """A chart as SVG."""
    points = [point for curve in chart.lines for point in curve.points]
    across = _axis([x for x, _ in points], most=7, least=1.0)
    up = _axis([y for _, y in points], most=6, least=0.01)
    root = canvas(LEFT + WIDE + RIGHT, TOP + HIGH + BELOW, chart.title)
    _frame(root, chart, across, up)
    for curve in sorted(chart.lines, key=lambda curve: curve.strong):
        _draw(root, curve, chart.kind, across, up)
    for tick in chart.ticks:
        x, y = _place((tick, up.low), across, up)
        mark = line(root, (x, y), (x, y - 9), f"arm {chart.kind}", COLOURS[chart.kind])
        mark.attrib |= {"stroke-width": "2", "stroke-opacity": "0.45"}
    _key(root, chart)
    return tostring(root, encoding="unicode")


def _axis(values: Sequence[float], *, most: int, least: float) -> _Axis:
    """Round ends around the values, with no more than so many steps between them."""
    low, high = min(values), max(values)
    wide = max(high - low, least)
    power = 10.0 ** math.floor(math.log10(wide / most))
    step = next(s * power for s in (*STEPS, 10) if wide / (s * power) <= most)
    step = max(step, least)
    start, end = math.floor(low / step), math.ceil(high / step)
    return _Axis(start * step, max(end, start + 1) * step, step)


def _place(point: Point, across: _Axis, up: _Axis) -> Point:
    x, y = across.at(point[0]), up.at(point[1])
    return round(LEFT + WIDE * x, 1), round(TOP + HIGH * (1 - y), 1)


def _frame(root: Element, chart: Chart, across: _Axis, up: _Axis) -> None:
    for mark in across.marks():
        x, y = _place((mark, up.low), across, up)
        line(root, (x, y), (x, y + 4), "axis", "#e2e2e2")
        write(root, (x, y + 18), decimals(mark, 0), anchor="middle", size=12)
    # As many places as tell one mark from the next.
    step = 100 * up.step if chart.share else up.step
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    for mark in up.marks():
        start, end = _place((across.low, mark), across, up), _place((across.high, mark), across, up)
        line(root, start, end, "axis", "#e2e2e2")
        words = decimals(100 * mark if chart.share else mark, places)
        write(root, (LEFT - 8, start[1] + 4), words, anchor="end", size=12)
    write(root, (LEFT + WIDE / 2, TOP + HIGH + 42), chart.below, anchor="middle", size=12.5)
    turned = write(root, (14, TOP + HIGH / 2), chart.beside, anchor="middle", size=12.5)
    turned.set("transform", f"rotate(-90 14 {TOP + HIGH / 2:g})")


def _draw(root: Element, curve: Line, kind: str, across: _Axis, up: _Axis) -> None:
    places = [_place(point, across, up) for point in curve.points]
    about = {
        "class": f"arm {kind}",
        "points": " ".join(f"{x:g},{y:g}" for x, y in places),
        "fill": "none",
        "stroke": COLOURS[kind],
        "stroke-width": "2.2" if curve.strong else "1",
        "stroke-opacity": "1" if curve.strong else "0.45",
        "stroke-dasharray": curve.dash,
        "stroke-linejoin": "round",
    }
    SubElement(SubElement(root, "polyline", about), "title").text = curve.summary


def _key(root: Element, chart: Chart) -> None:
    x = float(LEFT)
    for name, dash in chart.key:
        stroke = line(root, (x, 16), (x + 24, 16), f"arm {chart.kind}", COLOURS[chart.kind], dash)
        stroke.set("stroke-width", "2.2")
        write(root, (x + 31, 20.5), name, anchor="start", size=12.5)
        x += 48 + 7.2 * len(name)
