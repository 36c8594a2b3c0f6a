"""The files that a run leaves."""

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from encoders.device import chosen_device
from encoders.store import write_atomically
from experiments.comparing.plan import Plan, describe_folds
from experiments.comparing.verification import report_of
from experiments.config import Study, write_study
from experiments.reporting.cost import COST, Cost
from experiments.reporting.report import folder_name, write_report
from experiments.reporting.results_schema import Results, as_json
from fusion.evaluation import predictions
from fusion.evaluation.predictions import Prediction
from fusion.model.fusion_model import FusionModel


def write_run(
    folder: Path,
    study: Study,
    model: FusionModel | None,
    rows: Sequence[Prediction],
    results: Results,
    plan: Plan,
    cost: Cost,
) -> None:
    """Write everything; ``results.json``, which makes a run complete, comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_study(study, folder / "config.toml")
    if model is not None:
        model.save(folder / "model")
    predictions.write(rows, folder / "predictions.jsonl")
    _write_json(folder / "environment.json", _environment())
    _write_json(folder / "folds.json", describe_folds(plan))
    _write_json(folder / COST, asdict(cost))
    write_report(report_of(results, folder_name(folder), cost), folder)
    _write_json(folder / "results.json", as_json(results))


def _environment() -> dict[str, str]:
    names = ("serfusion", "torch", "transformers", "sentence-transformers", "scikit-learn")
    packages = {name: version(name) for name in (*names, "optuna", "numpy", "openai-whisper")}
    machine = {"machine": platform.machine(), "device": chosen_device()}
    return {"python": platform.python_version(), **machine, **packages}


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    write_atomically(path, one_line_each(content).encode())


def one_line_each(content: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Indented JSON in which a list of numbers stands on one line."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    # No text in JSON holds a line end, so that what begins with one is no part of a text.
    return re.sub(r"\[\n([^\[\]{}\"]*)\]", lambda match: f"[{' '.join(match[1].split())}]", text)
