"""What a reviewer asks of an arm besides its scores: chance, calibration, speakers, windows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from experiments.reporting.results_schema import (
    Abstained,
    ArmDifference,
    Bin,
    Bins,
    Calibration,
    CalibrationErrors,
    CalibrationFold,
    Development,
    RiskPoint,
    SpeakerScores,
    WindowScores,
)
from fusion.evaluation import metrics
from fusion.evaluation.calibration import DevAnswers, brier, log_loss, risk_coverage, tempered
from fusion.evaluation.columns import WHOLE, Prediction, Predictions
from fusion.evaluation.measures import CLASSES
from fusion.evaluation.p_values import mcnemar
from fusion.evaluation.permutation import Null, against_null, moved, orders
from fusion.evaluation.predictions import ScoreArrays, answers_of, sides_of
from fusion.evaluation.speaker_sums import SpeakerSums, tally_classes
from fusion.evaluation.statistics import Interval, interval, unpaired_difference
from fusion.evaluation.windows import WAYS, utterance_rows

#: Metrics of windows, before and after they are put together.
WINDOW_METRICS = ("uar", "accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Predictions as arrays: test rows by arm, development rows by arm and fold.

    ``inner`` is the inner fold of each development row.
    """

    test: Mapping[str, ScoreArrays]
    dev: Mapping[tuple[str, str], ScoreArrays]
    inner: Mapping[tuple[str, str], Int[np.ndarray, "rows"]]

    def answers(self, arm: str, fold: str) -> DevAnswers | None:
        """What an arm said of development rows of a fold; None where it said nothing."""
        dev = self.dev.get((arm, fold))
        if dev is None:
            return None
        return DevAnswers(dev.probabilities, dev.truth, self.inner[arm, fold], dev.speakers)


def evidence(rows: Iterable[Prediction]) -> Evidence:
    """Arrays of predictions of utterances."""
    sides = sides_of(rows)
    dev = {place: answers_of(own) for place, own in sides.dev.items()}
    return Evidence(
        {arm: answers_of(own) for arm, own in sides.test.items()},
        dev,
        {place: _inner_folds(own, dev[place]) for place, own in sides.dev.items()},
    )


def _inner_folds(rows: Predictions, found: ScoreArrays) -> Int[np.ndarray, "rows"]:
    inner = {
        subject.utterance: fold
        for fold, own in rows.by(lambda place: place.inner_fold or 0).items()
        for subject in own.present()
    }
    return np.array([inner[utterance] for utterance in found.utterances], np.int64)


# ---------------------------------------------------------------- chance


def nulls(found: Evidence, overlap_of: Callable[[str], float]) -> dict[str, Null | None]:
    """Each arm against its own predictions with labels moved within speakers."""
    draws: dict[tuple[str, ...], np.ndarray] = {}
    made = {}
    for arm, one in found.test.items():
        series = orders(one.speakers, one.dialogues, one.turns, one.clusters.of)
        if one.utterances not in draws:  # every arm has the same rows, and so the same draws
            draws[one.utterances] = moved(one.truth, series)
        classes = one.scores.shape[-1]
        about = (one.truth, one.guesses, series, draws[one.utterances], classes)
        made[arm] = against_null(*about, overlap_of(arm))
    return made


def with_mcnemar(row: ArmDifference, found: Evidence) -> ArmDifference:
    """McNemar's test beside a difference in accuracy, where both arms have the same rows."""
    one, other = found.test[row.arm], found.test[row.against]
    same = one.utterances == other.utterances and len(one.scores) == len(other.scores)
    if row.metric != "accuracy" or not same:
        return row
    hits = [side.guesses == side.truth for side in (one, other)]
    return replace(row, mcnemar=mcnemar(*hits))


# ---------------------------------------------------------------- calibration


def calibration(found: Evidence, arm: str, heads_of: Mapping[str, str]) -> Calibration | None:
    """Calibration of an arm on test rows, before and after what development rows gave.

    ``heads_of`` is the arm whose development rows are those of a fold; None without such rows.
    """
    test, before = found.test[arm], found.test[arm].probabilities
    after, kept = before.copy(), np.zeros(before.shape[:2], bool)
    folds = []
    for fold in dict.fromkeys(test.folds):
        dev = found.answers(heads_of.get(fold, arm), fold)
        if dev is None:
            return None
        own = np.array(test.folds) == fold
        temperature = dev.fit_temperature()
        abstention = dev.abstention(temperature)
        after[:, own] = tempered(before[:, own], temperature)
        kept[:, own] = after[:, own].max(axis=-1) >= abstention.threshold
        promised = asdict(abstention)
        folds.append(CalibrationFold(**promised, fold=fold, temperature=temperature))
    truth = test.truth
    curves = [risk_coverage(p.max(axis=-1), p.argmax(axis=-1) == truth) for p in after]
    accuracy = np.mean([curve.accuracy for curve in curves], axis=0)
    points = zip(curves[0].coverage, accuracy, strict=True)
    return Calibration(
        folds=tuple(folds),
        before=_errors(before, truth),
        after=_errors(after, truth),
        bins=Bins(_bins(before, truth), _bins(after, truth)),
        risk_coverage=tuple(RiskPoint(float(c), float(a)) for c, a in points),
        risk_area=float(np.mean([curve.area for curve in curves])),
        abstention=_kept(kept, after.argmax(axis=-1) == truth),
    )


def _errors(
    scores: Float[np.ndarray, "seeds rows targets"], truth: np.ndarray
) -> CalibrationErrors:
    """Calibration errors, mean over seeds."""
    kinds = (metrics.ece, log_loss, brier)
    return CalibrationErrors(*(float(np.mean([of(truth, s) for s in scores])) for of in kinds))


def _bins(scores: np.ndarray, truth: np.ndarray) -> tuple[Bin, ...]:
    """The reliability diagram: bins that hold rows, counted per seed."""
    seeds = len(scores)
    found = metrics.confidence_bins(np.tile(truth, seeds), scores.reshape(-1, scores.shape[-1]))
    columns = zip(found.rows, found.confidence, found.accuracy, strict=True)
    return tuple(
        Bin(float(rows / seeds), float(sure), float(right)) for rows, sure, right in columns if rows
    )


def _kept(kept: Bool[np.ndarray, "seeds rows"], right: Bool[np.ndarray, "seeds rows"]) -> Abstained:
    accuracy = float(right[kept].mean()) if kept.any() else None
    return Abstained(float(kept.mean()), accuracy, float(right.mean()))


# ---------------------------------------------------------------- development rows


def development(
    found: Evidence, arm: str, heads_of: Mapping[str, str], overlap: float
) -> Development | None:
    """UAR of an arm on development rows and its difference to test rows, over speakers.

    Far above the test score it is a sign that development rows were known beforehand: embeddings
    that were trained on labels of the training set make every development score too good, and
    whatever is selected by it. None where an arm has no such rows. The difference is that of two
    independent groups of speakers; where the same speakers are in both, as over folds, it is only
    surer than it says.
    """
    test = found.test[arm]
    places = [(heads_of.get(fold, arm), fold) for fold in dict.fromkeys(test.folds)]
    if any(place not in found.dev for place in places):
        return None
    uar = CLASSES["uar"]
    sums = sums_of([found.dev[place] for place in places], overlap)
    apart = unpaired_difference(sums, sums_of([test], overlap), uar)
    value = uar.of(sums.sums.sum(axis=0)).mean()
    return Development(None if np.isnan(value) else float(value), apart)


def sums_of(parts: Sequence[ScoreArrays], overlap: float) -> SpeakerSums:
    """Confusion counts by cluster of speakers and seed."""
    guesses = np.concatenate([one.guesses for one in parts], axis=1)
    truth = np.concatenate([one.truth for one in parts])
    names = [name for one in parts for name in one.clusters.of]
    counts = tally_classes(truth, guesses, names, parts[0].scores.shape[-1])
    return replace(counts, unit=parts[0].clusters.unit, overlap=overlap)


# ---------------------------------------------------------------- speakers


def by_speaker(found: ScoreArrays) -> dict[str, SpeakerScores]:
    """UAR and accuracy of each speaker, with intervals over utterances."""
    speakers, utterances = np.array(found.speakers), np.array(found.utterances)
    truth, guesses, classes = found.truth, found.guesses, found.scores.shape[-1]
    made = {}
    for name in sorted(set(found.speakers)):
        own = speakers == name
        clusters = utterances[own].tolist()
        counts = tally_classes(truth[own], guesses[:, own], clusters, classes)
        counts = replace(counts, unit="utterances")
        # Of one speaker nothing is claimed of others, so that a class of two utterances suffices.
        scores = [_varying(interval(counts, CLASSES[of], rarest=2)) for of in ("uar", "accuracy")]
        made[name] = SpeakerScores(int(own.sum()), *scores)
    return made


def _varying(found: Interval) -> Interval:
    """An interval that has a width: where each class is all right or all wrong nothing tells it."""
    if found.low is None or found.low != found.high:
        return found
    return Interval(found.value, None, None, "none: every class is all right or all wrong")


# ---------------------------------------------------------------- windows


def windows(rows: Predictions, overlap: float) -> dict[str, WindowScores] | None:
    """Scores of one arm's test windows, and of utterances put together from them in each way.

    None where some rows are whole utterances, as those of a best arm may be.
    """
    if (rows.window == WHOLE).any():
        return None
    seeds = rows.by(lambda place: place.seed)
    sides: dict[str, Predictions] = {"window": rows}
    sides |= {way: utterance_rows(rows, way) for way in WAYS}
    made = {}
    for name, own in sides.items():
        # A window is a row of its own here.
        each = [replace(row, utterance=f"{row.utterance} {row.window}") for row in own]
        counts = sums_of([answers_of(each)], overlap)
        scores = {m: interval(counts, CLASSES[m]) for m in WINDOW_METRICS}
        made[name] = WindowScores(len(own) // len(seeds), **scores)
    return made
