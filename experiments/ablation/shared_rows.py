"""Rows that every cell of an ablation has; what not all cells have leaves all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from encoders.decode_index import HELD_BYTES, DecodeIndex
from encoders.extraction import Failure, Progress, default_store
from encoders.messages import printable
from encoders.utterance import Task
from experiments.ablation.cells import Cell, CellChanges
from experiments.ablation.noisy_audio import crowds
from experiments.ablation.subsets import fewer_speakers
from experiments.ablation.word_errors import with_errors
from experiments.comparing.inputs import Ready, gather, inputs_needed, words_of
from experiments.comparing.preparation import check_ready as ready_study
from experiments.comparing.preparation import chosen_arms
from experiments.config import ConfigError


@dataclass(frozen=True, slots=True)
class Common:
    """Ids of the rows that all cells have, how many not all have, and what gathering took."""

    rows: frozenset[str]
    left_out: int
    encoded: int
    cached: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows that one cell has."""

    rows: tuple[str, ...]
    encoded: int
    cached: int
    failures: tuple[Failure, ...]


def check_all(cells: Sequence[Cell]) -> None:
    """Find every fault of the cells that can be found before any work.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError: as :func:`check_ready`;
            ConfigError: the cells' targets are of several kinds.
    """
    tasks = {cell.title: check_ready(cell) for cell in cells}
    if len(set(tasks.values())) > 1:
        kinds = ", ".join(f"{printable(title)}: {task}" for title, task in tasks.items())
        raise ConfigError(
            f"cells have targets of several kinds ({kinds}), which are scored by different "
            "metrics; give --labels sets that leave targets of one kind"
        )


def check_ready(cell: Cell) -> Task:
    """Find every fault of a cell that can be found before any work; the kind of its targets.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError: as a comparison; ConfigError:
            some inner fold has too few speakers, or somebody has nobody to hear in babble.
    """
    ready = ready_study(cell.draft.study)
    _check_changes(cell.draft.changes, ready)
    return ready.corpus.task


def _check_changes(changes: CellChanges, ready: Ready) -> None:
    corpus, rows = ready.corpus, ready.rows
    if changes.speakers is not None:
        classes = {row.id: corpus.classes(row) for row in rows}
        by_id = {row.id: row for row in rows}
        fewer_speakers(ready.inner, by_id, classes, changes.speakers, changes.seed)
    noise = changes.noise
    if noise is not None and noise.kind == "babble":
        tested = {name for fold in ready.folds for name in fold.test}
        everyone = {row.id for row in rows}
        crowds(rows, ready.folds, changes.seed, tested if noise.side == "test" else everyone)


def common_rows(cells: Sequence[Cell], progress: Progress | None) -> Common:
    """Encode what every cell needs, and find the rows that all of them have."""
    known: dict[object, Gathered] = {}
    for cell in cells:
        asked = _asked(cell)
        if asked not in known:
            known[asked] = _gathered(cell, progress)
    gathered = list(known.values())
    shared = frozenset(gathered[0].rows).intersection(
        *(cell_rows.rows for cell_rows in gathered[1:])
    )
    everything = {name for cell_rows in gathered for name in cell_rows.rows}
    failed = {f.utterance: f for cell_rows in gathered for f in cell_rows.failures}
    return Common(
        rows=shared,
        left_out=len(everything - shared),
        encoded=sum(cell_rows.encoded for cell_rows in gathered),
        cached=sum(cell_rows.cached for cell_rows in gathered),
        failures=tuple(failed.values()),
    )


def _asked(cell: Cell) -> object:
    """What the rows of a cell depend on."""
    study, changes = cell.draft.study, cell.draft.changes
    needed = inputs_needed(chosen_arms(study))
    words = (study.transcript, study.asr, changes.word_errors, changes.seed)
    return study.audio, study.text, needed, words, study.rows, study.labels


def _gathered(cell: Cell, progress: Progress | None) -> Gathered:
    changes, ready, store = cell.draft.changes, ready_study(cell.draft.study), default_store()
    with DecodeIndex(store.root / "hints.json", HELD_BYTES) as hints:
        words = words_of(ready, store, hints, progress)
        if changes.word_errors:
            words = with_errors(words, ready.rows, changes.word_errors, changes.seed)
        inputs = gather(ready, words, store, hints, progress)
    return Gathered(inputs.data.ids, inputs.encoded, inputs.cached, inputs.failures)
