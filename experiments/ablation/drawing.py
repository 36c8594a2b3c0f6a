"""The figure of an ablation: a curve for numbers, bars for names, a heat map for two factors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from experiments.ablation.ablate import Ablation
from experiments.ablation.factors import Factor
from experiments.ablation.scores import Summary
from experiments.ablation.told import Told, shown_arms
from experiments.reporting.figures import (
    CELL,
    COLOURS,
    DARK_FROM,
    Forest,
    Mark,
    draw_forest,
    draw_symbol,
    kind_of,
)
from experiments.reporting.strokes import canvas, line, short, write
from experiments.reporting.wording import arm_name, decimals, percent, span
from fusion.escaping import plain
from fusion.statistics import Interval

#: Size of a curve: the frame's edges, and the height of what is below it.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BELOW = 800, 420, 64, 640, 40, 62
#: The least distance between two names at the right edge.
APART = 17
DASHES = ("none", "7 3", "2 3", "9 3 2 3")
LONGEST = 22


def draw(found: Ablation, told: Told, *, narrow: bool = False) -> str:
    """The figure that fits the factors."""
    if len(found.grid.factors) == 2:
        return draw_map(found, told)
    if drawn_as_curve(found):
        return draw_curve(found, told)
    return draw_forest(bars(found, told), narrow=narrow)


def drawn_as_curve(found: Ablation) -> bool:
    """Whether the values of the only factor are steps along one line."""
    (factor,) = found.grid.factors[:1]
    return len(found.grid.factors) == 1 and len(places(factor, found.grid.values[0])) > 1


def title_of(found: Ablation) -> str:
    """What the figure shows."""
    return f"UAR over {' and '.join(plain(factor.told) for factor in found.grid.factors)}"


# ---------------------------------------------------------------- bars


def bars(found: Ablation, told: Told) -> Forest:
    """Every cell and arm with its interval."""
    arms = shown_arms(told.summaries)
    alone = all(one.cell.draft.changes.arm is not None for one in told.summaries)
    marks = tuple(
        Mark(
            label=_label(one, alone, len(arms)),
            kind=kind_of(one.arm),
            value=one.uar.value,
            low=one.uar.low,
            high=one.uar.high,
            text=_text(one.uar),
            strong=one.cell.reference,
        )
        for arm in ([None] if alone else arms)
        for one in told.summaries
        if arm in (None, one.arm)
    )
    classes = {one.classes for one in told.summaries}
    chance = 1 / min(classes)
    name = f"chance {percent(chance)}" if len(classes) == 1 else "chance of the fewest classes"
    speakers = max((one.speakers for one in told.summaries), default=0)
    axis = f"UAR in %, with 95 % intervals over {speakers} speakers; bold: the reference"
    return Forest(title_of(found), marks, chance, name, axis)


def _label(one: Summary, alone: bool, arms: int) -> str:
    if alone or arms == 1:
        return one.cell.title
    return f"{one.cell.title}, {arm_name(one.arm)}"


def _text(found: Interval) -> str:
    if found.value is None:
        return "not defined"
    if found.low is None or found.high is None:
        return f"{percent(found.value)}, no interval"
    return f"{percent(found.value)} ({span({'low': found.low, 'high': found.high})})"


# ---------------------------------------------------------------- curve


def places(factor: Factor, values: Sequence[str]) -> dict[str, float]:
    """Where values stand along the axis, 0 to 1; nothing where they are names.

    Steps are even: the next value is the next place. Numbers stand in their order, smallest first.
    """
    order = _order(factor, values)
    if len(order) < 2:
        return {}
    return {value: number / (len(order) - 1) for number, value in enumerate(order)}


def _order(factor: Factor, values: Sequence[str]) -> list[str]:
    if factor.name == "noise":
        kinds = {value.partition(":")[0] for value in values if ":" in value}
        levels = [value for value in values if ":" in value]
        if len(kinds) != 1:
            return []
        worst = 1 if kinds == {"reverb"} else -1
        levels.sort(key=lambda value: worst * float(value.partition(":")[2]))
        return [*(value for value in values if ":" not in value), *levels]
    if factor.name == "layer" or factor.name.endswith("@layer"):
        numbers = [value for value in values if _number(value) is not None]
        # The mix is no layer between others: it stands at the end.
        return [*sorted(numbers, key=float), *(v for v in values if _number(v) is None)]
    if factor.name == "transcript":
        wrong = all(value == "gold" or value.startswith("wer=") for value in values)
        return sorted(values, key=lambda v: float(v.partition("=")[2] or 0)) if wrong else []
    if factor.name == "speakers":
        numbers = [value for value in values if value != "all"]
        return [*sorted(numbers, key=float), *(["all"] if "all" in values else [])]
    if not factor.ordered or any(_number(value) is None for value in values):
        return []
    return sorted(values, key=float)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    step: float

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(TOP + (1 - share) * (HEIGHT - TOP - BELOW), 1)


def draw_curve(found: Ablation, told: Told) -> str:
    """UAR of each arm along the values, with its intervals, and chance."""
    factor, values = found.grid.factors[0], found.grid.values[0]
    at = places(factor, values)
    arms = shown_arms(told.summaries)
    rows = {arm: [one for one in told.summaries if one.arm == arm] for arm in arms}
    classes = {one.classes for one in told.summaries}
    chance = 1 / min(classes)
    scale = _scale([one.uar for own in rows.values() for one in own], chance)
    spoken = "; ".join(
        f"{arm_name(arm)} at {plain(one.cell.title)} {_text(one.uar)}"
        for arm, own in rows.items()
        for one in own
    )
    root = canvas(WIDTH, HEIGHT, f"{title_of(found)}: {spoken}")
    _axes(root, scale, factor, at, chance)
    ends: list[tuple[float, str, str]] = []
    for number, (arm, own) in enumerate(rows.items()):
        shift = 7.0 * (number - (len(rows) - 1) / 2)
        ends.append(_line_of(root, scale, arm, own, at, shift, DASHES[number % len(DASHES)]))
    for y, name, kind in _spread(ends):
        words = write(root, (RIGHT + 34, y + 4.5), short(name, LONGEST), anchor="start", size=13.5)
        words.set("font-weight", "600")
        words.set("class", f"name {kind}")
        words.set("fill", COLOURS[kind])
    return tostring(root, encoding="unicode")


def _scale(found: Sequence[Interval], chance: float) -> _Scale:
    ends = [end for one in found for end in (one.value, one.low, one.high) if end is not None]
    low, high = min(*ends, chance), max(*ends, chance)
    wide = max(high - low, 0.02)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if wide / s <= 7)
    low, high = math.floor((low - wide / 40) / step), math.ceil((high + wide / 40) / step)
    return _Scale(max(low, 0) * step, high * step, step)


def _x(share: float) -> float:
    return round(LEFT + 30 + share * (RIGHT - LEFT - 60), 1)


def _axes(
    root: Element, scale: _Scale, factor: Factor, at: dict[str, float], chance: float
) -> None:
    bottom = HEIGHT - BELOW
    for number in range(round((scale.high - scale.low) / scale.step) + 1):
        value = scale.low + number * scale.step
        y = scale.y(value)
        line(root, (LEFT, y), (RIGHT, y), "axis", "#e2e2e2")
        write(root, (LEFT - 8, y + 4), decimals(100 * value, 0), anchor="end", size=12)
    every = max(1, math.ceil(len(at) / 14))
    for number, (name, share) in enumerate(at.items()):
        if number % every == 0 or number == len(at) - 1:
            text = name.partition(":")[2] or name.removeprefix("wer=")
            write(root, (_x(share), bottom + 18), short(plain(text), 9), anchor="middle", size=12)
    y = scale.y(chance)
    line(root, (LEFT, y), (RIGHT, y), "reference", "#666666", dash="4 3")
    write(root, (RIGHT - 4, y - 5), f"chance {percent(chance)}", anchor="end", size=12)
    middle = (LEFT + RIGHT) / 2
    write(root, (middle, bottom + 42), _axis_label(factor, at), anchor="middle", size=12.5)
    turned = write(root, (18, (TOP + bottom) / 2), "UAR, %", anchor="middle", size=12.5)
    turned.set("transform", f"rotate(-90 18 {(TOP + bottom) / 2:g})")


def _axis_label(factor: Factor, at: dict[str, float]) -> str:
    if factor.name == "noise":
        kind = next(value.partition(":")[0] for value in at if ":" in value)
        level = "reverberation time T60, s" if kind == "reverb" else f"{kind} noise, SNR in dB"
        return f"{level} ({factor.told.removeprefix('noise ')})"
    if factor.name == "transcript":
        return "simulated word error rate"
    return plain(f"{factor.told}{f', {factor.unit}' if factor.unit else ''}")


def _line_of(
    root: Element,
    scale: _Scale,
    arm: str,
    own: Sequence[Summary],
    at: dict[str, float],
    shift: float,
    dash: str,
) -> tuple[float, str, str]:
    """Draw one arm; returns where its name is to stand, the name, and its kind."""
    kind = kind_of(arm)
    placed = sorted(own, key=lambda one: at[next(iter(one.cell.values.values()))])
    points = []
    for one in placed:
        if one.uar.value is None:
            continue
        x = _x(at[next(iter(one.cell.values.values()))]) + shift
        points.append((x, scale.y(one.uar.value), one))
    for (x, y, _), (right, other, _) in pairwise(points):
        line(root, (x, y), (right, other), f"arm {kind}", COLOURS[kind], dash).set(
            "stroke-width", "2"
        )
    for x, y, one in points:
        if one.uar.low is not None and one.uar.high is not None:
            low, high = scale.y(one.uar.low), scale.y(one.uar.high)
            stem = line(root, (x, low), (x, high), f"arm {kind}", COLOURS[kind])
            stem.set("stroke-width", "1.5")
        group = SubElement(root, "g")
        SubElement(
            group, "title"
        ).text = f"{arm_name(arm)} at {plain(one.cell.title)}: {_text(one.uar)}"
        draw_symbol(group, kind, x, y)
    return (points[-1][1] if points else scale.y(scale.low)), arm_name(arm), kind


def _spread(ends: Sequence[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Names moved apart downwards, so that none covers another."""
    found: list[tuple[float, str, str]] = []
    least = -math.inf
    for y, name, kind in sorted(ends):
        place = max(y, least + APART)
        found.append((place, name, kind))
        least = place
    return found


# ---------------------------------------------------------------- heat map


def draw_map(found: Ablation, told: Told) -> str:
    """UAR of every combination of two factors, one map for each arm that is shown."""
    rows, columns = found.grid.values
    arms = shown_arms(told.summaries)
    size, left, top = 74, 30 + 8 * min(max(map(len, rows)), LONGEST), 92
    height = top + size * len(rows) + 26
    width = left + size * len(columns) + 40
    root = canvas(max(width, 330), height * len(arms), title_of(found))
    values = [one.uar.value for one in told.summaries if one.uar.value is not None]
    least, most = min(values, default=0.0), max(values, default=1.0)
    for number, arm in enumerate(arms):
        own = {tuple(o.cell.values.values()): o for o in told.summaries if o.arm == arm}
        _map(root, found, own, arm, (left, top + number * height), size, (least, most))
    return tostring(root, encoding="unicode")


def _map(
    root: Element,
    found: Ablation,
    own: dict[tuple[str, ...], Summary],
    arm: str,
    corner: tuple[float, float],
    size: int,
    reach: tuple[float, float],
) -> None:
    left, top = corner
    rows, columns = found.grid.values
    one, other = (plain(factor.name) for factor in found.grid.factors)
    head = write(root, (4, top - 66), f"{arm_name(arm)}: UAR, %", anchor="start", size=14)
    head.set("font-weight", "600")
    write(root, (4, top - 48), f"{one} down, {other} across", anchor="start", size=12)
    for number, value in enumerate(columns):
        x = left + (number + 0.5) * size
        words = write(root, (x - 20, top - 8), short(plain(value), 16), anchor="start", size=12)
        words.set("transform", f"rotate(-20 {x - 20:g} {top - 8:g})")
        SubElement(words, "title").text = plain(value)
    for row, value in enumerate(rows):
        y = top + (row + 0.5) * size + 4
        words = write(root, (left - 10, y), short(plain(value), LONGEST), anchor="end", size=12.5)
        SubElement(words, "title").text = plain(value)
        for column, across in enumerate(columns):
            place = (left + column * size, top + row * size)
            _square(root, own.get((value, across)), place, size, reach)


def _square(
    root: Element,
    one: Summary | None,
    at: tuple[float, float],
    size: int,
    reach: tuple[float, float],
) -> None:
    if one is None:
        return
    value = one.uar.value
    wide = reach[1] - reach[0]
    share = 0.0 if value is None or wide <= 0 else (value - reach[0]) / wide
    group = SubElement(root, "g")
    SubElement(group, "title").text = f"{plain(one.cell.title)}: {_text(one.uar)}"
    box = {"x": f"{at[0] + 1:g}", "y": f"{at[1] + 1:g}"}
    box |= {"width": f"{size - 2}", "height": f"{size - 2}"}
    tint = f"{0.06 + 0.94 * share:.3f}"
    about = {"class": "cell", **box, "rx": "3", "fill": CELL, "fill-opacity": tint}
    SubElement(group, "rect", about)
    dark = share >= DARK_FROM
    between = "" if one.uar.low is None else span({"low": one.uar.low, "high": one.uar.high})
    lines = [(0, 15, percent(value)), (16, 9.5, between)]
    lines += [(-20, 9.5, "reference")] if one.cell.reference else []
    for dy, letters, words in lines:
        place = (at[0] + size / 2, at[1] + size / 2 + 2 + dy)
        text = write(group, place, words, anchor="middle", size=letters)
        text.set("class", "on-high" if dark else "on-low")
        text.set("fill", "#ffffff" if dark else "#000000")
