"""``model.json`` as it is read: whoever has edited it, or lost half of it, is told so in a line."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from encoders.messages import number, printable

#: 2: a temperature and an abstention threshold. 3: what it learned from, a temperature per part,
#: and what its numbers mean, where they are no probabilities of one class. 4: a rule by which parts
#: are combined.
FORMAT_VERSION = 4


def read_about(folder: Path) -> Mapping[str, Any]:
    """What ``model.json`` of a folder says, of the format that this version reads.

    Raises:
        ValueError: the folder is no model, the file no JSON object, or of another format.
    """
    file = folder / "model.json"
    if not file.is_file():
        inside = folder / "model"
        hint = f"; {inside} is one" if (inside / "model.json").is_file() else ""
        raise ValueError(f"{folder}: no model (expected model.json and heads.safetensors){hint}")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{file}: expected JSON, got something else ({printable(error)[:200]}); take the "
            "folder as it was written"
        ) from error
    version = about.get("format") if isinstance(about, Mapping) else None
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{folder}: a model of format {printable(repr(version))}, but this version reads "
            f"format {FORMAT_VERSION} (which says how its parts are combined); train it again: "
            "serfusion compare on the same corpus leaves a model of this format"
        )
    assert isinstance(about, Mapping)
    return about


def number_of(fields: Mapping[str, Any], name: str, above: float = -math.inf) -> float:
    """A finite number of a field.

    Raises:
        ValueError: it is another thing, or not above ``above``.
    """
    return number(fields[name], name, above)


def targets_of(given: object) -> tuple[str, ...]:
    """Names of targets, each once.

    Raises:
        ValueError: they are something else.
    """
    names = isinstance(given, list) and all(isinstance(name, str) for name in given)
    if not isinstance(given, list) or not names or not given or len(set(given)) != len(given):
        raise ValueError(
            f"targets: expected a list of names, each once, got {printable(repr(given))[:80]}"
        )
    return tuple(given)
