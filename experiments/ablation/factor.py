"""What a factor is."""

from collections.abc import Callable
from dataclasses import dataclass

from experiments.ablation.cells import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor.

    ``own`` is the study's own value, None where it has none; with ``anchored`` it is a cell whether
    or not it is named. ``values`` are those of a command that names none. ``alone``: each cell is
    about one arm. ``comparable`` is False where a score in one cell is another quantity than in the
    next. ``ordered`` values are numbers, ``unit`` theirs. ``early`` ones are applied before others.
    """

    name: str
    told: str
    apply: Callable[[Draft, str], Draft]
    own: str | None = None
    anchored: bool = False
    values: tuple[str, ...] = ()
    tidy: Callable[[str], str] = str.strip
    alone: bool = False
    comparable: bool = True
    ordered: bool = False
    unit: str = ""
    early: bool = False
