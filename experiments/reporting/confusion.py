"""What is taken for what: a confusion matrix as SVG."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from encoders.messages import printable
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import stamped
from experiments.reporting.figures import LETTER
from experiments.reporting.numbers import ABSENT, decimals, percent
from experiments.reporting.results_schema import ClassResults
from experiments.reporting.svg import canvas, short, write

CELL = "#00507d"
#: Letters after which a class's name is cut.
CLASS_LETTERS = 13
#: From this share of a row on, letters on a cell are white on paper (black on a dark page).
DARK_FROM = 0.73


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
            corner = (left + place * cell, top + row * cell)
            what = f"{names[row]} taken for {names[place]}"
            _cell(root, corner, cell, decimals(count, digits), _share(count, values), what)
    return tostring(root, encoding="unicode")


def _class_name(root: Element, name: str, at: tuple[float, float], turn: int) -> None:
    label = write(root, at, short(name, CLASS_LETTERS), anchor="start" if turn else "end")
    SubElement(label, "title").text = name
    if turn:
        label.set("transform", f"rotate({turn} {at[0]} {at[1]})")


def _share(count: float, row: Sequence[float]) -> float | None:
    return count / sum(row) if sum(row) else None


def _cell(
    root: Element,
    at: tuple[float, float],
    size: int,
    number: str,
    share: float | None,
    what: str,
) -> None:
    group = SubElement(root, "g")
    SubElement(group, "title").text = f"{what}: {percent(share)} % ({number})"
    box = {
        "x": f"{at[0] + 1}",
        "y": f"{at[1] + 1}",
        "width": f"{size - 2}",
        "height": f"{size - 2}",
    }
    opacity = f"{0.04 + 0.96 * (share or 0):.3f}"
    SubElement(
        group, "rect", {"class": "cell", **box, "rx": "3", "fill": CELL, "fill-opacity": opacity}
    )
    dark = share is not None and share >= DARK_FROM
    middle = at[0] + size / 2
    for dy, size_px, words in (
        (0, 15, ABSENT if share is None else decimals(100 * share, 0)),
        (16, 11, number),
    ):
        letters = write(
            group, (middle, at[1] + size / 2 + 1 + dy), words, anchor="middle", size=size_px
        )
        letters.set("class", "on-high" if dark else "on-low")
        letters.set("fill", "#ffffff" if dark else "#000000")
