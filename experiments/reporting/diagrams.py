"""Diagrams of classes: what is taken for what, how often the sure are right, and what is kept."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from encoders.messages import printable
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import stamped
from experiments.reporting.figures import LETTER, kind_of
from experiments.reporting.numbers import ABSENT, decimals, percent
from experiments.reporting.results_schema import ArmResults, Calibration, ClassResults, Results
from experiments.reporting.svg import (
    COLOURS,
    SHARES,
    Chart,
    Point,
    canvas,
    draw_cell,
    line,
    outline,
    short,
    write,
    write_short,
)

#: Sides of the square of a diagram, and where it lies.
SIDE, LEFT, TOP = 300, 62, 34
#: Room for the words below the axis, and beside the square for names.
BELOW, BESIDE = 62, 18
#: Grey of scores as they were, before any temperature.
BEFORE = "single"
#: Letters after which a class's name is cut.
CLASS_LETTERS = 13


def draw_confusion(results: ClassResults, arm: str) -> str:
    """Confusion matrix of an arm: each row in percent of its class, with counts."""
    counts, names = results.arms[arm].confusion, [printable(t) for t in results.targets]
    cell = 64 if len(names) <= 5 else 52
    longest = max(len(short(name, CLASS_LETTERS)) for name in names)
    left, top = 14 + max(76, round(LETTER * longest)), 96
    seeds = len(results.seeds)
    title = stamped(f"Confusion matrix of {arm_name(arm)}", results)
    title += ": rows are the truth, columns the prediction"
    title += f"; counts are means over {seeds} seeds" if seeds > 1 else ""
    digits = 1 if seeds > 1 else 0
    root = canvas(left + cell * len(names) + 34, top + cell * len(names) + 8, title)
    for number, name in enumerate(names):
        middle = (number + 0.5) * cell
        write_short(root, (left - 10, top + middle + 4.5), name, CLASS_LETTERS, anchor="end")
        x, y = left + middle - 4, top - 8
        turned = write_short(root, (x, y), name, CLASS_LETTERS, anchor="start")
        turned.set("transform", f"rotate(-38 {x} {y})")
    if results.facts.leaky:
        write(root, (4, 14), stamped("for replication only", results), anchor="start", size=11)
    write(root, (left - 10, top - 26), "prediction →", anchor="end", size=11)
    write(root, (left - 10, top - 10), "truth ↓", anchor="end", size=11)
    for row, values in enumerate(counts):
        for place, count in enumerate(values):
            counted, corner = decimals(count, digits), (left + place * cell, top + row * cell)
            share = count / sum(values) if sum(values) else None
            title = f"{names[row]} taken for {names[place]}: {percent(share)} % ({counted})"
            words = ABSENT if share is None else decimals(100 * share, 0)
            lines = [(1, 15, words), (17, 11, counted)]
            draw_cell(root, corner, cell, title, (share or 0.0, 0.04), lines)
    return tostring(root, encoding="unicode")


def draw_reliability(results: Results, arm: str) -> str:
    """Accuracy over confidence on test rows, before and after the temperature, with the diagonal.

    Circles and diamonds grow with the share of rows in their bin.
    """
    calibration = calibration_of(results.arms[arm])
    title = f"Reliability of {arm_name(arm)}: calibration error "
    title += f"{percent(calibration.before.ece)} % before, "
    title += f"{percent(calibration.after.ece)} % after the temperature"
    chart = _square(stamped(title, results), "confidence, %")
    line(chart.root, chart.at((0, 0)), chart.at((1, 1)), "reference", dash="4 3")
    for side, kind, bins in (
        ("before", BEFORE, calibration.bins.before),
        ("after", kind_of(arm), calibration.bins.after),
    ):
        points = [(bin_.confidence, bin_.accuracy) for bin_ in bins]
        _path(chart, points, kind, dash="2 3" if side == "before" else "none")
        rows = sum(bin_.rows for bin_ in bins)
        for bin_, point in zip(bins, points, strict=True):
            share = bin_.rows / rows
            what = f"{side}: {percent(share)} % of rows, {percent(point[1])} % of them right"
            _dot(chart, point, kind, 2.5 + 9 * share**0.5, what, hollow=side == "before")
    return _keyed(chart, {"before": BEFORE, "after": kind_of(arm)})


def draw_risk(results: Results, arms: Sequence[str]) -> str:
    """Accuracy among the surest rows over the share of rows that is kept."""
    title = "Accuracy of the surest utterances: " + "; ".join(
        f"{arm_name(arm)}, half of them {percent(_half(results, arm))} %" for arm in arms
    )
    chart = _square(stamped(title, results), "utterances that are given a class, %")
    for number, arm in enumerate(arms):
        points = _points(results, arm)
        _path(chart, points, kind_of(arm), dash="none" if number else "6 3")
        kept = calibration_of(results.arms[arm]).abstention
        if kept.accuracy is not None:
            what = f"{arm_name(arm)} at its threshold"
            place = (kept.coverage, kept.accuracy)
            _dot(chart, place, kind_of(arm), 5.5, what, hollow=False)
    return _keyed(chart, {arm_name(arm): kind_of(arm) for arm in arms})


def calibration_of(summary: ArmResults) -> Calibration:
    """The calibration of an arm that has one."""
    assert summary.calibration is not None
    return summary.calibration


def _points(results: Results, arm: str) -> list[Point]:
    curve = calibration_of(results.arms[arm]).risk_coverage
    return [(point.coverage, point.accuracy) for point in curve]


def _half(results: Results, arm: str) -> float:
    return min(_points(results, arm), key=lambda point: abs(point[0] - 0.5))[1]


# ---------------------------------------------------------------- strokes


def _square(title: str, below: str) -> Chart:
    root = canvas(LEFT + SIDE + BESIDE, TOP + SIDE + BELOW, title)
    chart = Chart(root, LEFT, TOP, SIDE, SIDE)
    for tick in SHARES.ticks():
        line(root, chart.at((tick, 0)), chart.at((tick, 1)), "axis")
        chart.level(tick)
        chart.tick_below(tick)
        chart.tick_beside(tick)
    chart.name_axes(below, "accuracy, %", drop=40, edge=16)
    return chart


def _keyed(chart: Chart, names: Mapping[str, str]) -> str:
    """The whole diagram, with the key above the square."""
    x = float(LEFT)
    for name, kind in names.items():
        hollow = kind == BEFORE and name == "before"
        _shape(chart.root, (x + 6, 17), kind, 5.0, hollow=hollow)
        write(chart.root, (x + 17, 21.5), name, anchor="start", size=12.5)
        x += 34 + 7.2 * len(name)
    return tostring(chart.root, encoding="unicode")


def _path(chart: Chart, points: Sequence[Point], kind: str, dash: str) -> None:
    for start, end in pairwise(points):
        line(chart.root, chart.at(start), chart.at(end), kind, dash=dash, width="2")


def _dot(chart: Chart, at: Point, kind: str, size: float, what: str, *, hollow: bool) -> None:
    dot = _shape(chart.root, chart.at(at), kind, size, hollow=hollow)
    SubElement(dot, "title").text = what


def _shape(root: Element, at: Point, kind: str, size: float, *, hollow: bool) -> Element:
    (aside, above), path = outline(kind, size)
    about = {"d": f"M{at[0] + aside:g},{at[1] + above:g}{path}", "stroke-width": "2"}
    paint = (
        {"class": f"hollow {kind}", "fill": "none", "stroke": COLOURS[kind]}
        if hollow
        else {"class": f"arm {kind}", "fill": COLOURS[kind], "stroke": "none"}
    )
    return SubElement(root, "path", {**about, **paint})
