"""What is compared in an ablation: cells, each a study with one setting of every factor."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from experiments.config import Study

#: Letters of a value in the name of a cell's folder; its hash tells apart what is equal up to here.
LETTERS = 40

NoiseKind = Literal["white", "babble", "reverb"]
NoiseIn = Literal["test", "both"]


@dataclass(frozen=True, slots=True)
class Noise:
    """What recordings are heard through.

    ``level`` is a signal-to-noise ratio in dB of white noise and babble, and the reverberation time
    in seconds (T60) of ``reverb``. ``side`` "test" leaves training and development rows clean.
    """

    kind: NoiseKind
    level: float
    side: NoiseIn


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChanges:
    """What a cell changes that no study can say; the defaults change nothing.

    ``word_errors`` is the share of words of gold transcripts that are made wrong, ``missing`` the
    share of transcripts that are taken away, ``speakers`` how many speakers heads are trained on
    (None: all). ``time_pool`` joins that many frames of sequences. ``arm`` is the one arm that the
    cell is about, where it is about one. ``seed`` draws words, rows, speakers and noise.
    """

    noise: Noise | None = None
    word_errors: float = 0.0
    missing: float = 0.0
    speakers: int | None = None
    time_pool: int | None = None
    arm: str | None = None
    seed: int = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the run's id must hold of them: nothing where nothing is changed."""
        changed = {name: value for name, value in asdict(self).items() if value}
        changed.pop("arm", None)
        return changed if changed.keys() - {"seed"} else {}


@dataclass(frozen=True, slots=True)
class CellDraft:
    """A study and changes while factors are applied, one after the other."""

    study: Study
    changes: CellChanges


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the value of each factor by its name, and what it does to the study."""

    values: Mapping[str, str]
    draft: CellDraft = field(repr=False)
    reference: bool = False

    @property
    def title(self) -> str:
        """Its value; with their factors where it has several."""
        if len(self.values) == 1:
            return next(iter(self.values.values()))
        return ", ".join(f"{name} {value}" for name, value in self.values.items())

    @property
    def folder(self) -> str:
        """Name of its folder: readable, safe, and different from that of any other cell."""
        words = "-".join(re.sub(r"[^A-Za-z0-9.+=]+", "_", value) for value in self.values.values())
        content = json.dumps(dict(self.values), sort_keys=True)
        mark = hashlib.sha256(content.encode()).hexdigest()[:8]
        return f"{words[:LETTERS].strip('._-') or 'cell'}-{mark}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor.

    ``own`` is the study's own value, None where it has none; with ``anchored`` it is a cell whether
    or not it is named. ``values`` are those of a command that names none. ``alone``: each cell is
    about one arm. ``comparable`` is False where a score in one cell is another quantity than in the
    next. ``ordered`` values are numbers, ``unit`` theirs. ``early`` ones are applied before others.
    """

    name: str
    label: str
    apply: Callable[[CellDraft, str], CellDraft]
    own: str | None = None
    anchored: bool = False
    values: tuple[str, ...] = ()
    tidy: Callable[[str], str] = str.strip
    alone: bool = False
    comparable: bool = True
    ordered: bool = False
    unit: str = ""
    early: bool = False
