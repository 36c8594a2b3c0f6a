"""Lines over steps, as SVG: a small frame of which several stand side by side."""

import math
from dataclasses import dataclass, replace
from xml.etree.ElementTree import SubElement, tostring

from experiments.reporting.svg import COLOURS, Chart, Point, axis_around, canvas, line, write

#: Where the frame lies, and the room around it for words.
LEFT, TOP, WIDE, HIGH, RIGHT, BELOW = 58, 34, 330, 180, 14, 58


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the chart; ``strong`` ones lie above thin ones."""

    points: tuple[Point, ...]
    summary: str
    strong: bool = False
    dash: str = "none"


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines in one colour, their key, and ``ticks`` at some steps along the bottom."""

    title: str
    kind: str
    below: str
    beside: str
    lines: tuple[Line, ...]
    ticks: tuple[float, ...] = ()
    share: bool = False
    key: tuple[tuple[str, str], ...] = ()


def draw_chart(lines: LineChart) -> str:
    """A chart as SVG."""
    root = canvas(LEFT + WIDE + RIGHT, TOP + HIGH + BELOW, lines.title)
    points = [point for curve in lines.lines for point in curve.points]
    across = axis_around([x for x, _ in points], most=7, least=1.0, air=False, share=False)
    up = axis_around([y for _, y in points], most=6, air=False, share=lines.share)
    # As many places as tell one tick from the next.
    up = replace(up, places=max(0, -math.floor(math.log10(up.step) + 1e-9)))
    chart = Chart(root, LEFT, TOP, WIDE, HIGH, replace(across, places=0), up)
    for tick in chart.across.ticks():
        x = chart.x(tick)
        line(root, (x, chart.bottom), (x, chart.bottom + 4), "axis")
        chart.tick_below(tick)
    for tick in up.ticks():
        chart.level(tick)
        chart.tick_beside(tick)
    chart.name_axes(lines.below, lines.beside, drop=42, edge=14)
    for curve in sorted(lines.lines, key=lambda curve: curve.strong):
        _draw(chart, curve, lines.kind)
    for tick in lines.ticks:
        x = chart.x(tick)
        mark = line(root, (x, chart.bottom), (x, chart.bottom - 9), lines.kind, width="2")
        mark.set("stroke-opacity", "0.45")
    x = float(LEFT)
    for name, dash in lines.key:
        line(root, (x, 16), (x + 24, 16), lines.kind, dash=dash, width="2.2")
        write(root, (x + 31, 20.5), name, anchor="start", size=12.5)
        x += 48 + 7.2 * len(name)
    return tostring(root, encoding="unicode")


def _draw(chart: Chart, curve: Line, kind: str) -> None:
    places = [chart.at(point) for point in curve.points]
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
    SubElement(SubElement(chart.root, "polyline", about), "title").text = curve.summary
