"""The list of dependencies with their licences, of installed metadata: docs/dependencies.md.

    python -m scripts.dependencies

Every distribution that ``pip install serfusion`` and its extras bring along, as far as it is
installed here: run it where ``make install`` was.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "serfusion"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "dependencies.md"
HEAD = """# Dependencies and their licences

Made by `python -m scripts.dependencies` of what `make install` installs on Linux. Licences are as
the packages' own metadata has them; of those that state none there, by the file that they ship.
Versions are pinned in `constraints.txt`. Weights have licences of their own: `serfusion models ls`.
"""
#: How licences are told from their text where metadata names none, the most telling words first.
TEXTS = {
    "Apache License": "Apache-2.0",
    "Permission is hereby granted, free of charge": "MIT",
    "Redistribution and use in source and binary forms": "BSD",
    "GNU LESSER GENERAL PUBLIC LICENSE": "LGPL",
    "GNU GENERAL PUBLIC LICENSE": "GPL",
    "Mozilla Public License": "MPL-2.0",
}
#: Letters of a licence that is a name; longer ones are the whole text.
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Dependency:
    """A distribution, its licence, and which extras bring it; none where it is always needed."""

    name: str
    licence: str
    extras: tuple[str, ...]


def closure(name: str, extras: frozenset[str]) -> set[str]:
    """Names of all distributions that installing ``name`` with extras brings along."""
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [(str(canonicalize_name(name)), extras)]
    while queue:
        package, wanted = queue.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        try:
            lines = requires(package) or []
        except PackageNotFoundError:
            continue
        for line in lines:
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in ("", *wanted)]
            if needed.marker is None or any(needed.marker.evaluate(e) for e in environments):
                queue.append((str(canonicalize_name(needed.name)), frozenset(needed.extras)))
    return {package for package, _ in seen}


def dependencies() -> list[Dependency]:
    """All that is installed of the closure of serfusion and its extras, by name."""
    always = closure(NAME, frozenset())
    extras: dict[str, list[str]] = {}
    for extra in metadata(NAME).get_all("Provides-Extra") or []:
        for name in closure(NAME, frozenset({extra})) - always:
            extras.setdefault(name, []).append(extra)
    found = []
    for name in sorted(always - {NAME} | extras.keys()):
        try:
            licence = licence_of(distribution(name))
        except PackageNotFoundError:
            continue
        found.append(Dependency(name, licence, tuple(sorted(extras.get(name, ())))))
    return found


def licence_of(installed: Distribution) -> str:
    """The licence of a distribution: its expression, its classifiers, or the text that it ships."""
    about = installed.metadata
    for field in ("License-Expression", "License"):
        stated = (about[field] or "").strip() if field in about else ""
        if 0 < len(stated) <= LONGEST and stated.upper() != "UNKNOWN":
            return stated
    classifiers = about.get_all("Classifier") or []
    named = [c.rpartition(":: ")[2] for c in classifiers if c.startswith("License :: OSI")]
    if named:
        return "; ".join(named)
    return next(filter(None, map(_told_by, _texts(installed))), "not stated")


def _texts(installed: Distribution) -> Iterator[str]:
    yield installed.metadata["License"] or "" if "License" in installed.metadata else ""
    for file in installed.files or []:
        if re.search(r"licen[cs]e|copying", file.name, re.I):
            yield Path(str(file.locate())).read_text(errors="replace")


def _told_by(text: str) -> str | None:
    return next((name for words, name in TEXTS.items() if words in text), None)


def page(found: list[Dependency]) -> str:
    """The page as Markdown."""
    always = [row for row in found if not row.extras]
    others = [row for row in found if row.extras]
    lines = [HEAD, "## Always", "", "| package | licence |", "|---|---|"]
    lines += [f"| {row.name} | {_cell(row.licence)} |" for row in always]
    lines += ["", "## With extras", "", "| package | licence | extras |", "|---|---|---|"]
    lines += [f"| {row.name} | {_cell(row.licence)} | {', '.join(row.extras)} |" for row in others]
    return "\n".join(lines) + "\n"


def names_on(text: str) -> set[str]:
    """Packages that a page lists."""
    return set(re.findall(r"^\| ([a-z0-9-]+) \|", text, re.M)) - {"package"}


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("|", "/"))


if __name__ == "__main__":
    PAGE.write_text(page(dependencies()), encoding="utf-8")
    sys.stdout.write(f"written: {PAGE}\n")
