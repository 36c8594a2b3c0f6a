"""Trained on one corpus, tested on another: a cell of scores for each pair, from predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from encoders.utterance import Utterance
from experiments.reporting.diagnostics import sums_of
from experiments.reporting.results_schema import MatrixCell
from fusion.evaluation.columns import Place, Predictions
from fusion.evaluation.measures import CLASSES
from fusion.evaluation.predictions import answers_of
from fusion.evaluation.statistics import interval
from fusion.splitting.splits import Fold


def trained_on(utterances: Sequence[Utterance], folds: Sequence[Fold]) -> dict[str, list[str]]:
    """Corpora of each outer fold's training rows; nothing where there is but one corpus."""
    corpus = {u.id: u.corpus for u in utterances if u.corpus is not None}
    by_fold = {
        f.name: dict.fromkeys(corpus[name] for name in f.train if name in corpus) for f in folds
    }
    return {name: list(corpora) for name, corpora in by_fold.items() if corpora}


def corpus_matrix(
    rows: Predictions,
    trained_on: Mapping[str, Sequence[str]],
    overlap_of: Callable[[str], float],
) -> tuple[MatrixCell, ...]:
    """UAR of each arm by the corpora trained on and the corpus tested on.

    ``trained_on`` are the corpora of each outer fold; it is empty where there is but one corpus.
    ``overlap_of(arm)`` is how much its folds share of what they train on.
    Folds of equal corpora are pooled, and the interval is one over the speakers of the cell.
    """
    test = rows.at(lambda place: place.split == "test" and place.outer_fold in trained_on)
    cells: dict[tuple[str, str, str], Predictions] = {}

    def learned(place: Place) -> tuple[str, str]:
        return "+".join(trained_on.get(place.outer_fold, ())), place.arm

    for (train, arm), own in test.by(learned).items():
        for corpus in dict.fromkeys(subject.corpus for subject in own.present()):
            cells[train, corpus, arm] = _tested_on(own, corpus)
    return tuple(_cell(*place, own, overlap_of(place[2])) for place, own in cells.items())


def _tested_on(rows: Predictions, corpus: str) -> Predictions:
    return rows.of(lambda subject: subject.corpus == corpus)


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """An arm trained on some corpora: a cell per corpus tested on, None where there is none."""

    train: str
    arm: str
    cells: tuple[MatrixCell | None, ...]


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """Corpora tested on, and the rows of a table."""

    tests: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


def matrix_table(cells: Sequence[MatrixCell]) -> MatrixTable:
    """The cells of :func:`corpus_matrix` as a table, in the order in which they come."""
    by_place = {(cell.train, cell.arm, cell.test): cell for cell in cells}
    trains, tests = sorted({cell.train for cell in cells}), sorted({cell.test for cell in cells})
    rows = (
        MatrixRow(train, arm, tuple(by_place.get((train, arm, test)) for test in tests))
        for train in trains
        for arm in dict.fromkeys(cell.arm for cell in cells)
    )
    return MatrixTable(tuple(tests), tuple(row for row in rows if any(row.cells)))


def _cell(train: str, test: str, arm: str, rows: Predictions, overlap: float) -> MatrixCell:
    counts = sums_of([answers_of(rows)], overlap)
    used = len({subject.utterance for subject in rows.present()})
    return MatrixCell(train, test, arm, used, interval(counts, CLASSES["uar"]))
