"""``model.json`` as it is read: whoever has edited it, or lost half of it, is told so in a line."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from encoders.files import SEAL, seal_broken
from encoders.manifest_rows import parse_json
from encoders.messages import number, printable
from encoders.weights.files import file_sha256
from fusion.evaluation.backoff import LevelRule
from fusion.evaluation.conformal import PredictionSets
from fusion.evaluation.emotions import LEVELS

#: 2: a temperature and an abstention threshold. 3: what it learned from, a temperature per part,
#: and what its numbers mean, where they are no probabilities of one class. 4: a rule by which parts
#: are combined. Levels and sets came later: who does not know them passes over them, and what was
#: written without them has none. 5: a seal, and the hashes of the files beside it.
FORMAT_VERSION = 5
#: Formats that are read; one of 4 has no seal, and is taken as it is.
READ_FORMATS = (4, FORMAT_VERSION)
#: The files beside ``model.json`` whose hashes it has; None of one that is not there.
HASHED = ("heads.safetensors", "seen.json")


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
        about = parse_json(file.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{file}: expected JSON, got something else ({printable(error)[:200]}); take the "
            "folder as it was written"
        ) from error
    version = about.get("format") if isinstance(about, Mapping) else None
    if seal_broken(about) or (version == FORMAT_VERSION and SEAL not in about):
        raise ValueError(
            f"{file}: its content has changed since it was written; take the folder as it was "
            "written, or train it again"
        )
    if version not in READ_FORMATS:
        raise ValueError(
            f"{folder}: a model of format {printable(repr(version))}, but this version reads "
            f"format {FORMAT_VERSION} (which says how its parts are combined); train it again: "
            "serfusion compare on the same corpus leaves a model of this format"
        )
    assert isinstance(about, Mapping)
    if version == FORMAT_VERSION and about["files"] != hashes(folder):
        raise ValueError(
            f"{folder}: {' or '.join(HASHED)} has changed since it was written; take the folder "
            "as it was written, or train it again"
        )
    return about


def hashes(folder: Path) -> dict[str, str | None]:
    """Sha256 of the files beside ``model.json``."""
    paths = {name: folder / name for name in HASHED}
    return {name: file_sha256(path) if path.is_file() else None for name, path in paths.items()}


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


def levels_of(given: object) -> tuple[LevelRule, ...]:
    """Rules of levels, finest first.

    Raises:
        ValueError: another level than there are, or in another order; numbers that are none.
    """
    if not isinstance(given, list) or not all(isinstance(fields, Mapping) for fields in given):
        raise ValueError(f"levels: expected a list of rules, got {printable(repr(given))[:80]}")
    names = [fields["level"] for fields in given]
    if names != [level for level in LEVELS if level in names]:
        raise ValueError(
            f"levels {printable(repr(names))[:80]}: expected some of {', '.join(LEVELS)}, each once"
        )
    return tuple(
        LevelRule(
            fields["level"],
            number_of(fields, "threshold"),
            number_of(fields, "coverage"),
            None if fields["accuracy"] is None else number_of(fields, "accuracy"),
        )
        for fields in given
    )


def sets_of(given: object) -> PredictionSets | None:
    """Thresholds of prediction sets, from the least coverage on.

    Raises:
        ValueError: none, or thresholds that are no falling numbers.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ValueError(f"sets: expected speakers and least, got {printable(repr(given))[:80]}")
    least = tuple(number(value, "least") for value in given["least"])
    if not least or list(least) != sorted(least, reverse=True):
        raise ValueError("sets: expected thresholds that fall as coverage rises")
    return PredictionSets(int(number_of(given, "speakers", above=0.0)), least)
