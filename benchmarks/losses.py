"""What the loss and the metric that is chosen by are worth, on the words of MELD.

The official split (train, dev, test), which shares speakers between its parts: the published
tables are of it, and a comparison refuses it. Frozen MiniLM, a head with one hidden layer, stopped
on dev; without trials, and with trials that are chosen by UAR and by weighted F1.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.embedding import embed
from encoders.encoder import load_encoder
from encoders.pooling import for_head
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus
from experiments.corpora import read_corpus
from fusion.batch import Dataset, collate
from fusion.evaluation import metrics
from fusion.evaluation.goals import Goal
from fusion.networks.losses import LOSSES
from fusion.splitting.splits import Fold, InnerFold, InnerFolds
from fusion.training.arm_table import trained_arm
from fusion.training.arms import Budget, FoldScores, fit_arm, score

DATA = Path(os.environ.get("SERFUSION_DATA") or Path(__file__).parents[2] / "shared" / "data")
SEEDS, TRIALS = 5, 10
Counted = Callable[[np.ndarray], np.ndarray]
COLUMNS: Mapping[str, Counted] = {
    "accuracy": metrics.accuracy,
    "weighted F1": metrics.weighted_f1,
    "UAR": metrics.uar,
    "macro F1": metrics.macro_f1,
    "macro precision": metrics.macro_precision,
}


def measure() -> str:
    """One row per loss, trials and metric that they are chosen by."""
    if not (DATA / "meld").is_dir():
        sys.exit(f"no MELD in {DATA}: set SERFUSION_DATA")
    torch.set_num_threads(1)
    corpus = read_corpus("meld", DATA / "meld")
    data, split = _data(corpus), _split(corpus)
    head = ["loss", "trials", "chosen by", *COLUMNS, "AUC"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    budget = Budget(0, SEEDS)
    budgets = [replace(budget, fixed={"loss": loss}) for loss in LOSSES["single-label"]]
    chosen: tuple[Goal, ...] = ("uar", "weighted_f1")
    budgets += [
        replace(budget, trials=TRIALS, fixed={"loss": loss}, goal=goal)
        for loss in ("cross_entropy", "plain")
        for goal in chosen
    ]
    for spent in budgets:
        lines.append(f"| {' | '.join(_row(data, split, spent))} |")
        print(lines[-1], flush=True)
    note = (
        f"MELD, seven emotions, official test set (2610 utterances), the words alone: in percent, "
        f"mean over {SEEDS} seeds with their deviation. The split shares speakers, so that these "
        "are no scores on new ones."
    )
    return "\n".join([note, "", *lines])


def _data(corpus: Corpus) -> Dataset:
    modality = parse_modality("minilm", "text")
    texts = list(dict.fromkeys(u.transcript for u in corpus.utterances if u.transcript))
    encoder = load_encoder(modality.encoder)
    stored = [one[modality.encoder] for one in embed(encoder, texts, (modality.encoder,))]
    rows = {
        text: for_head(torch.from_numpy(one.values), modality, one.frame_count)
        for text, one in zip(texts, stored, strict=True)
    }
    used = [u for u in corpus.utterances if u.transcript and u.target]
    truth = np.array([np.argmax(u.target or ()) for u in used])
    batch = collate([rows[u.transcript or ""] for u in used])
    return Dataset(tuple(u.id for u in used), corpus.targets, truth, {"text": batch})


def _split(corpus: Corpus) -> dict[str, tuple[str, ...]]:
    used = [u for u in corpus.utterances if u.transcript and u.target]
    return {side: tuple(u.id for u in used if u.split == side) for side in ("train", "dev", "test")}


def _row(data: Dataset, split: Mapping[str, tuple[str, ...]], budget: Budget) -> list[str]:
    inner = InnerFolds((InnerFold(split["train"], split["dev"]),))
    fitted = fit_arm(trained_arm("text"), data, inner, budget, None)
    fold = Fold("official", split["train"], split["test"])
    scores = score(fitted, data, fold, SEEDS)
    goal = "–" if budget.trials == 0 else budget.goal or "uar"
    told: list[Any] = [budget.fixed["loss"], budget.trials, goal, *_cells(data, scores)]
    return [str(cell) for cell in told]


def _cells(data: Dataset, scores: FoldScores) -> list[str]:
    truth = data.truth[scores.test]
    counts = np.stack(
        [
            metrics.confusion(truth, seed.argmax(axis=1), len(data.targets))
            for seed in scores.test_scores
        ]
    )
    values = [of(counts) for of in COLUMNS.values()]
    hot = np.eye(len(data.targets), dtype=bool)[truth]
    values.append(np.array([metrics.macro_auc(hot, seed) for seed in scores.test_scores]))
    return [f"{100 * each.mean():.1f} ± {100 * each.std(ddof=1):.1f}" for each in values]
