"""The figure of an ablation: a curve for numbers, bars for names, a heat map for two factors."""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, tostring

from encoders.messages import printable, with_count
from experiments.ablation.curve import draw_curve, is_curve
from experiments.ablation.findings import Findings, metric_of, title_of
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Summary, blind_of, shown_arms
from experiments.reporting.arm_names import arm_name
from experiments.reporting.figures import Forest, draw_forest, make_mark, score_text
from experiments.reporting.svg import Point, canvas, draw_cell, write, write_short

#: Letters of a value, of a column's one, and the side of a square.
LONGEST, ACROSS, SIDE = 22, 16, 88
#: Up to so many letters the names of columns are not turned.
SHORT = 9
#: Room above a map for its name and those of its columns.
TOP = 92


def draw(ablation: Ablation, findings: Findings, *, narrow: bool = False) -> str:
    """The figure that fits the factors."""
    if len(ablation.grid.factors) > 1:
        return draw_map(ablation, findings)
    if is_curve(ablation):
        return draw_curve(ablation, findings)
    return draw_forest(bars(ablation, findings), narrow=narrow)


def is_bars(ablation: Ablation) -> bool:
    """Whether the figure is one of bars."""
    return len(ablation.grid.factors) == 1 and not is_curve(ablation)


def bars(ablation: Ablation, findings: Findings) -> Forest:
    """Every cell and arm with its interval."""
    arms, marks = _arms_of(findings), []
    for arm in arms:
        for summary in findings.summaries:
            if arm in (None, summary.arm):
                title, score = summary.cell.title, summary.main
                label = title if len(arms) == 1 else f"{title}, {arm_name(summary.arm)}"
                strong = summary.cell.reference
                marks.append(make_mark(label, summary.arm, score, summary.column, strong=strong))
    blind, metric = blind_of(findings.summaries), metric_of(ablation)
    speakers = max((summary.speakers for summary in findings.summaries), default=0)
    axis = f"{metric.scale}, 95 % intervals over {with_count(speakers, 'speaker')}"
    return Forest(title_of(ablation), tuple(marks), blind.value, blind.label, axis, metric.share)


def _arms_of(findings: Findings) -> Sequence[str | None]:
    """Arms that are shown each for itself; None for all, where each cell is about one arm."""
    if all(summary.cell.draft.changes.arm is not None for summary in findings.summaries):
        return [None]
    return shown_arms(findings.summaries)


# ---------------------------------------------------------------- heat map


def draw_map(ablation: Ablation, findings: Findings) -> str:
    """The primary metric of every combination of two factors, one map for each arm that is shown.

    One map for all where each cell is about one arm.
    """
    rows, columns = ablation.grid.values
    maps = _arms_of(findings)
    left = 30 + 8 * min(max(map(len, rows)), LONGEST)
    height, width = TOP + SIDE * len(rows) + 30, left + SIDE * len(columns) + 60
    root = canvas(max(width, 330), height * len(maps), title_of(ablation))
    values = [value for o in findings.summaries if (value := o.main.value) is not None]
    metric = metric_of(ablation).head
    reach = (min(values, default=0.0), max(values, default=1.0))
    for number, arm in enumerate(maps):
        summaries = {
            tuple(o.cell.values.values()): o for o in findings.summaries if arm in (None, o.arm)
        }
        name = metric if arm is None or len(maps) == 1 else f"{arm_name(arm)}: {metric}"
        _map(root, ablation, summaries, name, (left, TOP + number * height), reach)
    return tostring(root, encoding="unicode")


def _map(
    root: Element,
    ablation: Ablation,
    summaries: Mapping[tuple[str, ...], Summary],
    name: str,
    corner: Point,
    reach: tuple[float, float],
) -> None:
    left, top = corner
    rows, columns = ablation.grid.values
    row_factor, column_factor = (printable(factor.name) for factor in ablation.grid.factors)
    head = write(root, (4, top - 66), name, anchor="start", size=14)
    head.set("font-weight", "600")
    ways = f"{row_factor} down, {column_factor} across"
    write(root, (4, top - 48), ways, anchor="start", size=12)
    for number, value in enumerate(columns):
        turned = max(map(len, columns)) > SHORT
        x = left + (number + 0.5) * SIDE - 20 * turned
        anchor = "start" if turned else "middle"
        words = write_short(root, (x, top - 8), printable(value), ACROSS, anchor=anchor, size=12.5)
        if turned:
            words.set("transform", f"rotate(-20 {x:g} {top - 8:g})")
    for row, value in enumerate(rows):
        y = top + (row + 0.5) * SIDE + 4
        write_short(root, (left - 10, y), printable(value), LONGEST, anchor="end", size=12.5)
        for column, across in enumerate(columns):
            place = (left + column * SIDE, top + row * SIDE)
            if (summary := summaries.get((value, across))) is not None:
                _square(root, summary, place, reach)


def _square(root: Element, summary: Summary, corner: Point, reach: tuple[float, float]) -> None:
    value, wide = summary.main.value, reach[1] - reach[0]
    share = 0.0 if value is None or wide <= 0 else (value - reach[0]) / wide
    title = f"{printable(summary.cell.title)}: {score_text(summary.main, summary.column)}"
    between = "" if summary.main.low is None else summary.column.tell_span(summary.main)
    lines = [(2, 15, summary.column.tell(value)), (18, 9.5, between)]
    lines += [(-18, 9.5, "reference")] if summary.cell.reference else []
    draw_cell(root, corner, SIDE, title, (share, 0.06), lines)
