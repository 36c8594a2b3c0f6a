"""Run an ablation: every cell a comparison, on the same rows, folds, seeds and trials."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from encoders.decode_index import HELD_BYTES, DecodeIndex
from encoders.extraction import Failure, Progress, default_store
from encoders.messages import printable, with_count
from encoders.utterance import Task
from experiments.ablation.cell_variation import CellVariation
from experiments.ablation.cells import Cell, CellChanges, Noise, NoiseIn
from experiments.ablation.files import write_ablation
from experiments.ablation.grid import FactorSpec, make_grid
from experiments.ablation.noisy_audio import crowds
from experiments.ablation.result import Ablation, Cost, Record, cells_folder, unknown_cells
from experiments.ablation.scores import read_cell
from experiments.ablation.subsets import fewer_speakers, most_speakers
from experiments.ablation.word_errors import with_errors
from experiments.comparing.comparison import check_writable, compare
from experiments.comparing.inputs import Ready, gather, inputs_needed, words_of
from experiments.comparing.plan import make_folds, protocol_of, rows_for
from experiments.comparing.preparation import (
    Notify,
    check_ready,
    chosen_arms,
    labelled,
    load_corpus,
)
from experiments.config import ConfigError, Study, identity_of
from fusion.training.fit_key import hash_of
from fusion.training.windows import WINDOWS
from fusion.tuning.storage import check_storage

NO_NOISE = Noise("white", 0.0, "both")


@dataclass(frozen=True, slots=True)
class Common:
    """Ids of the rows that all cells have, how many not all have, and what gathering took."""

    rows: frozenset[str]
    left_out: int
    encoded: int
    cached: int
    failures: tuple[Failure, ...]


def ablate(
    study: Study,
    over: Sequence[FactorSpec],
    *,
    out: Path | str | None = None,
    side: NoiseIn = "test",
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
    storage: str | None = None,
) -> Ablation:
    """Run every cell of a grid and write its folder; ``storage`` keeps its studies.

    Raises:
        OptionError, ConfigError, CorpusError, SplitError, MissingWeightsError, StorageError: before
            work starts; nothing is written then.
    """
    tell = notify or (lambda _line: None)
    content = [identity_of(study), [asdict(spec) for spec in over], side, seed]
    folder = Path(out or Path("runs") / hash_of(content)[:12])
    check_writable(folder)
    check_storage(storage)
    most = _speakers(study, over)
    grid = make_grid(study, over, side=side, seed=seed, most=most)
    check_all(grid.cells)
    tell(f"{with_count(len(grid.cells), 'cell')}, reference: {grid.reference.title}")
    common = common_rows(grid.cells, progress)
    tell(f"{common.encoded} encoded, {common.cached} from the cache")
    # Noise in tests alone leaves the heads as they are.
    keeps = any((cell.draft.changes.noise or NO_NOISE).side == "test" for cell in grid.cells)
    rows = common.rows if grid.comparable else None
    done = [CellVariation(cell, rows, keeps_heads=keeps) for cell in grid.cells]
    for varied in done:
        place = cells_folder(folder) / varied.cell.folder
        compare(
            varied.cell.draft.study,
            out=place,
            jobs=jobs,
            progress=progress,
            variation=varied,
            storage=storage,
        )
        fits = varied.fits
        cost = f"{fits.trained} fits trained, {fits.cached} kept" if fits else "finished before"
        tell(f"{varied.cell.title}: {cost}")
    ablation = Ablation(
        folder=folder,
        study=study,
        record=Record(
            over=list(over),
            side=side,
            seed=seed,
            speakers=most,
            left_out=common.left_out if grid.comparable else 0,
            cost=_cost(common, done),
        ),
        grid=grid,
        rows=tuple(read_cell(cells_folder(folder) / cell.folder, cell) for cell in grid.cells),
        failures=common.failures,
    )
    write_ablation(ablation)
    for name in unknown_cells(grid, folder):
        tell(f"{cells_folder(folder) / name}: of another ablation, in no table here")
    return ablation


def _cost(common: Common, done: Sequence[CellVariation]) -> Cost:
    fits = [varied.fits for varied in done if varied.fits is not None]
    return Cost(
        encoded=common.encoded + sum(varied.encoded for varied in done),
        encoded_before=common.cached,
        trained=sum(cell_fits.trained for cell_fits in fits),
        trained_before=sum(cell_fits.cached for cell_fits in fits),
        finished_before=len(done) - len(fits),
    )


def _speakers(study: Study, over: Sequence[FactorSpec]) -> int:
    """Training speakers that every fold has, where their number is ablated."""
    if all(spec.factor != "speakers" for spec in over):
        return 0
    corpus = load_corpus(study)
    protocol = protocol_of(corpus, study.folds)
    rows = rows_for(corpus, labelled(corpus), protocol)
    _, inner = make_folds(corpus, rows, protocol)
    return most_speakers(inner, {row.id: row for row in rows})


# ---------------------------------------------------------------- rows that every cell has


def check_all(cells: Sequence[Cell]) -> None:
    """Find every fault of the cells that can be found before any work.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError: as a comparison; ConfigError:
            some inner fold has too few speakers, somebody has nobody to hear in babble, the
            cells' targets are of several kinds, or they are told in AUC.
    """
    tasks: dict[str, Task] = {}
    if any(cell.draft.study.select == "auc" for cell in cells):
        raise ConfigError(
            "--select auc: every difference of an ablation is tested, and no paired test is made "
            "of AUC; choose another metric, or compare"
        )
    for cell in cells:
        ready = check_ready(cell.draft.study)
        _check_changes(cell.draft.changes, ready)
        tasks[cell.title] = ready.corpus.task
    if len(set(tasks.values())) > 1:
        kinds = ", ".join(f"{printable(title)}: {task}" for title, task in tasks.items())
        raise ConfigError(
            f"cells have targets of several kinds ({kinds}), which are scored by different "
            "metrics; give --labels sets that leave targets of one kind"
        )


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
    by_request: dict[object, Common] = {}
    for cell in cells:
        request = _request(cell)
        if request not in by_request:
            by_request[request] = _rows_of(cell, progress)
    gathered = list(by_request.values())
    shared = gathered[0].rows.intersection(*(cell_rows.rows for cell_rows in gathered))
    everything = shared.union(*(cell_rows.rows for cell_rows in gathered))
    failed = {f.utterance: f for cell_rows in gathered for f in cell_rows.failures}
    return Common(
        rows=shared,
        left_out=len(everything - shared),
        encoded=sum(cell_rows.encoded for cell_rows in gathered),
        cached=sum(cell_rows.cached for cell_rows in gathered),
        failures=tuple(failed.values()),
    )


def _request(cell: Cell) -> object:
    """What the rows of a cell depend on."""
    study, changes = cell.draft.study, cell.draft.changes
    # Windows are there where the recording is.
    needed = inputs_needed(chosen_arms(study)) - {WINDOWS}
    words = (study.transcript, study.asr, changes.word_errors, changes.seed)
    return study.audio, study.text, needed, words, study.rows, study.labels


def _rows_of(cell: Cell, progress: Progress | None) -> Common:
    """The rows of one cell, which leaves none out."""
    changes, ready, store = cell.draft.changes, check_ready(cell.draft.study), default_store()
    with DecodeIndex(store.root / "hints.json", HELD_BYTES) as hints:
        words = words_of(ready, store, hints, progress)
        if changes.word_errors:
            words = with_errors(words, ready.rows, changes.word_errors, changes.seed)
        inputs = gather(ready, words, store, hints, progress)
    rows = frozenset(inputs.data.ids)
    return Common(rows, 0, inputs.encoded, inputs.cached, inputs.failures)
