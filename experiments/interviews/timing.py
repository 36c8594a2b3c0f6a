"""How long each stage of an interview took, and how that compares with the recording's length."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Seconds by stage; a stage may be entered many times."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside towards a stage."""
        start_s = perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + perf_counter() - start_s

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds of every stage so far, in the order in which they were first entered."""
        return dict(self._seconds)
