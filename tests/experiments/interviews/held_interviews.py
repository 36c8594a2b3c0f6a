"""Interviews that are held to their end or stopped, and a recogniser that always says the same."""

from __future__ import annotations

from pathlib import Path

from experiments.annotations.segments import Timeline
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.recognition import RecognisedText

QUIET = InterviewOptions(asr="none")


def timeline(model: Path, recording: Path, out: Path, **options: object) -> Timeline | None:
    outcome = interview(model, [recording], out, InterviewOptions(**{"asr": "none", **options}))
    assert outcome.failures == ()
    return outcome.done[0].timeline


class Parrot:
    """A recogniser that says the same of everything, with doubts or without."""

    about = "parrot"

    def __init__(self, said: RecognisedText) -> None:
        self.languages: dict[str, int] = {}
        self.packed = None
        self.said = said
        self.heard = 0

    def load(self) -> None: ...

    def moved_to(self, folder: Path | None) -> None:
        self.folder = folder

    def listen(self, heard) -> list[RecognisedText]:
        self.heard += len(heard)
        return [self.said for _ in heard]


def stopped(what: str, _done: int, _total: int) -> None:
    if what == "segments":
        raise KeyboardInterrupt
