"""What ``serfusion check`` found, as tables of a terminal."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from encoders.messages import cut, printable, with_count
from experiments.checking.check import UNKNOWN, Check
from experiments.reporting.tables import certificate_rows

#: Speakers that a terminal lists; ``--html`` lists all.
SPEAKERS = 60
#: Letters of the longest bar of a histogram, and ids that a line names.
BAR, NAMED = 40, 5
#: What the edge of a column of a table takes.
EDGE = 3
#: How rich prints what users wrote: brackets are no markup, lines are not broken.
AS_THEY_ARE: Mapping[str, Any] = MappingProxyType(
    {"markup": False, "highlight": False, "soft_wrap": True}
)


def print_check(check: Check, console: Console) -> None:
    """Why no comparison is possible, speakers by class, what was measured, the certificate."""
    if check.obstacle is not None:
        console.print(f"no comparison is possible: {printable(check.obstacle)}", **AS_THEY_ARE)
    longest = max(check.speakers, key=len, default="")
    letters = [len(_shown(name)) for name in (longest, *check.classes)]
    wide = sum(letters) + EDGE * len(letters) > console.width
    console.print(_classes(check) if wide else _speakers(check))
    utterances = with_count(len(check.corpus.utterances), "utterance")
    console.print(f"{utterances}, {how_many(check)}, {check.hours:.2f} h of audio", **AS_THEY_ARE)
    for table in (_measures(check), _lengths(check), _certificate(check), _estimates(check)):
        if table is not None:
            console.print(table)
    for remark in (*check.corpus.notes, *check.remarks):
        console.print(f"- {printable(remark)}", **AS_THEY_ARE)


def content_of(check: Check) -> Mapping[str, Any]:
    """The same as numbers, every speaker and id among them."""
    found = {field.name: getattr(check, field.name) for field in fields(check)}
    remarks = (*check.corpus.notes, *check.remarks)
    utterances = len(check.corpus.utterances)
    return {**found, "corpus": check.corpus.name, "utterances": utterances, "remarks": remarks}


def how_many(check: Check) -> str:
    """The number of speakers, and of utterances whose speaker is not known."""
    known = len(set(check.speakers) - {UNKNOWN})
    unknown = sum(check.speakers.get(UNKNOWN, {}).values())
    if not unknown:
        return with_count(known, "speaker")
    if not known:
        return "speakers unknown"
    return (
        f"{with_count(known, 'speaker')} ({with_count(unknown, 'utterance')} of unknown speakers)"
    )


def duration(seconds: float) -> str:
    """A time as it is said.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _shown(name: str) -> str:
    return cut(printable(name))


def _speakers(check: Check) -> Table:
    names = list(check.classes)
    title = Text(f"{_shown(check.corpus.name)}: utterances by speaker and class")
    # Text, because names of speakers and classes are no markup.
    table = Table("speaker", title=title)
    for name in names:
        table.add_column(Text(_shown(name)))
    for speaker, counts in sorted(check.speakers.items())[:SPEAKERS]:
        table.add_row(Text(_shown(speaker)), *(str(counts[name]) for name in names))
    if len(check.speakers) > SPEAKERS:
        table.add_row(f"and {len(check.speakers) - SPEAKERS} more (--html)")
    table.add_section()
    table.add_row("all", *(str(check.classes[name]) for name in names))
    return table


def _classes(check: Check) -> Table:
    """The same where a line has no room for all classes."""
    title = Text(f"{_shown(check.corpus.name)}: utterances by class (by speaker: --html)")
    table = Table("class", "utterances", "speakers", title=title)
    for name, count in sorted(check.classes.items()):
        speakers = sum(name in counts for counts in check.speakers.values())
        table.add_row(Text(_shown(name)), str(count), str(speakers))
    return table


def _measures(check: Check) -> Table | None:
    if not check.soundness.measures:
        return None
    table = Table(box=None, pad_edge=False, show_header=False)
    for measure in check.soundness.measures:
        more = "" if len(measure.named) <= NAMED else ", ..."
        named = f": {', '.join(map(_shown, measure.named[:NAMED]))}{more}" if measure.named else ""
        table.add_row(measure.name, Text(f"{measure.value}{named}"))
    return table


def _lengths(check: Check) -> Table | None:
    most = max((bin_.count for bin_ in check.soundness.lengths), default=0)
    if not most:
        return None
    table = Table("seconds", "", "recordings", box=None, pad_edge=False)
    for bin_ in check.soundness.lengths:
        bar = "█" * round(BAR * bin_.count / most)
        table.add_row(f"{bin_.low:.2f} to {bin_.high:.2f}", bar, str(bin_.count))
    return table


def _certificate(check: Check) -> Table | None:
    certificate = check.certificate
    if certificate is None:
        return None
    leaky = "LEAKY, " if certificate.leaky else ""
    title = Text(
        f"split certificate: {leaky}{with_count(certificate.folds, 'fold')} by "
        f"{printable(certificate.protocol)}"
    )
    table = Table("test", "result", "share", title=title)
    for row in certificate_rows(certificate):
        table.add_row(*map(Text, row))
    return table


def _estimates(check: Check) -> Table | None:
    if not check.estimates:
        return None
    title = "from two utterances encoded here, the model loaded"
    table = Table("encoder", "to encode", "time", "disk", title=title)
    for estimate in check.estimates:
        todo, disk = f"{estimate.left} of {estimate.of}", f"{estimate.megabytes:.1f} MB"
        table.add_row(Text(_shown(estimate.encoder)), todo, duration(estimate.seconds), disk)
    return table
