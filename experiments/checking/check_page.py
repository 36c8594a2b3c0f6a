"""What ``serfusion check`` found, as one self-contained HTML file without scripts."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import SubElement, tostring

from markupsafe import Markup

from encoders.files import write_atomically
from encoders.messages import printable, with_count
from experiments.checking.check import Check
from experiments.checking.check_table import duration, how_many
from experiments.checking.soundness import Bin
from experiments.config import ConfigError
from experiments.reporting.svg import canvas, line, write
from experiments.reporting.tables import certificate_rows
from experiments.templates import template

#: Ids of a line that the page names.
SHOWN = 20
WIDTH, HEIGHT, LEFT, TOP = 800, 220, 20, 24


def write_check(check: Check, path: Path) -> None:
    """Write the page.

    Raises:
        ConfigError: the file cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, check_page(check).encode())
    except OSError as error:
        raise ConfigError(f"--html {path}: cannot be written ({error.strerror})") from error


def check_page(check: Check) -> str:
    """What was found as HTML; names are escaped."""
    certificate = check.certificate
    utterances = with_count(len(check.corpus.utterances), "utterance")
    page = template(
        "check.html.j2",
        printable=printable,
        with_count=with_count,
        duration=duration,
        certificate_rows=certificate_rows,
    )
    return page.render(
        check=check,
        name=printable(check.corpus.name),
        stamp="LEAKY: " if certificate is not None and certificate.leaky else "",
        answer=_answer(check),
        under=f"{utterances} · {how_many(check)} · {check.hours:.2f} h of audio",
        speakers=sorted(check.speakers.items()),
        histogram=Markup(histogram(check.soundness.lengths)),
        certificate=certificate,
        remarks=(*check.corpus.notes, *check.remarks),
        shown=SHOWN,
    )


def _answer(check: Check) -> str:
    if check.obstacle is not None:
        return f"No comparison is possible: {printable(check.obstacle)}"
    warned = 0 if check.certificate is None else len(check.certificate.warnings)
    if check.certificate is not None and check.certificate.leaky:
        return "These folds leak: their scores are for replication only."
    warnings = f"; {with_count(warned, 'warning')} to read" if warned else ""
    return f"No error was found{warnings}."


def histogram(lengths: Sequence[Bin]) -> str:
    """Lengths of recordings as SVG, one bar a bin, its count above it."""
    most = max((bin_.count for bin_ in lengths), default=0)
    if not most:
        return ""
    counts = "; ".join(f"{bin_.low:.2f} to {bin_.high:.2f} s: {bin_.count}" for bin_ in lengths)
    root = canvas(WIDTH, HEIGHT, f"Lengths of recordings: {counts}")
    bottom, wide = HEIGHT - 44, (WIDTH - 2 * LEFT) / len(lengths)
    for number, bin_ in enumerate(lengths):
        x, high = LEFT + number * wide, (bottom - TOP) * bin_.count / most
        box = {"x": f"{x + 2:.1f}", "y": f"{bottom - high:.1f}", "width": f"{wide - 4:.1f}"}
        SubElement(
            root, "rect", {**box, "height": f"{high:.1f}", "class": "cell", "fill": "#00507d"}
        )
        write(root, (x + wide / 2, bottom - high - 5), str(bin_.count), anchor="middle", size=11)
        write(root, (x + 2, bottom + 16), f"{bin_.low:.1f}", anchor="start", size=11)
    line(root, (LEFT, bottom), (WIDTH - LEFT, bottom), "rule")
    write(root, (WIDTH / 2, HEIGHT - 8), "length in seconds", anchor="middle", size=12)
    return tostring(root, encoding="unicode")
