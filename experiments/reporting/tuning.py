"""How heads were tuned and trained: what a page shows of trials and learning curves."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from statistics import median
from xml.etree.ElementTree import SubElement, tostring

from encoders.messages import printable, with_count
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import stamped
from experiments.reporting.figures import kind_of
from experiments.reporting.numbers import column, primary_of
from experiments.reporting.results_schema import MeanCurve, Results, TriedOut
from experiments.reporting.svg import COLOURS, Chart, Point, axis_around, canvas, line, write

#: Below so many trials shares of importance are told with a caution.
ENOUGH = 20
#: A mean is drawn while this share of the heads is still trained: then the slow ones are left.
STILL_TRAINED = 0.5
#: Where the frame lies, and the room around it for words.
LEFT, TOP, WIDE, HIGH, RIGHT, BELOW = 58, 34, 330, 180, 14, 58


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of the hyperparameters of an arm: mean, least and largest over the folds."""

    arm: str
    folds: int
    shares: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the chart; ``strong`` ones lie above thin ones."""

    points: tuple[Point, ...]
    summary: str
    strong: bool = False
    dash: str = "none"


def tuning_figures(results: Results) -> dict[str, dict[str, str]]:
    """By arm: ``history`` where it had more than one trial, ``learning`` where it has heads."""
    figures: dict[str, dict[str, str]] = {}
    for arm in results.arms:
        drawn = {"history": _history(results, arm), "learning": _learning(results, arm)}
        kept = {kind: svg for kind, svg in drawn.items() if svg is not None}
        figures |= {arm: kept} if kept else {}
    return figures


def importances(results: Results) -> list[Importance]:
    """Every arm with two hyperparameters or more, and trials enough to say something."""
    rows = []
    for arm, summary in results.arms.items():
        by_fold = [fold.importance for fold in summary.folds if fold.importance]
        if by_fold:
            values = {name: [shares[name] for shares in by_fold] for name in by_fold[0]}
            means = {name: (sum(of) / len(of), min(of), max(of)) for name, of in values.items()}
            rows.append(Importance(arm, len(by_fold), means))
    return rows


def pruned(trials: Sequence[TriedOut]) -> int:
    """How many trials were given up before their end (:mod:`fusion.tuning.pruning`)."""
    return sum(trial.state == "pruned" for trial in trials)


def best_so_far(trials: Sequence[TriedOut]) -> list[float]:
    """The best value of trials that ended by themselves; minus infinity before the first one."""
    values = [-math.inf if trial.state == "pruned" else trial.value for trial in trials]
    return list(accumulate(values, max))


def _history(results: Results, arm: str) -> str | None:
    """The best development value so far over the trials, a line for each fold."""
    metric = column(primary_of(results))
    lines = []
    for fold in results.arms[arm].folds:
        trials = fold.trials or ()
        if len(trials) > 1:
            best = best_so_far(trials)
            numbered = enumerate(best, start=1)
            points = tuple((float(n), value) for n, value in numbered if value > -math.inf)
            gained = f"{metric.tell(points[0][1])} at first, {metric.tell(best[-1])} at last"
            given_up = f", {count} of {len(trials)} pruned" if (count := pruned(trials)) else ""
            name = f"fold {printable(fold.fold)}: {gained}{given_up}"
            lines.append(Line(points, name, strong=True))
    if not lines:
        return None
    said = "; ".join(line.summary for line in lines)
    unit = f"best {metric.title} so far{', %' if metric.share else ''}"
    title = stamped(f"History of trials, {arm_name(arm)}: {said}", results)
    return _draw_lines(title, kind_of(arm), ("trial", unit), lines, share=metric.share)


def _learning(results: Results, arm: str) -> str | None:
    """Losses over epochs: the mean over all heads, and of development rows each fold's."""
    drawn = {fold.fold: fold.curve for fold in results.arms[arm].folds if fold.curve is not None}
    curves = list(drawn.values())
    means = {kind: _mean(curves, kind) for kind in ("train", "dev")}
    if not means["dev"]:
        return None
    lines = [Line(means["train"], "training, mean over heads", strong=True, dash="5 3")]
    lines.append(Line(means["dev"], "development, mean over heads", strong=True))
    for name, curve in drawn.items():
        lines.append(Line(_mean([curve], "dev"), f"development, fold {printable(name)}"))
    kept = [epoch for fold in results.arms[arm].folds for epoch in fold.epochs]
    title = stamped(f"Learning curves, {arm_name(arm)}: {stopped(kept)}", results)
    shown, key = [line for line in lines if line.points], {"training": "5 3", "development": "none"}
    return _draw_lines(title, kind_of(arm), ("epoch", "loss"), shown, ticks=set(kept), key=key)


def stopped(kept: Sequence[int]) -> str:
    """Which epochs were kept, in words."""
    if not kept:
        return "no head"
    return (
        f"{with_count(len(kept), 'head')}, epoch kept {median(kept):g} in the middle, "
        f"{min(kept)} to {max(kept)}"
    )


def _mean(curves: Sequence[MeanCurve], kind: str) -> tuple[Point, ...]:
    """The mean over the heads of several folds, while enough of them are trained."""
    every = sum(curve.heads[0] for curve in curves if curve.heads)
    points = []
    for epoch in range(max((len(curve.heads) for curve in curves), default=0)):
        left = [curve for curve in curves if len(curve.heads) > epoch]
        if sum(curve.heads[epoch] for curve in left) < max(1, STILL_TRAINED * every):
            break
        losses = [
            (curve.heads[epoch], loss)
            for curve in left
            if (loss := (curve.train if kind == "train" else curve.dev)[epoch]) is not None
        ]
        if heads := sum(count for count, _ in losses):
            points.append((epoch + 1.0, sum(count * loss for count, loss in losses) / heads))
    return tuple(points)


# ---------------------------------------------------------------- strokes


def _draw_lines(
    title: str,
    kind: str,
    axes: tuple[str, str],
    lines: Sequence[Line],
    *,
    share: bool = False,
    ticks: Collection[float] = (),
    key: Mapping[str, str] | None = None,
) -> str:
    """Lines in one colour, ``ticks`` at some steps along the bottom, and the dashes of a key."""
    root = canvas(LEFT + WIDE + RIGHT, TOP + HIGH + BELOW, title)
    steps = [x for curve in lines for x, _ in curve.points]
    values = [y for curve in lines for _, y in curve.points]
    across = axis_around(steps, most=7, least=1.0, air=False, share=False, places=0)
    up = axis_around(values, most=6, air=False, share=share)
    # As many places as tell one tick from the next.
    up = replace(up, places=max(0, -math.floor(math.log10(up.step) + 1e-9)))
    chart = Chart(root, LEFT, TOP, WIDE, HIGH, across, up)
    for tick in across.ticks():
        x = chart.x(tick)
        line(root, (x, chart.bottom), (x, chart.bottom + 4), "axis")
        chart.tick_below(tick)
    for tick in up.ticks():
        chart.level(tick)
        chart.tick_beside(tick)
    chart.name_axes(*axes, drop=42, edge=14)
    for curve in sorted(lines, key=lambda curve: curve.strong):
        _draw_line(chart, curve, kind)
    for tick in sorted(ticks):
        x = chart.x(tick)
        mark = line(root, (x, chart.bottom), (x, chart.bottom - 9), kind, width="2")
        mark.set("stroke-opacity", "0.45")
    x = float(LEFT)
    for name, dash in (key or {}).items():
        line(root, (x, 16), (x + 24, 16), kind, dash=dash, width="2.2")
        write(root, (x + 31, 20.5), name, anchor="start", size=12.5)
        x += 48 + 7.2 * len(name)
    return tostring(root, encoding="unicode")


def _draw_line(chart: Chart, curve: Line, kind: str) -> None:
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
