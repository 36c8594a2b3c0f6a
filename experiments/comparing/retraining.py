"""The heads of a finished run trained once more, with nothing of them taken from the cache."""

from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.extraction import Progress
from encoders.messages import printable
from experiments.comparing.comparison import compare
from experiments.comparing.preparation import Notify
from experiments.config import read_study
from experiments.reporting.report import Recomputed, recompute
from experiments.reporting.results_file import read_results


def retrain(
    folder: Path,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Recomputed:
    """What the study of a run gives today; embeddings and trained encoders come from the cache.

    Raises:
        ValueError: the run is a cell of an ablation, which its study alone does not give, or as
            :func:`experiments.comparing.comparison.compare`.
    """
    cell = read_results(folder).facts.cell
    if cell is not None:
        named = ", ".join(
            f"{printable(name)} {printable(value)}" for name, value in cell.values.items()
        )
        raise ValueError(
            f"{folder}: a cell of an ablation ({named}), which its config.toml alone does not "
            "give: run the same serfusion ablate into another folder to train it again"
        )
    study = read_study(folder / "config.toml")
    with TemporaryDirectory() as there:
        again, fits = Path(there) / "run", Path(there) / "fits"
        compare(study, out=again, fits=fits, jobs=jobs, progress=progress, notify=notify)
        return recompute(again)
