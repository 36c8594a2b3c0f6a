"""What every figure is made of: paper, strokes, words, symbols, axes and the frame around them.

Figures are built as element trees, so that no name in them can become markup. Colours are
presentation attributes, which fit white paper; the report's style sheet overrides them by class,
which is how the same figure fits a dark page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from experiments.reporting.numbers import decimals

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
#: Okabe and Ito's palette, told apart by colour-blind eyes; shapes tell the same again.
COLOURS = {"audio": "#0072b2", "text": "#c25200", "fused": "#007a59", "single": "#555555"}
#: Lines that belong to no arm.
GREYS = {"axis": "#e2e2e2", "rule": "#bbbbbb", "reference": "#666666"}
#: Squares of a matrix; from this share on, words on one are white on paper, black on a dark page.
CELL, DARK_FROM = "#00507d", 0.73

Point = tuple[float, float]


def canvas(width: int, height: int, label: str) -> Element:
    """The root of a figure on white paper, with what a screen reader says instead of it."""
    about = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width} {height}",
        "width": str(width),
        "height": str(height),
        "role": "img",
        "aria-label": label,
        "font-family": FONT,
        "color": "#1a1a1a",
    }
    root = Element("svg", about)
    SubElement(
        root, "rect", {"class": "paper", "width": "100%", "height": "100%", "fill": "#ffffff"}
    )
    return root


def line(
    root: Element,
    start: Point,
    end: Point,
    kind: str,
    *,
    dash: str = "none",
    width: str | None = None,
) -> Element:
    """A grey line, or one of a group of arms; its class gives its colour on a page."""
    colour, group = (GREYS[kind], kind) if kind in GREYS else (COLOURS[kind], f"arm {kind}")
    about = {"class": group, "stroke": colour, "stroke-dasharray": dash}
    ends = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
    about |= {key: f"{value:g}" for key, value in ends.items()}
    return SubElement(root, "line", about | ({} if width is None else {"stroke-width": width}))


def write(root: Element, at: Point, words: str, *, anchor: str, size: float = 14) -> Element:
    """Words in the colour of the text around the figure."""
    about = {"x": f"{at[0]:g}", "y": f"{at[1]:g}", "text-anchor": anchor, "font-size": f"{size:g}"}
    text = SubElement(root, "text", {**about, "fill": "currentColor"})
    text.text = words
    return text


def write_short(
    root: Element, at: Point, words: str, letters: int, *, anchor: str, size: float = 14
) -> Element:
    """Words cut to so many letters, the last of them an ellipsis; a pointer shows them whole."""
    text = write(root, at, short(words, letters), anchor=anchor, size=size)
    SubElement(text, "title").text = words
    return text


def short(text: str, letters: int) -> str:
    """Text cut to so many letters, the last of them an ellipsis."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def outline(kind: str, size: float) -> tuple[Point, str]:
    """The shape that tells a group of arms without its colour: where it begins, how it goes on."""
    if kind == "text":
        return (-size, -size), f"h{2 * size:g}v{2 * size:g}h{-2 * size:g}z"
    if kind == "fused":
        return (0, -size), f"l{size:g},{size:g}l{-size:g},{size:g}l{-size:g},{-size:g}z"
    arc = f"a{size:g},{size:g} 0 1,0"
    return (-size, 0), f"{arc} {2 * size:g},0{arc} {-2 * size:g},0z"


def draw_cell(
    root: Element,
    corner: Point,
    side: int,
    title: str,
    shade: tuple[float, float],
    lines: Sequence[tuple[int, float, str]],
) -> None:
    """A square of a matrix with words in it: how far below its middle, their size, what they say.

    ``shade`` is a share, and the opacity of the square where that is 0.
    """
    share, least = shade
    group = SubElement(root, "g")
    SubElement(group, "title").text = title
    about = {"class": "cell", "x": f"{corner[0] + 1:g}", "y": f"{corner[1] + 1:g}"}
    about |= {"width": f"{side - 2}", "height": f"{side - 2}", "rx": "3", "fill": CELL}
    SubElement(group, "rect", {**about, "fill-opacity": f"{least + (1 - least) * share:.3f}"})
    dark = share >= DARK_FROM
    for below, size, words in lines:
        place = (corner[0] + side / 2, corner[1] + side / 2 + below)
        text = write(group, place, words, anchor="middle", size=size)
        text.set("class", "on-high" if dark else "on-low")
        text.set("fill", "#ffffff" if dark else "#000000")


# ---------------------------------------------------------------- axes


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from one end to the other with a tick every ``step``, a share told in percent."""

    low: float
    high: float
    step: float
    share: bool = True
    places: int = 2

    def along(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """The values of the ticks."""
        count = round((self.high - self.low) / self.step)
        return [self.low + number * self.step for number in range(count + 1)]

    def tell(self, tick: float) -> str:
        """What stands at a tick."""
        return decimals(100 * tick, 0) if self.share else decimals(tick, self.places)


def axis_around(
    values: Sequence[float],
    *,
    most: int,
    least: float = 0.01,
    air: bool = True,
    share: bool = True,
    places: int = 2,
) -> Axis:
    """An axis with round ends around values, and no more than about ``most`` steps of 1, 2 or 5.

    With ``air`` no value touches an end. No step is smaller than ``least``.
    """
    low, high = min(values), max(values)
    wide = max(high - low, 2 * least)
    power = 10.0 ** math.floor(math.log10(wide / most))
    step = next(s * power for s in (1, 2, 5, 10) if wide / (s * power) <= most)
    step = max(step, least)
    margin = wide / 40 if air else 0.0
    start, end = math.floor((low - margin) / step), math.ceil((high + margin) / step)
    return Axis(start * step, max(end, start + 1) * step, step, share, places)


#: An axis of shares, and that of a side without numbers.
SHARES = Axis(0.0, 1.0, 0.2)


@dataclass(frozen=True, slots=True)
class Chart:
    """The frame of a figure: where it lies on the paper, and the axes along two of its sides."""

    root: Element
    left: float
    top: float
    wide: float
    high: float
    across: Axis = SHARES
    up: Axis = SHARES

    @property
    def bottom(self) -> float:
        """Where the frame ends."""
        return self.top + self.high

    def x(self, value: float) -> float:
        """Where a value of the axis below lies."""
        return round(self.left + self.wide * self.across.along(value), 1)

    def y(self, value: float) -> float:
        """Where a value of the axis at the left lies."""
        return round(self.top + self.high * (1 - self.up.along(value)), 1)

    def at(self, point: Point) -> Point:
        """Where two values lie."""
        return self.x(point[0]), self.y(point[1])

    def level(self, value: float, kind: str = "axis", dash: str = "none") -> None:
        """A line through the frame at a value of the axis at the left."""
        y = self.y(value)
        line(self.root, (self.left, y), (self.left + self.wide, y), kind, dash=dash)

    def tick_below(self, tick: float, drop: int = 18) -> None:
        """The number of a tick below the frame."""
        at, words = (self.x(tick), self.bottom + drop), self.across.tell(tick)
        write(self.root, at, words, anchor="middle", size=12)

    def tick_beside(self, tick: float) -> None:
        """The number of a tick at the left of the frame."""
        at, words = (self.left - 8, self.y(tick) + 4), self.up.tell(tick)
        write(self.root, at, words, anchor="end", size=12)

    def name_axes(self, below: str, beside: str, *, drop: int, edge: int) -> None:
        """What the axes are: so far below the frame, so far from the edge of the paper."""
        at, middle = (self.left + self.wide / 2, self.bottom + drop), self.top + self.high / 2
        write(self.root, at, below, anchor="middle", size=12.5)
        turned = write(self.root, (edge, middle), beside, anchor="middle", size=12.5)
        turned.set("transform", f"rotate(-90 {edge} {middle:g})")
