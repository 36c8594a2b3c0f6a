"""Prediction rows on disk: everything reported is derived from them.

``predictions.safetensors`` holds columns (:mod:`fusion.evaluation.columns`), each a tensor:
``subject`` and ``place`` (int32, rows of the tables), ``window`` (int32, -1 where there is none),
``scores`` (``[rows, targets]``, int32 in millionths where all scores have six decimals, else
float64). The tables are ``subjects`` and ``places``, UTF-8 of a JSON list of lists (uint8), with
the names of :class:`Subject` but the last, and of :class:`Place`; ``targets`` is
``[subjects, targets]`` (float64).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from encoders.files import write_atomically
from encoders.messages import printable
from encoders.utterance import Task
from fusion.evaluation.clusters import Clusters, clusters_of
from fusion.evaluation.columns import Place, Prediction, Predictions, Subject, columns, packed
from fusion.evaluation.goals import Goal
from fusion.evaluation.selection import classes_of, selection_score

__all__ = ["Place", "Prediction", "Predictions", "Subject", "columns", "digest", "read", "write"]

#: What a run calls them.
PREDICTIONS = "predictions.safetensors"
#: The next step where a file of a run is not what the run wrote.
AGAIN = "run serfusion compare again (its fits are kept, so that none is trained twice)"
#: Type of every column but the tables and the scores.
COLUMNS = ("subject", "place", "window")
TABLES = ("subjects", "places")


def stored_scores(
    values: Float[np.ndarray, "rows targets"], task: Task
) -> Shaped[np.ndarray, "rows targets"]:
    """Scores as they are kept: probabilities with six decimals, values with nine digits.

    >>> stored_scores(np.array([[0.12345678, 1.0]]), "multi-label").tolist()
    [[123457, 1000000]]
    >>> stored_scores(np.array([[1.23456789012e-8]]), "regression").tolist()
    [[1.23456789e-08]]
    """
    if task != "regression":
        return packed(np.rint(values.astype(float) * 1e6) / 1e6)
    digits = [[float(f"{value:.9g}") for value in row] for row in values.tolist()]
    return np.array(digits, float).reshape(values.shape)


def write(predictions: Iterable[Prediction], path: Path) -> None:
    """Write predictions; complete on disk or not there at all.

    Raises:
        ValueError: a score or a target is no finite number.
    """
    write_atomically(path, _content(columns(predictions)))


def digest(predictions: Iterable[Prediction]) -> str:
    """Sha256 of the file that :func:`write` makes of these rows, in this order."""
    return hashlib.sha256(_content(columns(predictions))).hexdigest()


def _content(rows: Predictions) -> bytes:
    targets = np.array([subject.target for subject in rows.subjects], float)
    targets = targets.reshape(len(rows.subjects), rows.scores.shape[1])
    if not (np.isfinite(rows.scores).all() and np.isfinite(targets).all()):
        raise ValueError("scores: expected finite numbers")
    tables = ([subject[:-1] for subject in rows.subjects], rows.places)
    return save(
        {
            **{name: np.ascontiguousarray(getattr(rows, name)) for name in COLUMNS},
            "scores": np.ascontiguousarray(rows.scores),
            "targets": targets,
            **{name: _bytes(table) for name, table in zip(TABLES, tables, strict=True)},
        }
    )


def _bytes(table: Sequence[object]) -> Shaped[np.ndarray, "bytes"]:
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return np.frombuffer(text.encode(), np.uint8)


def read(path: Path) -> Predictions:
    """Read what :func:`write` wrote.

    Raises:
        ValueError: it is no such file; says what was expected and came.
    """
    try:
        return _parsed(load_file(path))
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: not predictions: {_fault(error)}. {AGAIN}") from error


def _parsed(tensors: Mapping[str, np.ndarray]) -> Predictions:
    expected = {*COLUMNS, "scores", "targets", *TABLES}
    if tensors.keys() != expected:
        names = ", ".join(map(printable, sorted(tensors)))
        raise ValueError(f"expected tensors {', '.join(sorted(expected))}, got {names}")
    abouts, places = (
        parse(tensors[name].tobytes()) for name, parse in zip(TABLES, _parsers(), strict=True)
    )
    scores, targets = tensors["scores"], tensors["targets"]
    _check_scores(scores, targets)
    for name, most in (("subject", len(abouts)), ("place", len(places)), ("window", 2**31)):
        _check_column(name, tensors[name], len(scores), most)
    if len(targets) != len(abouts):
        raise ValueError(f"targets: expected {len(abouts)} rows, got {len(targets)}")
    pairs = zip(abouts, map(tuple, targets.tolist()), strict=True)
    subjects = tuple(Subject._make((*about, target)) for about, target in pairs)
    subject, place, window = (tensors[name] for name in COLUMNS)
    return Predictions(subjects, places, subject, place, window, scores)


def _check_scores(scores: np.ndarray, targets: np.ndarray) -> None:
    for name, values, kinds in (
        ("scores", scores, (np.int32, np.float64)),
        ("targets", targets, (np.float64,)),
    ):
        if values.ndim != 2 or values.dtype not in kinds:
            raise ValueError(
                f"{name}: expected numbers [rows, targets], got {values.dtype}{list(values.shape)}"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite numbers")
    if scores.shape[1] != targets.shape[1]:
        raise ValueError(f"expected {targets.shape[1]} scores in every row, got {scores.shape[1]}")


def _check_column(name: str, values: np.ndarray, rows: int, most: int) -> None:
    if values.shape != (rows,) or values.dtype != np.int32:
        raise ValueError(f"{name}: expected int32[{rows}], got {values.dtype}{list(values.shape)}")
    least = -1 if name == "window" else 0
    if rows and not (least <= values.min() and values.max() < most):
        raise ValueError(
            f"{name}: expected numbers from {least} to {most - 1}, got {values.min()} to "
            f"{values.max()}"
        )


@cache
def _parsers() -> tuple[Any, Any]:
    """Strict readers of both tables; pydantic is imported where a file is read, and not before."""
    from pydantic import TypeAdapter

    about = tuple[str, str, str, str | None, str | None, int | None]
    kinds = (TypeAdapter(tuple[about, ...]), TypeAdapter(tuple[Place, ...]))
    return tuple(  # type: ignore[return-value]
        lambda content, kind=kind: kind.validate_json(content, strict=True) for kind in kinds
    )


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


def _fault(error: Exception) -> str:
    from pydantic import ValidationError

    return fault_text(error.errors()[0]) if isinstance(error, ValidationError) else str(error)


@dataclass(frozen=True, slots=True)
class ScoreArrays:
    """Predictions of one arm on one side as numbers, a row per utterance, by folds and names."""

    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    dialogues: tuple[str | None, ...]
    turns: tuple[int | None, ...]
    folds: tuple[str, ...]
    clusters: Clusters
    goals: Float[np.ndarray, "rows targets"]
    scores: Float[np.ndarray, "seeds rows targets"]

    @property
    def truth(self) -> Int[np.ndarray, "rows"]:
        """The class of each row."""
        return self.goals.argmax(axis=1)

    @property
    def guesses(self) -> Int[np.ndarray, "seeds rows"]:
        """The class that is named."""
        return self.scores.argmax(axis=-1)

    @property
    def probabilities(self) -> Float[np.ndarray, "seeds rows targets"]:
        """Scores brought to a sum of 1."""
        total = self.scores.sum(axis=-1, keepdims=True)
        return self.scores / np.maximum(total, np.finfo(float).tiny)


@dataclass(frozen=True, slots=True)
class Sides:
    """Predictions by what they are of: test rows by arm, development rows by arm and fold."""

    test: Mapping[str, Predictions]
    dev: Mapping[tuple[str, str], Predictions]


def sides_of(rows: Iterable[Prediction]) -> Sides:
    """Predictions apart, in their order."""
    both = columns(rows).by(lambda place: place.split)
    test, dev = both.get("test"), both.get("dev")
    return Sides(
        {} if test is None else test.by(lambda place: place.arm),
        {} if dev is None else dev.by(lambda place: (place.arm, place.outer_fold)),
    )


def answers_of(rows: Iterable[Prediction]) -> ScoreArrays:
    """Predictions of one arm as arrays.

    Raises:
        ValueError: an utterance lacks a prediction of some seed, or has two.
    """
    known = columns(rows)
    used, of = np.unique(known.subject, return_inverse=True)
    subjects, places = [known.subjects[number] for number in used], known.places
    utterance = _ranks([subject.utterance for subject in subjects])
    fold = _ranks([place.outer_fold for place in places])[known.place]
    numbers = sorted({places[number].seed for number in np.unique(known.place)})
    seed = np.searchsorted(numbers, [place.seed for place in places])[known.place]
    by_fold = fold * len(used) + utterance[of]
    _, first, row = np.unique(by_fold, return_index=True, return_inverse=True)
    scores = np.full((len(numbers), len(first), known.scores.shape[1]), np.nan)
    scores[seed, row] = known.values
    if np.isnan(scores).any() or len(known) != len(numbers) * len(first):
        raise ValueError(
            f"arm {printable(known[0].arm)}: expected one prediction per utterance and seed, got "
            f"{len(known)} of {len(first)} utterances and {len(numbers)} seeds; {AGAIN}"
        )
    about = [subjects[number] for number in of[first]]
    return ScoreArrays(
        utterances=tuple(subject.utterance for subject in about),
        speakers=tuple(subject.speaker for subject in about),
        dialogues=tuple(subject.dialogue for subject in about),
        turns=tuple(subject.turn for subject in about),
        folds=tuple(places[number].outer_fold for number in known.place[first]),
        clusters=clusters_of(
            [subject.speaker for subject in about],
            [subject.session for subject in about],
            [subject.dialogue for subject in about],
        ),
        goals=np.array([subject.target for subject in about]),
        scores=scores,
    )


def _ranks(names: Sequence[str]) -> Int[np.ndarray, "names"]:
    """The place of each name in their order; equal names have one."""
    rank = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([rank[name] for name in names], np.int64)


def with_majority(rows: Iterable[Prediction], task: Task) -> Predictions:
    """Rows that a class can be counted of: of shares those without a tie for the largest."""
    known = columns(rows)
    if task != "distribution":
        return known
    return known.of(lambda subject: bool(classes_of(np.array([subject.target]))[0] >= 0))


def best_per_fold(
    rows: Iterable[Prediction],
    arms: Sequence[str],
    task: Task = "single-label",
    goal: Goal | None = None,
) -> dict[str, str]:
    """Arm that is best on development rows of each outer fold, mean over seeds; ties go first.

    Best is what ``goal`` says, None: the task's own metric
    (:data:`fusion.evaluation.selection.PRIMARY`).
    """
    known = columns(rows)
    dev = sides_of(known).dev
    chosen: dict[str, str] = {}
    for fold in dict.fromkeys(known.places[number].outer_fold for number in _in_order(known.place)):
        values = {arm: _goodness(dev[arm, fold], task, goal) for arm in arms}
        chosen[fold] = max(arms, key=lambda arm: values[arm])
    return chosen


def _in_order(numbers: Int[np.ndarray, "rows"]) -> list[int]:
    """Different numbers, each where it comes first."""
    different, first = np.unique(numbers, return_index=True)
    return different[np.argsort(first)].tolist()


def _goodness(rows: Predictions, task: Task, goal: Goal | None) -> float:
    answers = answers_of(rows)
    return selection_score(task, answers.goals, answers.scores, goal)
