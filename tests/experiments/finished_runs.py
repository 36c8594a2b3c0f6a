"""Finished runs without any training: predictions of a known skill, their facts and results."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from experiments.comparing.verification import report_of
from experiments.reporting.report import folder_name, write_report
from experiments.reporting.results import summarise, with_best
from experiments.reporting.results_file import parsed
from experiments.reporting.results_schema import (
    CellFacts,
    Dropped,
    Facts,
    FitCounts,
    FoldResults,
    MeanCurve,
    Results,
    RunFacts,
    TriedOut,
    as_json,
)
from fusion.evaluation import predictions
from fusion.evaluation.predictions import Prediction
from fusion.leakage.findings import TextProbe

SKILL = {"audio": 0.5, "text": 0.35, "concat": 0.75}
STUDY = {
    "audio": "logmel",
    "text": "minilm",
    "corpus": "tiny",
    "manifest": None,
    "root": "a folder",
    "labels": ["calm", "cross"],
    "asr": "whisper-base",
    "arms": None,
    "trials": 2,
    "seeds": 2,
}
EVIL = "<script>alert(1)</script>"


def make_rows(arms, speakers, targets):
    """Predictions that are right with the arm's skill, drawn with a fixed seed."""
    rng = np.random.default_rng(7)
    rows = []
    for arm in arms:
        for number in range(speakers):
            for split, fold in (("dev", 1 - number % 2), ("test", number % 2)):
                for item in range(3 * len(targets)):
                    truth = item % len(targets)
                    for seed in (0, 1):
                        scores = rng.dirichlet(np.ones(len(targets)))
                        scores[truth] += rng.random() < SKILL.get(arm, 0.6)
                        rows.append(make_row(arm, number, item, fold, split, seed, truth, scores))
    return rows


def make_row(arm, number, item, fold, split, seed, truth, scores):
    return Prediction(
        run="abc123",
        corpus="tiny",
        utterance=f"s{number}-{item}",
        speaker=f"s{number}",
        arm=arm,
        outer_fold=str(fold),
        inner_fold=0 if split == "dev" else None,
        seed=seed,
        split=split,
        window=None,
        target=tuple(float(k == truth) for k in range(len(scores))),
        scores=tuple(round(float(score), 6) for score in scores),
    )


def plain_facts(**known):
    """Facts of a run that knows nothing of itself but what is given."""
    nothing = dict.fromkeys(("folds", "encoded", "cached", "recognised"), 0)
    nothing |= dict.fromkeys(("synthetic", "untrained", "contaminated", "leaky"), False)
    nothing |= {name: {} for name in ("trained_on", "encoders", "checkpoints", "published")}
    nothing |= {"study": STUDY, "protocol": "speaker", "finetuned": (), "recogniser": None}
    nothing |= {"text_probe": None, "groups": {}, "training_overlap": 0.0}
    return Facts(**{**nothing, **known})


def cell_facts(**known):
    """Facts of a cell of an ablation."""
    about = {"values": {"noise": "white:10"}, "cell": {}, "without_words": 0}
    about |= {"training_speakers": (2, 4), "fits": FitCounts(1, 0)}
    return CellFacts(**{**about, **known})


def make_facts(arms, targets, dropped=(), trials=2):
    tried = [(0.5, {"hidden": 64, "dropout": 0.5}), (0.625, {"hidden": 64, "dropout": 0.25})]
    fit = FoldResults(
        fold="0",
        hyperparameters={"hidden": 64, "dropout": 0.25},
        trials=tuple(TriedOut(value, "complete", values) for value, values in (tried * 3)[:trials]),
        importance={"hidden": 0.25, "dropout": 0.75},
        epochs=(2, 3),
        curve=MeanCurve(
            train=[1.5, 1.25, 1.125],
            dev=[1.25, 1.0, 1.5],
            low=[1.0, 0.75, 1.5],
            high=[1.5, 1.25, 1.5],
            heads=[2, 2, 1],
        ),
    )
    return RunFacts(
        run="abc123",
        corpus="tiny",
        task="single-label",
        targets=tuple(targets),
        dropped=tuple(Dropped(**row) for row in dropped),
        warnings=("the words are constant",),
        fits={arm: (fit, replace(fit, fold="1")) for arm in arms},
        facts=plain_facts(
            folds=2,
            encoders={"audio": "f" * 64},
            recognised=3,
            recogniser="whisper-base",
            text_probe=TextProbe(10, shared=1.0, uar=0.2, null_high=0.3, p=0.04),
        ),
    )


def make_results(arms=("audio", "text", "concat"), speakers=6, targets=("calm", "cross")):
    rows = with_best(make_rows(arms, speakers, targets))
    return summarise(rows, make_facts(arms, targets))


def make_content(*args, **options):
    """What results.json holds of a finished run, to be changed."""
    return as_json(make_results(*args, **options))


def typed(content):
    """Content of results.json, read strictly."""
    return parsed(json.dumps(content).encode())


def write_pages(results, folder, cost=None):
    """Every file of the report of a run."""
    found = results if isinstance(results, Results) else typed(results)
    write_report(report_of(found, folder_name(folder), cost), folder)


def save(folder, rows, facts):
    """Predictions and results of a finished run, as far as a report needs them."""
    folder.mkdir()
    predictions.write(rows, folder / "predictions.safetensors")
    (folder / "results.json").write_text(json.dumps(as_json(summarise(rows, facts))))
    return folder


def save_run(folder):
    arms, targets = ("audio", "text", "concat"), ("calm", "cross")
    return save(folder, with_best(make_rows(arms, 6, targets)), make_facts(arms, targets))


def change(folder, edit):
    path = folder / "results.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
