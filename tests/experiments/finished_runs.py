"""Finished runs without any training: predictions of a known skill, their facts and results."""

from __future__ import annotations

import json

import numpy as np

from experiments.reporting.results import RunFacts, summarise, with_best
from fusion import predictions
from fusion.predictions import Prediction

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


def make_facts(arms, targets, dropped=()):
    tried = [(0.5, {"hidden": 64, "dropout": 0.5}), (0.625, {"hidden": 64, "dropout": 0.25})]
    fit = {
        "hyperparameters": {"hidden": 64, "dropout": 0.25},
        "trials": [{"value": v, "state": "complete", "parameters": p} for v, p in tried],
        "importance": {"hidden": 0.25, "dropout": 0.75},
        "epochs": [2, 3],
        "curve": {
            "train": [1.5, 1.25, 1.125],
            "dev": [1.25, 1.0, 1.5],
            "low": [1.0, 0.75, 1.5],
            "high": [1.5, 1.25, 1.5],
            "heads": [2, 2, 1],
        },
    }
    return RunFacts(
        run="abc123",
        corpus="tiny",
        task="single-label",
        targets=tuple(targets),
        dropped=tuple(dropped),
        warnings=("the words are constant",),
        fits={arm: ({"fold": "0", **fit}, {"fold": "1", **fit}) for arm in arms},
        facts={
            "study": STUDY,
            "protocol": "speaker",
            "folds": 2,
            "encoders": {"audio": "f" * 64},
            "recognised": 3,
            "recogniser": "whisper-base",
            "text_probe": {
                "sentences": 10, "shared": 1.0, "even": False,
                "uar": 0.2, "null_high": 0.3, "p": 0.04
            },
        },
    )  # fmt: skip


def make_results(arms=("audio", "text", "concat"), speakers=6, targets=("calm", "cross")):
    rows = with_best(make_rows(arms, speakers, targets))
    return json.loads(json.dumps(summarise(rows, make_facts(arms, targets))))


def save_run(folder):
    """A finished run, as far as a report needs one."""
    folder.mkdir()
    rows = with_best(make_rows(("audio", "text", "concat"), 6, ("calm", "cross")))
    found = summarise(rows, make_facts(("audio", "text", "concat"), ("calm", "cross")))
    predictions.write(rows, folder / "predictions.jsonl")
    (folder / "results.json").write_text(json.dumps(found))
    return folder


def change(folder, edit):
    path = folder / "results.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
