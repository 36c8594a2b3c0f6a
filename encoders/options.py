"""Options behind an ``@``: text that a user typed, as fields of a spec, strictly by their types."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from encoders.specs import Spec

AnySpec = TypeVar("AnySpec", bound=Spec)
#: What every name may be given, beside the fields that its spec class lists as ``options``.
MODALITY_OPTIONS = ("layer", "pooling")
#: What users call a field, where that is another word.
SYNONYMS: Mapping[str, str] = MappingProxyType({"checkpoint": "weights"})


def with_options(spec: AnySpec, options: Mapping[str, str]) -> AnySpec:
    """The spec with the fields that a user named, each read by the type of its field.

    Raises:
        ValueError: no such option (the nearest is offered), or a value that it cannot have.
    """
    words = {SYNONYMS.get(name, name): name for name in spec.options}
    for name in options:
        if name not in words:
            raise ValueError(_unknown(name, (*MODALITY_OPTIONS, *words)))
    hints = get_type_hints(type(spec))
    values = {words[n]: parsed(n, text, hints[words[n]]) for n, text in options.items()}
    return replace(spec, **values)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f"unknown option {name!r}{hint} known: {', '.join(known)}"


def parsed(name: str, text: str, hint: Any) -> Any:  # noqa: ANN401 - the hint says the type
    """A value of the type that ``hint`` names; "none" is None where that is allowed."""
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        if text in choices:
            return text
        raise ValueError(_wrong(name, text, f"one of {', '.join(choices)}"))
    if NoneType in choices:
        return None if text == "none" else parsed(name, text, _without_none(choices))
    return _READERS[hint](name, text)


def _without_none(choices: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a type
    (only,) = [choice for choice in choices if choice is not NoneType]
    return only


def _whole(name: str, text: str) -> int:
    # int() would take "1_0" and digits of other scripts as well.
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f"{name} {text!r} is not a whole number")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} {text!r} is not a number")
    return value


def _truth(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(_wrong(name, text, "true or false"))
    return text == "true"


def _numbers(name: str, text: str) -> tuple[int, ...]:
    """Whole numbers joined by +, or a stretch of them as in 0-6."""
    found: list[int] = []
    for part in text.split("+"):
        first, dash, last = part.partition("-")
        if dash and first:
            found += range(_whole(name, first), _whole(name, last) + 1)
        else:
            found.append(_whole(name, part))
    if not found:
        raise ValueError(_wrong(name, text, "numbers as in 3+6 or 0-6"))
    return tuple(found)


def _word(name: str, text: str) -> str:
    if not text:
        raise ValueError(_wrong(name, text, "a word"))
    return text


def _wrong(name: str, text: str, expected: str) -> str:
    return f"{name} {text!r}: expected {expected}"


#: Readers of one value by the type of its field.
_READERS: Mapping[Any, Any] = MappingProxyType(
    {
        **{int: _whole, float: _number, bool: _truth, str: _word},
        tuple[int, ...]: _numbers,
    }
)
