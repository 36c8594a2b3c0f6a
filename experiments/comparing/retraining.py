"""The heads of a finished run trained once more, with nothing of them taken from the cache."""

from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.extraction import Progress
from experiments.comparing.comparison import compare
from experiments.comparing.preparation import Notify
from experiments.config import read_study
from experiments.reporting.report import Recomputed, recompute


def retrain(
    folder: Path,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Recomputed:
    """What the study of a run gives today; embeddings and trained encoders come from the cache.

    Raises:
        ValueError: as :func:`experiments.comparing.comparison.compare`.
    """
    study = read_study(folder / "config.toml")
    with TemporaryDirectory() as there:
        again, fits = Path(there) / "run", Path(there) / "fits"
        compare(study, out=again, fits=fits, jobs=jobs, progress=progress, notify=notify)
        return recompute(again)
