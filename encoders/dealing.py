"""Who works off a long list: this process, chunk by chunk, or the workers of an engine.

An engine takes a job and chunks of a list, and gives back each chunk with its result, in any order.
A job is pickled to the workers, which call it with a chunk after the other; what it makes for that
(a model) it keeps. An item that ends its worker again and again comes back as :class:`Lost`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

Chunk = Sequence[Any]
Job = Callable[[Chunk], Any]
Engine = Callable[[Job, Sequence[Chunk]], Iterator[tuple[Chunk, Any]]]

#: The engine of the command that runs now; None: this process works itself.
ENGINE: ContextVar[Engine | None] = ContextVar("serfusion_engine", default=None)


@dataclass(frozen=True, slots=True)
class Lost:
    """What became of a chunk that no worker survives, and how the last one ended."""

    why: str
