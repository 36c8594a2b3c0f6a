"""Prediction rows on disk: everything reported is derived from them."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from encoders.files import write_parts
from encoders.messages import printable
from encoders.utterance import Task
from fusion.evaluation.clusters import Clusters, clusters_of
from fusion.evaluation.goals import Goal
from fusion.evaluation.selection import classes_of, selection_score

Split = Literal["dev", "test"]

#: The next step where a file of a run is not what the run wrote.
AGAIN = "run serfusion compare again (its fits are kept, so that none is trained twice)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Scores of one arm for one utterance.

    ``turn`` is its place in its dialogue; session, dialogue and turn are None where they are not
    known. ``inner_fold`` is None for the mean over the inner folds' heads, which is what is scored
    on test rows; ``window`` is the number of a window, None where the utterance is scored as one.
    """

    run: str
    corpus: str
    utterance: str
    speaker: str
    session: str | None = None
    dialogue: str | None = None
    turn: int | None = None
    arm: str
    outer_fold: str
    inner_fold: int | None
    seed: int
    split: Split
    window: int | None
    target: tuple[float, ...]
    scores: tuple[float, ...]


_NAMES = tuple(field.name for field in fields(Prediction))


def stored_score(value: float, task: Task) -> float:
    """A score as it is kept: probabilities with six decimals, values with nine digits that matter.

    >>> stored_score(0.12345678, "multi-label"), stored_score(1.2345e-8, "regression")
    (0.123457, 1.2345e-08)
    """
    return float(f"{value:.9g}") if task == "regression" else round(value, 6)


def write(predictions: Iterable[Prediction], path: Path) -> None:
    """Write one JSON object per line; complete on disk or not there at all.

    Rows go to a temporary file of their own name, so that two runs into one folder disturb each
    other no more than that the later one is what stays.
    """
    write_parts(path, map(_line, predictions))


def digest(predictions: Iterable[Prediction]) -> str:
    """Sha256 of the file that :func:`write` makes of these rows, in this order."""
    hasher = hashlib.sha256()
    for row in predictions:
        hasher.update(_line(row))
    return hasher.hexdigest()


def _line(row: Prediction) -> bytes:
    content = {name: getattr(row, name) for name in _NAMES}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"{text}\n".encode()


def read(path: Path) -> list[Prediction]:
    """Read what :func:`write` wrote.

    Raises:
        ValueError: a line is not a prediction; names it, the field, what was expected and came.
    """
    parse = _parser()
    rows: list[Prediction] = []
    # In bytes: a separator of lines that JSON allows inside a string must not end a line here.
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                rows.append(parse(line))
            except ValueError as error:
                what = f"{path}:{number}: not a prediction: {_fault(error)}"
                raise ValueError(f"{what}. {AGAIN}") from error
    return rows


@cache
def _parser() -> Callable[[bytes], Prediction]:
    """A strict reader of one line; pydantic is imported where a file is read, and not before."""
    from pydantic import TypeAdapter

    adapter = TypeAdapter(Prediction)

    def parse(line: bytes) -> Prediction:
        row = adapter.validate_json(line, strict=True, extra="forbid")
        for name, values in (("target", row.target), ("scores", row.scores)):
            if not all(map(math.isfinite, values)):
                raise ValueError(f"{name}: expected finite numbers, got {list(values)}")
        return row

    return parse


def fault_text(error: Mapping[str, Any]) -> str:
    """One of pydantic's faults in words: where, what was expected, what came."""
    where = printable(".".join(map(str, error["loc"]))) or "content"
    match error["type"]:
        case "missing":
            return f"{where}: expected, but it is not there"
        case "json_invalid":
            return f"expected JSON ({error['ctx']['error']})"
        case "unexpected_keyword_argument":
            return f"{where}: not expected"
    what = error["msg"].removeprefix("Input should be ")
    return f"{where}: expected {what}, got {printable(error['input'])[:60]}"


def _fault(error: ValueError) -> str:
    from pydantic import ValidationError

    return fault_text(error.errors()[0]) if isinstance(error, ValidationError) else str(error)


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """What predictions of one arm on one side are of, a row per utterance, by folds and names."""

    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    dialogues: tuple[str | None, ...]
    turns: tuple[int | None, ...]
    folds: tuple[str, ...]
    clusters: Clusters


@dataclass(frozen=True, slots=True)
class Table(ScoredRows):
    """Predictions of single classes, as probabilities."""

    truth: Int[np.ndarray, "rows"]
    scores: Float[np.ndarray, "seeds rows targets"]


@dataclass(frozen=True, slots=True)
class ScoreArrays(ScoredRows):
    """Predictions as numbers, whatever the task."""

    goals: Float[np.ndarray, "rows targets"]
    scores: Float[np.ndarray, "seeds rows targets"]


@dataclass(frozen=True, slots=True)
class Sides:
    """Predictions by what they are of: test rows by arm, development rows by arm and fold."""

    test: Mapping[str, list[Prediction]]
    dev: Mapping[tuple[str, str], list[Prediction]]


def sides_of(rows: Iterable[Prediction]) -> Sides:
    """Predictions apart, in their order."""
    test: dict[str, list[Prediction]] = {}
    dev: dict[tuple[str, str], list[Prediction]] = {}
    for row in rows:
        if row.split == "test":
            test.setdefault(row.arm, []).append(row)
        else:
            dev.setdefault((row.arm, row.outer_fold), []).append(row)
    return Sides(test, dev)


def table(rows: Sequence[Prediction]) -> Table:
    """Predictions of one arm as arrays; scores are brought to a sum of 1.

    Raises:
        ValueError: an utterance lacks a prediction of some seed, or has two.
    """
    answers = answers_of(rows)
    total = np.maximum(answers.scores.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
    truth = answers.goals.argmax(axis=1)
    about = {field.name: getattr(answers, field.name) for field in fields(ScoredRows)}
    return Table(**about, truth=truth, scores=answers.scores / total)


def answers_of(rows: Sequence[Prediction]) -> ScoreArrays:
    """Predictions of one arm as arrays, scores as they are.

    Raises:
        ValueError: an utterance lacks a prediction of some seed, or has two.
    """
    first = {(row.outer_fold, row.utterance): row for row in rows}
    about = [first[place] for place in sorted(first)]
    place = {(row.outer_fold, row.utterance): number for number, row in enumerate(about)}
    seeds = {seed: number for number, seed in enumerate(sorted({row.seed for row in rows}))}
    scores = np.full((len(seeds), len(about), len(rows[0].scores)), np.nan)
    for row in rows:
        scores[seeds[row.seed], place[row.outer_fold, row.utterance]] = row.scores
    if np.isnan(scores).any() or len(rows) != len(seeds) * len(about):
        raise ValueError(
            f"arm {printable(rows[0].arm)}: expected one prediction per utterance and seed, got "
            f"{len(rows)} of {len(about)} utterances and {len(seeds)} seeds; {AGAIN}"
        )
    return ScoreArrays(
        utterances=tuple(row.utterance for row in about),
        speakers=tuple(row.speaker for row in about),
        dialogues=tuple(row.dialogue for row in about),
        turns=tuple(row.turn for row in about),
        folds=tuple(row.outer_fold for row in about),
        clusters=clusters_of(
            [row.speaker for row in about],
            [row.session for row in about],
            [row.dialogue for row in about],
        ),
        goals=np.array([row.target for row in about]),
        scores=scores,
    )


def with_majority(rows: Sequence[Prediction], task: Task) -> list[Prediction]:
    """Rows that a class can be counted of: of shares those without a tie for the largest."""
    if task != "distribution":
        return list(rows)
    known = {target: bool(classes_of(np.array([target]))[0] >= 0) for target in
             {row.target for row in rows}}  # fmt: skip
    return [row for row in rows if known[row.target]]


def best_per_fold(
    rows: Sequence[Prediction],
    arms: Sequence[str],
    task: Task = "single-label",
    goal: Goal | None = None,
) -> dict[str, str]:
    """Arm that is best on development rows of each outer fold, mean over seeds; ties go first.

    Best is what ``goal`` says, None: the task's own metric
    (:data:`fusion.evaluation.selection.PRIMARY`).
    """
    chosen: dict[str, str] = {}
    for fold in dict.fromkeys(row.outer_fold for row in rows):
        dev = [row for row in rows if row.outer_fold == fold and row.split == "dev"]
        rows_of = {arm: [row for row in dev if row.arm == arm] for arm in arms}
        values = {arm: _goodness(rows_of[arm], task, goal) for arm in arms}
        chosen[fold] = max(arms, key=lambda arm: values[arm])
    return chosen


def _goodness(rows: Sequence[Prediction], task: Task, goal: Goal | None) -> float:
    answers = answers_of(rows)
    return selection_score(task, answers.goals, answers.scores, goal)
