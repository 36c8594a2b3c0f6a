"""What is taken for what: a confusion matrix as SVG."""

from xml.etree.ElementTree import Element, tostring

from encoders.messages import printable
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import stamped
from experiments.reporting.figures import LETTER
from experiments.reporting.numbers import ABSENT, decimals, percent
from experiments.reporting.results_schema import ClassResults
from experiments.reporting.svg import Point, canvas, draw_cell, short, write, write_short

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
        _class_name(root, name, (left - 10, top + middle + 4.5), turn=0)
        _class_name(root, name, (left + middle - 4, top - 8), turn=-38)
    if stamped("", results):
        write(root, (4, 14), stamped("for replication only", results), anchor="start", size=11)
    write(root, (left - 10, top - 26), "prediction →", anchor="end", size=11)
    write(root, (left - 10, top - 10), "truth ↓", anchor="end", size=11)
    for row, values in enumerate(counts):
        for place, count in enumerate(values):
            number, corner = decimals(count, digits), (left + place * cell, top + row * cell)
            share = count / sum(values) if sum(values) else None
            title = f"{names[row]} taken for {names[place]}: {percent(share)} % ({number})"
            words = ABSENT if share is None else decimals(100 * share, 0)
            lines = [(1, 15, words), (17, 11, number)]
            draw_cell(root, corner, cell, title, (share or 0.0, 0.04), lines)
    return tostring(root, encoding="unicode")


def _class_name(root: Element, name: str, at: Point, turn: int) -> None:
    label = write_short(root, at, name, CLASS_LETTERS, anchor="start" if turn else "end")
    if turn:
        label.set("transform", f"rotate({turn} {at[0]} {at[1]})")
