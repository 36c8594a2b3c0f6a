"""Diagrams of confidence: how often a classifier is right when it is sure, and what is kept."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import stamped
from experiments.reporting.figures import COLOURS, kind_of
from experiments.reporting.numbers import decimals, percent
from experiments.reporting.results_schema import ArmResults, Calibration, Results
from experiments.reporting.svg import canvas, line, write

#: Sides of the square of a diagram, and where it lies.
SIDE, LEFT, TOP = 300, 62, 34
#: Room for the words below the axis, and beside the square for names.
BELOW, BESIDE = 62, 18
#: Grey of scores as they were, before any temperature.
BEFORE = "single"
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def draw_reliability(results: Results, arm: str) -> str:
    """Accuracy over confidence on test rows, before and after the temperature, with the diagonal.

    Circles and diamonds grow with the share of rows in their bin.
    """
    calibration = calibration_of(results.arms[arm])
    title = f"Reliability of {arm_name(arm)}: calibration error "
    title += f"{percent(calibration.before.ece)} % before, "
    title += f"{percent(calibration.after.ece)} % after the temperature"
    label = stamped(title, results)
    root = _square(label, "confidence, %", "accuracy, %")
    line(root, _at(0, 0), _at(1, 1), "reference", "#666666", dash="4 3")
    for side, kind, bins in (
        ("before", BEFORE, calibration.bins.before),
        ("after", kind_of(arm), calibration.bins.after),
    ):
        points = [(bin_.confidence, bin_.accuracy) for bin_ in bins]
        _path(root, points, kind, dash="2 3" if side == "before" else "none")
        rows = sum(bin_.rows for bin_ in bins)
        for bin_, point in zip(bins, points, strict=True):
            share = bin_.rows / rows
            what = f"{side}: {percent(share)} % of rows, {percent(point[1])} % of them right"
            _dot(root, point, kind, 2.5 + 9 * share**0.5, what, hollow=side == "before")
    return tostring(_keyed(root, {"before": BEFORE, "after": kind_of(arm)}), encoding="unicode")


def draw_risk(results: Results, arms: Sequence[str]) -> str:
    """Accuracy among the surest rows over the share of rows that is kept."""
    title = "Accuracy of the surest utterances: " + "; ".join(
        f"{arm_name(arm)}, half of them {percent(_half(results, arm))} %" for arm in arms
    )
    root = _square(stamped(title, results), "utterances that are given a class, %", "accuracy, %")
    for number, arm in enumerate(arms):
        points = _points(results, arm)
        _path(root, points, kind_of(arm), dash="none" if number else "6 3")
        kept = calibration_of(results.arms[arm]).abstention
        if kept.accuracy is not None:
            what = f"{arm_name(arm)} at its threshold"
            place = (kept.coverage, kept.accuracy)
            _dot(root, place, kind_of(arm), 5.5, what, hollow=False)
    return tostring(_keyed(root, {arm_name(arm): kind_of(arm) for arm in arms}), encoding="unicode")


def calibration_of(summary: ArmResults) -> Calibration:
    """The calibration of an arm that has one."""
    assert summary.calibration is not None
    return summary.calibration


def _points(results: Results, arm: str) -> list[tuple[float, float]]:
    curve = calibration_of(results.arms[arm]).risk_coverage
    return [(point.coverage, point.accuracy) for point in curve]


def _half(results: Results, arm: str) -> float:
    return min(_points(results, arm), key=lambda point: abs(point[0] - 0.5))[1]


# ---------------------------------------------------------------- strokes


def _at(x: float, y: float) -> tuple[float, float]:
    return round(LEFT + SIDE * x, 1), round(TOP + SIDE * (1 - y), 1)


def _square(title: str, below: str, beside: str) -> Element:
    root = canvas(LEFT + SIDE + BESIDE, TOP + SIDE + BELOW, title)
    for tick in TICKS:
        line(root, _at(tick, 0), _at(tick, 1), "axis", "#e2e2e2")
        line(root, _at(0, tick), _at(1, tick), "axis", "#e2e2e2")
        words = decimals(100 * tick, 0)
        x, y = _at(tick, 0)
        write(root, (x, y + 18), words, anchor="middle", size=12)
        x, y = _at(0, tick)
        write(root, (x - 8, y + 4), words, anchor="end", size=12)
    write(root, (LEFT + SIDE / 2, TOP + SIDE + 40), below, anchor="middle", size=12.5)
    turned = write(root, (16, TOP + SIDE / 2), beside, anchor="middle", size=12.5)
    turned.set("transform", f"rotate(-90 16 {TOP + SIDE / 2:g})")
    return root


def _keyed(root: Element, names: Mapping[str, str]) -> Element:
    """The key above the square."""
    x = float(LEFT)
    for number, (name, kind) in enumerate(names.items()):
        hollow = kind == BEFORE and number == 0 and "before" in names
        _shape(root, (x + 6, 17), kind, 5.0, hollow=hollow)
        write(root, (x + 17, 21.5), name, anchor="start", size=12.5)
        x += 34 + 7.2 * len(name)
    return root


def _path(root: Element, points: Sequence[tuple[float, float]], kind: str, dash: str) -> None:
    for start, end in pairwise(points):
        stroke = line(root, _at(*start), _at(*end), f"arm {kind}", COLOURS[kind], dash=dash)
        stroke.set("stroke-width", "2")


def _dot(
    root: Element, at: tuple[float, float], kind: str, size: float, what: str, *, hollow: bool
) -> None:
    dot = _shape(root, _at(*at), kind, size, hollow=hollow)
    SubElement(dot, "title").text = what


def _shape(
    root: Element, at: tuple[float, float], kind: str, size: float, *, hollow: bool
) -> Element:
    x, y = at
    shapes = {
        "text": f"M{x - size:g},{y - size:g}h{2 * size:g}v{2 * size:g}h{-2 * size:g}z",
        "fused": f"M{x:g},{y - size:g}l{size:g},{size:g}l{-size:g},{size:g}l{-size:g},{-size:g}z",
    }
    arc = f"a{size:g},{size:g} 0 1,0"
    circle = f"M{x - size:g},{y:g}{arc} {2 * size:g},0{arc} {-2 * size:g},0z"
    about = {"d": shapes.get(kind, circle), "stroke-width": "2"}
    paint = (
        {"class": f"hollow {kind}", "fill": "none", "stroke": COLOURS[kind]}
        if hollow
        else {"class": f"arm {kind}", "fill": COLOURS[kind], "stroke": "none"}
    )
    return SubElement(root, "path", {**about, **paint})
