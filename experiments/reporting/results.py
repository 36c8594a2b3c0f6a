"""``results.json``: every number of a report, computed from stored predictions alone."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from encoders.utterance import Task
from experiments.reporting import scrutiny
from experiments.reporting.alarm import development
from experiments.reporting.caveats import BEST
from experiments.reporting.fold_fits import carried
from experiments.reporting.graded import graded, with_shares
from experiments.reporting.matrix import corpus_matrix
from experiments.reporting.pairs import differences
from fusion import metrics
from fusion.jackknife import effective
from fusion.predictions import (
    Prediction,
    best_per_fold,
    counts_by_speaker,
    digest,
    with_majority,
)
from fusion.statistics import Difference, interval, paired_difference
from fusion.training.arm_table import arms_that
from fusion.windows import utterance_rows

COMPARED = ("uar", "accuracy")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run knows besides its predictions; stored in ``results.json`` as it is."""

    run: str
    corpus: str
    task: Task
    targets: tuple[str, ...]
    dropped: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    fits: Mapping[str, tuple[Mapping[str, Any], ...]]
    facts: Mapping[str, Any]
    certificate: Mapping[str, Any] | None = None

    def digest(self) -> str:
        """Sha256 of all of it as canonical JSON, whatever the order of arms and folds.

        Nothing here can be computed from predictions: a report can only tell whether it changed.
        """
        fits = {
            arm: sorted(rows, key=lambda row: str(row["fold"]))
            for arm, rows in self.fits.items()
            if rows
        }
        content = {**asdict(self), "fits": fits}
        if self.certificate is None:
            # As it was before there were certificates.
            del content["certificate"]
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def with_best(rows: Sequence[Prediction], task: Task = "single-label") -> list[Prediction]:
    """Predictions with the arms ``best_unimodal`` and ``best_fused`` added.

    Both are chosen per outer fold on development rows; their test rows are copies.
    """
    added = list(rows)
    for name, chosen in _chosen(rows, task).items():
        added += [
            replace(row, arm=name)
            for row in rows
            if row.split == "test" and row.arm == chosen[row.outer_fold]
        ]
    return added


def _chosen(rows: Sequence[Prediction], task: Task) -> dict[str, dict[str, str]]:
    """Arm that each best arm stands for, by outer fold."""
    rows = utterance_rows(rows)
    present = {row.arm for row in rows}
    groups = {"best_unimodal": arms_that(fuse=False), "best_fused": arms_that(fuse=True)}
    found = {name: [arm for arm in group if arm in present] for name, group in groups.items()}
    return {name: best_per_fold(rows, arms, task) for name, arms in found.items() if arms}


def summarise(rows: Sequence[Prediction], facts: RunFacts) -> dict[str, Any]:
    """The content of ``results.json``.

    ``hashes`` holds those of what is carried over from the facts and of ``predictions.jsonl``,
    as :func:`fusion.predictions.write` makes it of these rows.
    """
    whole = utterance_rows(rows)
    test = [row for row in whole if row.split == "test"]
    used = {row.utterance for row in test}
    counted = with_majority(whole, facts.task)
    classless = facts.task in ("multi-label", "regression")
    if classless:
        made = graded(
            whole, facts.task, facts.targets, _fits(whole, facts), facts.facts.get("groups", {})
        )
    else:
        made = _of_classes(counted, with_majority(rows, facts.task), facts)
    if facts.task == "distribution":
        made = with_shares(made, whole, facts.targets)
    tied = len(used) - len({row.utterance for row in counted if row.split == "test"})
    return {
        "run": facts.run,
        "corpus": facts.corpus,
        "task": facts.task,
        "targets": list(facts.targets),
        "rows": {
            "used": len(used),
            "speakers": len({row.speaker for row in test}),
            "dropped": [dict(row) for row in facts.dropped],
            **({"without_majority": tied} if facts.task == "distribution" else {}),
        },
        "seeds": sorted({row.seed for row in test}),
        **made,
        "warnings": list(facts.warnings),
        "facts": dict(facts.facts),
        **({} if facts.certificate is None else {"certificate": dict(facts.certificate)}),
        "hashes": {"facts": facts.digest(), "predictions": digest(rows)},
    }


def _of_classes(
    whole: Sequence[Prediction], rows: Sequence[Prediction], facts: RunFacts
) -> dict[str, Any]:
    """Arms and their differences where every row has one class; ``rows`` may be of windows."""
    test = [row for row in whole if row.split == "test"]
    speakers = sorted({row.speaker for row in test})
    seeds = sorted({row.seed for row in test})
    arms = {
        arm: [row for row in test if row.arm == arm] for arm in dict.fromkeys(r.arm for r in test)
    }
    counts = {arm: counts_by_speaker(own, speakers, seeds) for arm, own in arms.items()}
    cells = corpus_matrix(test, facts.facts.get("trained_on", {}))
    fits, folds = _fits(whole, facts), list(dict.fromkeys(row.outer_fold for row in test))
    found = scrutiny.evidence(whole)
    return {
        "arms": {
            arm: _arm(arms[arm], counts[arm], facts.targets, folds, fits.get(arm, ())) | more
            for arm, more in _scrutinised(rows, found, facts, fits).items()
        },
        "differences": _differences(counts, _published(facts), found),
        **({"matrix": cells} if cells else {}),
    }


def _scrutinised(
    rows: Sequence[Prediction],
    found: scrutiny.Evidence,
    facts: RunFacts,
    fits: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, dict[str, Any]]:
    """What a reviewer asks besides scores; by group and speaker of the best arms only."""
    nulls, known = scrutiny.nulls(found), facts.facts.get("groups", {})
    by_group = [arm for arm in BEST if arm in found.test] or list(found.test)
    made: dict[str, dict[str, Any]] = {}
    for arm, test in found.test.items():
        stands_for = {fit["fold"]: fit["chosen"] for fit in fits.get(arm, ()) if "chosen" in fit}
        made[arm] = {
            "null": nulls[arm],
            "calibration": scrutiny.calibration(found, arm, stands_for),
            "development": development(found, arm, stands_for),
        }
        own = [row for row in rows if row.arm == arm and row.split == "test"]
        windows = scrutiny.windows(own)
        made[arm] |= {"windows": windows} if windows else {}
        if arm in by_group:
            made[arm]["groups"] = scrutiny.groups(test, known)
            made[arm]["speakers"] = scrutiny.by_speaker(test)
    return made


def _fits(rows: Sequence[Prediction], facts: RunFacts) -> dict[str, Sequence[Mapping[str, Any]]]:
    """How each arm was fitted in each fold; of a best arm, which arm it stands for and its fit."""
    fits: dict[str, Sequence[Mapping[str, Any]]] = dict(facts.fits)
    of = {(arm, fit["fold"]): fit for arm, own in facts.fits.items() for fit in own}
    for name, chosen in _chosen(rows, facts.task).items():
        fits[name] = [
            {**of.get((arm, fold), {}), "fold": fold, "chosen": arm} for fold, arm in chosen.items()
        ]
    return fits


def _arm(
    rows: Sequence[Prediction],
    counts: np.ndarray,
    targets: Sequence[str],
    folds: Sequence[str],
    fits: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    total = counts.sum(axis=0)  # [seeds, K, K]
    summary: dict[str, Any] = {
        name: asdict(interval(counts, metric)) for name, metric in metrics.METRICS.items()
    }
    for name, metric in metrics.METRICS.items():
        by_seed = metric(total)
        spread = _number(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
        summary[name]["sd_over_seeds"] = spread
    return {
        **summary,
        "effective": float(effective(counts)),
        "per_class": _per_class(total, targets),
        "folds": _folds(rows, folds, fits),
        "trials": max((len(fit.get("trials", ())) for fit in fits), default=0),
        "confusion": total.mean(axis=0).tolist(),
    }


def _per_class(total: np.ndarray, targets: Sequence[str]) -> dict[str, Any]:
    recall, precision = metrics.recalls(total).mean(axis=0), metrics.precisions(total).mean(axis=0)
    f1, support = metrics.f1_scores(total).mean(axis=0), total[0].sum(axis=1)
    return {
        target: {
            "recall": _number(recall[k]),
            "precision": _number(precision[k]),
            "f1": _number(f1[k]),
            "support": int(support[k]),
        }
        for k, target in enumerate(targets)
    }


def _folds(
    rows: Sequence[Prediction], names: Sequence[str], fits: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Per outer fold, in the same order for every arm; UAR is null where a fold lacks a class."""
    seeds = sorted({row.seed for row in rows})
    about = {fit["fold"]: fit for fit in fits}
    folds = []
    for name in sorted({row.outer_fold for row in rows}, key=list(names).index):
        own = [row for row in rows if row.outer_fold == name]
        counts = counts_by_speaker(own, sorted({row.speaker for row in own}), seeds).sum(axis=0)
        lacking = int((counts[0].sum(axis=1) == 0).sum())
        entry: dict[str, Any] = {
            "fold": name,
            "rows": len({row.utterance for row in own}),
            "uar": _number(metrics.uar(counts).mean()),
            "accuracy": _number(metrics.accuracy(counts).mean()),
        }
        if lacking:
            entry["uar_reason"] = f"{lacking} of {counts.shape[-1]} classes have no test utterance"
        folds.append({**entry, **carried(about.get(name, {}))})
    return folds


def _published(facts: RunFacts) -> dict[str, str]:
    """Published classifiers, each with the arm that reads what it reads."""
    return {arm: one["kind"] for arm, one in facts.facts.get("published", {}).items()}


def _differences(
    counts: Mapping[str, np.ndarray], published: Mapping[str, str], found: scrutiny.Evidence
) -> list[dict[str, Any]]:
    """Differences in UAR, then in accuracy with McNemar's test beside them."""
    rows: list[dict[str, Any]] = []
    for metric in COMPARED:

        def compare(arm: str, other: str, metric: str = metric) -> Difference:
            return paired_difference(counts[arm], counts[other], metric)

        rows += differences(counts, published, metric, compare)
    for row in rows:
        if row["metric"] == "accuracy":
            row["mcnemar"] = scrutiny.unclustered(found, row["arm"], row["against"])
    return rows


def _number(value: Any) -> float | None:  # noqa: ANN401 - a NumPy scalar
    return None if np.isnan(value) else float(value)
