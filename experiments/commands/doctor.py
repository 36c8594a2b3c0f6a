"""``serfusion doctor``: what is installed here, what is not, what must be mended."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from experiments.commands.terminal import Json, console, print_json

if TYPE_CHECKING:
    from experiments.doctor import Cache, Computing, Default, Diagnosis

WIDTH, INDENT = 79, 13


def doctor(as_json: Json = False) -> None:
    """Tell versions, extras, weights, cache and device, and what would be downloaded.

    Nothing is downloaded. The exit code is 1 if something must be mended.
    """
    from experiments.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis)
    else:
        for line in lines_of(diagnosis):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if diagnosis.faults:
        raise typer.Exit(1)


def lines_of(diagnosis: "Diagnosis") -> Iterator[str]:
    """A field to a line, faults last."""
    yield f"serfusion {diagnosis.version}, Python {diagnosis.python}, {diagnosis.system}"
    packages = (f"{p.name} {p.version or 'missing'}" for p in diagnosis.packages)
    yield from _field("packages", ", ".join(packages))
    here = [extra.name for extra in diagnosis.extras if not extra.lacks]
    yield from _field("extras", ", ".join(here) or "none")
    for extra in diagnosis.extras:
        if extra.lacks:
            lacks = f"{extra.name} lacks {', '.join(extra.lacks)}"
            yield from _field("", f"{lacks}: pip install 'serfusion[{extra.name}]'")
    yield from _field("device", _computing(diagnosis.computing))
    yield from _field("cache", _cache(diagnosis.cache))
    weights = ", ".join(f"{row.name} ({row.here})" for row in diagnosis.weights)
    yield from _field("weights here", weights)
    asks = "forbidden (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)" if diagnosis.offline else "allowed"
    yield from _field("downloads", asks)
    for default in diagnosis.defaults:
        yield from _field("", _default(default))
    for fault in diagnosis.faults:
        yield from _field("to mend", fault)
    if not diagnosis.faults:
        yield "nothing must be mended"


def _field(name: str, text: str) -> list[str]:
    """Lines of a field; a path or a command is longer than a line rather than broken."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{name:{INDENT}}",
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _computing(computing: "Computing") -> str:
    chosen = computing.chosen or f"none: {computing.fault}"
    named = f" ({computing.named_by})" if computing.named_by else ""
    cuda = ", ".join(computing.cuda_devices) or "none"
    return (
        f"{chosen}{named}; {computing.cores} cores, {computing.threads} threads; "
        f"CUDA devices: {cuda}"
    )


def _cache(cache: "Cache") -> str:
    named = f" ({cache.named_by})" if cache.named_by else ""
    writable = "" if cache.writable else "; cannot be written"
    return f"{cache.place}{named}: {cache.mb:.1f} MB, {cache.free_mb:.0f} MB free{writable}"


def _default(default: "Default") -> str:
    if default.here is not None:
        return f"{default.command}: {default.model} is here ({default.here})"
    size = f", {default.size_mb} MB" if default.size_mb else ""
    return f"{default.command}: {default.model} is not here{size}: {default.get}"
