"""Run an ablation: every cell a comparison, on the same rows, folds, seeds and trials."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from encoders.extraction import Progress
from encoders.messages import with_count
from experiments.ablation.cell_variation import CellVariation
from experiments.ablation.cells import Cell, Noise, NoiseIn
from experiments.ablation.grid import FactorSpec, Grid, make_grid
from experiments.ablation.result import Ablation, Cost, cells_folder, unknown_cells
from experiments.ablation.scores import read_cell
from experiments.ablation.shared_rows import Common, check_all, common_rows
from experiments.ablation.subsets import most_speakers
from experiments.comparing.comparison import check_writable, compare
from experiments.comparing.plan import make_folds
from experiments.comparing.preparation import Notify, load_corpus
from experiments.comparing.rows import labelled
from experiments.config import Study
from experiments.reporting.results_schema import Results
from fusion.splitting.splits import rows_of
from fusion.tuning.storage import check_storage

NO_NOISE = Noise("white", 0.0, "both")


def ablate(
    study: Study,
    over: Sequence[FactorSpec],
    *,
    out: Path | None = None,
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
    folder = out or Path("runs") / _hash(study, over, side, seed)
    check_writable(folder)
    check_storage(storage)
    most = _speakers(study, over)
    grid = make_grid(study, over, side=side, seed=seed, most=most)
    check_all(grid.cells)
    tell(f"{with_count(len(grid.cells), 'cell')}, reference: {grid.reference.title}")
    common = common_rows(grid.cells, progress)
    tell(f"{common.encoded} encoded, {common.cached} from the cache")
    from experiments.ablation.files import write_ablation

    how = _How(folder, jobs, progress, tell, storage)
    done = [_run(cell, grid, common, how) for cell in grid.cells]
    ablation = Ablation(
        folder=folder,
        study=study,
        over=tuple(over),
        side=side,
        seed=seed,
        grid=grid,
        rows=tuple(read_cell(cells_folder(folder) / cell.folder, cell) for cell in grid.cells),
        facts={cell.folder: ran.results for cell, ran in zip(grid.cells, done, strict=True)},
        left_out=common.left_out if grid.comparable else 0,
        cost=_cost(common, done),
        failures=common.failures,
        speakers=most,
    )
    write_ablation(ablation)
    for name in unknown_cells(ablation):
        tell(f"{cells_folder(folder) / name}: of another ablation, in no table here")
    return ablation


@dataclass(frozen=True, slots=True)
class _Ran:
    results: Results
    varied: CellVariation


@dataclass(frozen=True, slots=True)
class _How:
    """How the cells are run, which changes nothing in what they give."""

    folder: Path
    jobs: int | None
    progress: Progress | None
    tell: Notify
    storage: str | None


def _run(cell: Cell, grid: Grid, common: Common, how: _How) -> _Ran:
    # Noise in tests alone leaves the heads as they are.
    keeps = any((c.draft.changes.noise or NO_NOISE).side == "test" for c in grid.cells)
    rows = common.rows if grid.comparable else None
    varied = CellVariation(cell, rows, keeps_heads=keeps)
    outcome = compare(
        cell.draft.study,
        out=cells_folder(how.folder) / cell.folder,
        jobs=how.jobs,
        progress=how.progress,
        variation=varied,
        storage=how.storage,
    )
    fits = varied.fits
    cost = "finished before" if fits is None else f"{fits.trained} fits trained, {fits.cached} kept"
    how.tell(f"{cell.title}: {cost}")
    return _Ran(outcome.results, varied)


def _cost(common: Common, done: Sequence[_Ran]) -> Cost:
    fits = [ran.varied.fits for ran in done if ran.varied.fits is not None]
    return Cost(
        encoded=common.encoded + sum(ran.varied.encoded for ran in done),
        encoded_before=common.cached,
        trained=sum(cell_fits.trained for cell_fits in fits),
        trained_before=sum(cell_fits.cached for cell_fits in fits),
        finished_before=len(done) - len(fits),
    )


def _hash(study: Study, over: Sequence[FactorSpec], side: NoiseIn, seed: int) -> str:
    content = [asdict(study), [asdict(spec) for spec in over], side, seed]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _speakers(study: Study, over: Sequence[FactorSpec]) -> int:
    """Training speakers that every fold has, where their number is ablated."""
    if all(spec.factor != "speakers" for spec in over):
        return 0
    corpus = load_corpus(study)
    protocol = study.folds or corpus.folds
    rows = rows_of(labelled(corpus), protocol)
    _, inner = make_folds(corpus, rows, protocol)
    return most_speakers(inner, {row.id: row for row in rows})
