"""What a saved model learned from, for whoever reads what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The data behind a model, and what its user has to know of them.

    ``corpora`` are their names. ``synthetic`` is True where a synthesiser spoke: what holds there
    says nothing about people. ``licence`` is of the weights, ``caution`` what they must not be
    taken for; both are empty where nothing is known.
    """

    corpora: tuple[str, ...] = ()
    synthetic: bool = False
    licence: str = ""
    caution: str = ""


def origin_of(fields: Mapping[str, Any]) -> Origin:
    """An origin as it stands in ``model.json``.

    Raises:
        ValueError: a field that is missing, of another kind, or not known.
    """
    expected = {"corpora": list, "synthetic": bool, "licence": str, "caution": str}
    if not isinstance(fields, Mapping) or set(fields) != set(expected):
        raise ValueError(f"origin: expected {', '.join(expected)}")
    wrong = [name for name, kind in expected.items() if not isinstance(fields[name], kind)]
    if wrong:
        raise ValueError(f"origin: {', '.join(wrong)} of another kind than expected")
    return Origin(**{**fields, "corpora": tuple(map(str, fields["corpora"]))})
