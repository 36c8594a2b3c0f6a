"""Whether coarser answers and sets of classes keep their promises for speakers never heard before.

Comparisons with trained heads (``--trials 0 --seeds 5``, log-mel functionals, the voice alone):
RAVDESS in the six folds of EmoBox, EmoDB (cut to 2 s by its source) without one speaker at a time.
Temperature, thresholds and sets come from the development speakers of each fold, as those of a
saved model do.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from experiments.comparing.comparison import compare
from experiments.config import Study
from experiments.reporting.diagnostics import Evidence, evidence
from fusion.evaluation.backoff import Backoff, fit_levels
from fusion.evaluation.calibration import fit_abstention, tempered
from fusion.evaluation.conformal import fit_sets, prediction_set
from fusion.evaluation.emotions import Level, branch_of, branches, coarser_levels, summed
from fusion.evaluation.predictions import read
from fusion.evaluation.windows import utterance_rows

DATA = Path(os.environ.get("SERFUSION_DATA") or Path(__file__).parents[2] / "shared" / "data")
ARM = "audio"
COVERAGES = (0.7, 0.8, 0.9)

Fit = Callable[[np.ndarray, np.ndarray, tuple[str, ...], Sequence[str]], dict[Level, float]]


def measure() -> str:
    """Shares and accuracies of answers by level, then what sets cover."""
    if not (DATA / "ravdess").is_dir():
        sys.exit(f"no real speech in {DATA}: set SERFUSION_DATA")
    torch.set_num_threads(1)
    levels = ["| corpus | thresholds | class | group | arousal | answered |", f"|{'---|' * 6}"]
    sets = ["| corpus | asked for | covered | least of a speaker | classes in a set |"]
    sets.append(f"|{'---|' * 5}")
    with TemporaryDirectory() as folder:
        for name in ("ravdess", "emodb"):
            study = Study(corpus=name, root=str(DATA / name), audio="logmel", text="minilm",
                          arms=(ARM,), trials=0, seeds=5)  # fmt: skip
            done = compare(study, out=Path(folder) / name, jobs=1)
            rows = list(utterance_rows(read(done.folder / "predictions.safetensors")))
            found, targets = evidence(rows), done.results.targets
            for how, fit in FITS.items():
                levels.append(f"| {name} | {how} | {_levels(found, targets, fit)} |")
            sets += [f"| {name} | {p:.0%} | {_sets(found, targets, p)} |" for p in COVERAGES]
    note = (
        "Test speakers: share of utterances that are answered at a level, and of these the share "
        "that is right; in all. Alone: the class or nothing. Over all rows: the rule of classes at "
        "every level, what is in use. Over what is left: the rule at each level among development "
        "rows that no finer level names."
    )
    below = (
        "Share of test utterances whose set holds the true class (each speaker counts alike), the "
        "least share of any speaker, and the mean size of a set. With S development speakers the "
        "quantile is that of (S + 1) / S times what was asked for: 20 in RAVDESS, 9 in EmoDB."
    )
    return "\n".join([note, "", *levels, "", below, "", *sets])


# ---------------------------------------------------------------- levels


def _in_use(
    scores: np.ndarray, truth: np.ndarray, targets: tuple[str, ...], speakers: Sequence[str]
) -> dict[Level, float]:
    return {rule.level: rule.threshold for rule in fit_levels(scores, truth, targets, speakers)}


def _alone(
    scores: np.ndarray, truth: np.ndarray, targets: tuple[str, ...], speakers: Sequence[str]
) -> dict[Level, float]:
    return {"class": _in_use(scores, truth, targets, speakers)["class"]}


def _of_rest(
    scores: np.ndarray, truth: np.ndarray, targets: tuple[str, ...], speakers: Sequence[str]
) -> dict[Level, float]:
    left, chosen = np.ones(scores.shape[:2], bool), dict[Level, float]()
    levels: tuple[Level, ...] = ("class", *coarser_levels(targets))
    for level in levels:
        names, sums = summed(scores, targets, level)
        branch = np.array([names.index(name) for name in branches(targets, level)])
        confidence, right = sums.max(axis=-1), sums.argmax(axis=-1) == branch[truth]
        chosen[level] = fit_abstention(confidence[left], right[left]).threshold
        left &= confidence < chosen[level]
    return chosen


#: How thresholds can be chosen.
FITS: Mapping[str, Fit] = {"alone": _alone, "over all rows": _in_use, "over what is left": _of_rest}


def _levels(found: Evidence, targets: tuple[str, ...], fit: Fit) -> str:
    hits: dict[Level, list[bool]] = {"class": [], "group": [], "arousal": []}
    rows = 0
    for dev, truth, speakers, own in _folds(found):
        rules = Backoff(targets, fit(dev, truth, targets, speakers))
        scores, true, _ = own
        for seed in scores:
            for row, label in zip(seed, true, strict=True):
                rows += 1
                if (answer := rules.answer(row)) is not None:
                    right = branch_of(targets[label], answer.level) == answer.label
                    hits[answer.level].append(right)
    cells = [f"{len(h) / rows:.0%}, {np.mean(h):.0%}" if h else "–" for h in hits.values()]
    every = [right for of_level in hits.values() for right in of_level]
    return " | ".join([*cells, f"{len(every) / rows:.0%}, {np.mean(every):.0%}"])


# ---------------------------------------------------------------- sets


def _sets(found: Evidence, targets: tuple[str, ...], coverage: float) -> str:
    by_speaker: dict[str, list[bool]] = {}
    sizes: list[int] = []
    for dev, truth, speakers, own in _folds(found):
        fitted = fit_sets(dev, truth, speakers)
        assert fitted is not None
        least = fitted.threshold(coverage)
        scores, true, people = own
        for seed in scores:
            for row, label, person in zip(seed, true, people, strict=True):
                among = prediction_set(row, targets, least)
                by_speaker.setdefault(person, []).append(targets[label] in among)
                sizes.append(len(among))
    shares = [float(np.mean(held)) for held in by_speaker.values()]
    return f"{np.mean(shares):.1%} | {min(shares):.0%} | {np.mean(sizes):.1f} of {len(targets)}"


Own = tuple[np.ndarray, np.ndarray, list[str]]


def _folds(found: Evidence) -> list[tuple[np.ndarray, np.ndarray, tuple[str, ...], Own]]:
    """Calibrated answers to development rows of each fold with truth and speakers, and to test."""
    test, folds = found.test[ARM], []
    for fold in dict.fromkeys(test.folds):
        dev = found.answers(ARM, fold)
        assert dev is not None
        temperature, own = dev.fit_temperature(), np.array(test.folds) == fold
        scores = tempered(test.probabilities[:, own], temperature)
        people = [speaker for speaker, here in zip(test.speakers, own, strict=True) if here]
        there = (scores, test.truth[own], people)
        folds.append((tempered(dev.answers, temperature), dev.truth, dev.speakers, there))
    return folds
