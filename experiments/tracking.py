"""Finished runs in the trackers that people use: TensorBoard, MLflow, Weights & Biases.

None of them is needed for anything. What is logged is computed from the run's predictions once
more, so that a tracker can hold no number that the run does not give; nothing leaves the machine
unless the tracker's own settings say so.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from experiments.config import OptionError
from experiments.reporting.numbers import columns_of
from experiments.reporting.report import folder_name, recompute
from experiments.reporting.results_schema import ArmDifference, Results
from experiments.reporting.sentences import answer
from fusion.evaluation.statistics import Interval

PROJECT = "serfusion"
#: Files of a run that a tracker keeps beside the numbers.
FILES = ("report.html", "results.json", "table.md", "config.toml")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tracker is told of a run."""

    name: str
    settings: Mapping[str, str]
    numbers: Mapping[str, float]
    answer: str
    files: tuple[Path, ...]


#: Logs an entry at a place (a folder or an address; None: the tracker's own) and says where.
Tracker = Callable[[Entry, str | None], str]


def track(folder: Path, to: str, at: str | None = None) -> str:
    """Log a finished run; returns where it lies.

    Raises:
        OptionError: there is no such tracker, or its package is missing.
        ValueError: the folder is no run, a number does not follow from its predictions, or the
            tracker refuses.
    """
    if to not in TRACKERS:
        raise OptionError(f"--to {to}: expected one of {', '.join(TRACKERS)}")
    if find_spec(to) is None:
        raise OptionError(f"--to {to}: pip install 'serfusion[{to}]' and try again")
    entry = entry_of(folder)
    try:
        return TRACKERS[to](entry, at)
    except Exception as error:
        # A tracker has errors of its own, which say what its own settings lack.
        raise ValueError(f"--to {to}: {type(error).__name__}: {error}") from error


def entry_of(folder: Path) -> Entry:
    """What there is to log of a run.

    Raises:
        ValueError: as :func:`experiments.reporting.report.recompute`.
    """
    results = recompute(folder).results
    study = results.facts.study
    settings = {name: str(value) for name, value in study.items() if value is not None}
    settings |= {"corpus": results.corpus, "task": results.task, "run": results.run}
    return Entry(
        name=f"{folder_name(folder)} {results.run}",
        settings=settings,
        numbers=dict(_numbers(results)),
        answer=answer(results),
        files=tuple(folder / name for name in FILES if (folder / name).is_file()),
    )


def _numbers(results: Results) -> Iterator[tuple[str, float]]:
    """Scores of arms and differences, with the bounds of their intervals; nulls are left out."""
    rows: list[tuple[str, Interval | ArmDifference]] = [
        (f"{arm}/{metric}", summary.score(metric))
        for arm, summary in results.arms.items()
        for metric in columns_of(results)
    ]
    rows += [(f"{row.arm} - {row.against}/{row.metric}", row) for row in results.differences]
    for name, row in rows:
        p = row.p if isinstance(row, ArmDifference) else None
        for value, end in ((row.value, ""), (row.low, "/low"), (row.high, "/high"), (p, "/p")):
            if value is not None:
                yield f"{name}{end}", float(value)


def _tensorboard(entry: Entry, at: str | None) -> str:
    from torch.utils.tensorboard import SummaryWriter

    place = Path(at or "tensorboard") / entry.settings["run"]
    with SummaryWriter(str(place)) as writer:
        for name, value in entry.numbers.items():
            writer.add_scalar(name, value, 0)
        lines = [f"- {name}: {value}" for name, value in entry.settings.items()]
        writer.add_text("study", "\n".join(lines), 0)
        writer.add_text("answer", entry.answer, 0)
    return str(place)


def _mlflow(entry: Entry, at: str | None) -> str:
    mlflow = import_module("mlflow")
    if at is not None:
        mlflow.set_tracking_uri(at)
    mlflow.set_experiment(PROJECT)
    with mlflow.start_run(run_name=entry.name) as run:
        mlflow.log_params(dict(entry.settings))
        # Its names allow no other signs than these.
        mlflow.log_metrics({_plain(name): value for name, value in entry.numbers.items()})
        mlflow.set_tag("answer", entry.answer)
        for path in entry.files:
            mlflow.log_artifact(str(path))
    return f"{mlflow.get_tracking_uri()}, run {run.info.run_id}"


def _wandb(entry: Entry, at: str | None) -> str:
    wandb = import_module("wandb")
    # Offline unless somebody says otherwise: a corpus is not published by a default.
    mode = os.environ.get("WANDB_MODE", "offline")
    settings = {"project": PROJECT, "name": entry.name, "dir": at, "mode": mode}
    with wandb.init(config=dict(entry.settings), **settings) as run:
        run.summary.update({**entry.numbers, "answer": entry.answer})
        for path in entry.files:
            run.save(str(path), base_path=str(path.parent), policy="now")
        return f"{run.dir} ({mode})"


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)


TRACKERS: Mapping[str, Tracker] = MappingProxyType(
    {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}
)
