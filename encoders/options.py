"""Options behind an ``@``: text that a user typed, as fields of a spec, strictly by their types."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from encoders.specs import Spec

#: What users call a field, where that is another word.
SYNONYMS: Mapping[str, str] = {"weights": "checkpoint"}
_EXPECTED = {int: "a whole number", float: "a number", str: "a word", NoneType: "none"}


def parse_options(
    where: str, spec: Spec, typed: Mapping[str, str], also: Sequence[str] = ()
) -> Spec:
    """The spec with the fields that a user has set; ``also`` are options known elsewhere.

    Raises:
        ValueError: the class of the spec does not name such an option (nearest ones are offered),
            or its value is not of the field's type.
    """
    _check_names(where, spec, typed, also)
    types = {found.name: found.type for found in fields(spec)}
    changed: dict[str, Any] = {}
    for name, value in typed.items():
        own = SYNONYMS.get(name, name)
        changed[own] = _value(f"{where}: {name} {value!r}", value, types[own])
    try:
        return replace(spec, **changed)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _check_names(where: str, spec: Spec, typed: Mapping[str, str], also: Sequence[str]) -> None:
    words = {own: word for word, own in SYNONYMS.items()}
    known = [*also, *(words.get(name, name) for name in spec.options)]
    unknown = sorted(set(typed) - set(known))
    if unknown:
        near = [one for name in unknown for one in difflib.get_close_matches(name, known, n=3)]
        hint = f"; did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""
        raise ValueError(f"{where}: unknown option {unknown}{hint} known: {', '.join(known)}")


def _value(where: str, typed: str, kind: Any) -> Any:  # noqa: ANN401 - the type of any field
    """A value of the type, which is int, float, str, Literal, or one of them or None."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    for one in kinds:
        found = _as(typed.strip(), one)
        if found is not _NO_VALUE:
            return found
    raise ValueError(f"{where}: expected {' or '.join(_expected(one) for one in kinds)}")


_NO_VALUE = object()


def _as(typed: str, kind: Any) -> Any:  # noqa: ANN401 - a value of any field
    if kind is NoneType:
        return None if typed == "none" else _NO_VALUE
    if get_origin(kind) is Literal:
        return typed if typed in get_args(kind) else _NO_VALUE
    if kind is str:
        return typed or _NO_VALUE
    try:
        found = kind(typed)
    except ValueError:
        return _NO_VALUE
    return found if math.isfinite(found) else _NO_VALUE


def _expected(kind: Any) -> str:  # noqa: ANN401 - the type of any field
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    return _EXPECTED[kind]
