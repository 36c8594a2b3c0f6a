"""What ``results.json`` holds: these types are written to it, read from it and told by reports.

A field with a default is in the file only where
it has another value; a metric that a task does not have is :data:`NOT_SCORED`, or
:data:`NO_METRIC` among the plain numbers of a fold or a target.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields, is_dataclass, replace
from typing import Any, Literal, Self

from encoders.utterance import Task
from experiments.reporting.trained_encoder import Trained
from fusion.evaluation.calibration import Abstention
from fusion.evaluation.p_values import McNemar
from fusion.evaluation.permutation import Null
from fusion.evaluation.statistics import Corrected, Difference, Interval
from fusion.evaluation.subgroups import Grouping
from fusion.leakage.findings import Certificate, TextProbe

#: Tasks whose rows are scored by one class each.
CLASS_TASKS = ("single-label", "distribution")

Scalar = str | int | float | bool | None
#: An option of a study.
Option = Scalar | list[str]


@dataclass(frozen=True, slots=True)
class Formats:
    """Versions of the files of a run; they go up when what is written could be misread."""

    results: int
    predictions: int
    folds: int


#: What this version writes and reads.
FORMATS = Formats(results=2, predictions=3, folds=1)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that left every arm."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows were used, and which were not.

    ``clusters`` are what intervals count, ``unit`` what they are called: speakers, or groups of
    speakers who talk with each other. ``without_majority`` counts rows whose shares have no largest
    one, where there are shares.
    """

    used: int
    speakers: int
    clusters: int
    unit: str
    dropped: tuple[Dropped, ...]
    without_majority: int | None = None


# ---------------------------------------------------------------- scores


@dataclass(frozen=True, slots=True)
class Score(Interval):
    """A metric of an arm with its interval over speakers; the deviation is None of one seed."""

    sd_over_seeds: float | None


NOT_SCORED = Score(None, None, None, "not a metric of this task", None)
NO_METRIC = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetScores:
    """A class, a label or a dimension by itself, mean over seeds; None where it is undefined."""

    recall: float | None = NO_METRIC
    precision: float | None = NO_METRIC
    f1: float | None = NO_METRIC
    weighted_accuracy: float | None = NO_METRIC
    auc: float | None = NO_METRIC
    auc_reason: str | None = None
    support: int | None = None
    ccc: float | None = NO_METRIC
    pearson: float | None = NO_METRIC
    mse: float | None = NO_METRIC
    mae: float | None = NO_METRIC

    def of(self, metric: str) -> float | None:
        """A metric by its name."""
        value: float | None = getattr(self, metric)
        return value


@dataclass(frozen=True, slots=True)
class Auc:
    """AUC of a label; without one, why."""

    auc: float | None
    auc_reason: str | None = None


@dataclass(frozen=True, slots=True)
class TriedOut:
    """A trial (:class:`fusion.tuning.tune.Trial`) without the time that it took."""

    value: float
    state: str
    parameters: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class MeanCurve:
    """Losses epoch by epoch, the mean over the ``heads`` that were still trained.

    ``low`` and ``high`` are the least and the largest development loss of these heads.
    """

    train: list[float | None]
    dev: list[float | None]
    low: list[float | None]
    high: list[float | None]
    heads: list[int]


#: What of a fold no prediction gives, so that it is carried over.
FIT = ("fold", "hyperparameters", "trials", "importance", "layer_weights", "epochs", "curve")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResults:
    """One outer fold of an arm: its scores, and how it was fitted.

    A metric is None where the fold lacks a class, with its reason. ``epochs`` are those that were
    kept, one per head. A best arm has the arm ``chosen`` in the fold, and its hyperparameters.
    """

    fold: str
    rows: int = 0
    uar: float | None = NO_METRIC
    uar_reason: str | None = None
    accuracy: float | None = NO_METRIC
    accuracy_reason: str | None = None
    weighted_f1: float | None = NO_METRIC
    weighted_f1_reason: str | None = None
    auc: float | None = NO_METRIC
    auc_reason: str | None = None
    macro_f1: float | None = NO_METRIC
    macro_f1_reason: str | None = None
    micro_f1: float | None = NO_METRIC
    micro_f1_reason: str | None = None
    ccc: float | None = NO_METRIC
    ccc_reason: str | None = None
    pearson: float | None = NO_METRIC
    pearson_reason: str | None = None
    thresholds: Mapping[str, float] | None = None
    label_auc: Mapping[str, Auc] | None = None
    hyperparameters: Mapping[str, Scalar] | None = None
    trials: tuple[TriedOut, ...] | None = None
    importance: Mapping[str, float] | None = None
    layer_weights: Mapping[str, list[float]] | None = None
    epochs: tuple[int, ...] = ()
    curve: MeanCurve | None = None
    chosen: str | None = None

    @property
    def fit(self) -> Self:
        """The fold without what predictions give."""
        return type(self)(**{name: getattr(self, name) for name in FIT})

    @property
    def entry(self) -> Self:
        """The fold as its arm has it: trials and curves stand with the arm that has the heads."""
        if self.chosen is None:
            return self
        return replace(self, trials=None, importance=None, epochs=(), curve=None)

    def reason(self, metric: str) -> str | None:
        """Why a metric has no value."""
        why: str | None = getattr(self, f"{metric}_reason")
        return why


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFold(Abstention):
    """Temperature and threshold of a fold, and what development rows promised of them."""

    fold: str
    temperature: float


@dataclass(frozen=True, slots=True)
class CalibrationErrors:
    """How far probabilities lie from what happens, mean over seeds."""

    ece: float
    log_loss: float
    brier: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of one range of confidence, per seed."""

    rows: float
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Bins:
    """The reliability diagram before and after the temperature."""

    before: tuple[Bin, ...]
    after: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """Accuracy of the surest share of the rows."""

    coverage: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Abstained:
    """What is kept at the thresholds of the folds, and how much of it is right."""

    coverage: float
    accuracy: float | None
    accuracy_of_all: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration on test rows, before and after what development rows gave."""

    folds: tuple[CalibrationFold, ...]
    before: CalibrationErrors
    after: CalibrationErrors
    bins: Bins
    risk_coverage: tuple[RiskPoint, ...]
    risk_area: float
    abstention: Abstained


@dataclass(frozen=True, slots=True)
class Development:
    """UAR on development rows, and its difference to that on test rows."""

    uar: float | None
    above_test: Interval


@dataclass(frozen=True, slots=True)
class WindowScores:
    """Windows, or utterances put together from them."""

    rows: int
    uar: Interval
    accuracy: Interval
    macro_f1: Interval


@dataclass(frozen=True, slots=True)
class SpeakerScores:
    """One speaker, with intervals over utterances."""

    rows: int
    uar: Interval
    accuracy: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScores:
    """A group of speakers or utterances: UAR and accuracy, or the primary metric of the task."""

    rows: int
    speakers: int
    uar: Interval = NOT_SCORED
    accuracy: Interval = NOT_SCORED
    macro_f1: Interval = NOT_SCORED
    weighted_f1: Interval = NOT_SCORED
    auc: Interval = NOT_SCORED
    ccc: Interval = NOT_SCORED


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupGap(Interval):
    """Difference between two groups of speakers."""

    group: str
    against: str


@dataclass(frozen=True, slots=True)
class GroupResults:
    """An arm by one attribute; among several groups no difference is picked out."""

    by: Literal["speaker", "utterance"]
    groups: Mapping[str, GroupScores]
    difference: GroupGap | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResults:
    """An arm: its metrics, and what a reviewer asks besides.

    ``effective`` is how many speakers of equal weight would weigh like these ones. ``groups`` and
    ``speakers`` are of the best arms only.
    """

    uar: Score = NOT_SCORED
    accuracy: Score = NOT_SCORED
    macro_f1: Score = NOT_SCORED
    micro_f1: Score = NOT_SCORED
    weighted_f1: Score = NOT_SCORED
    samples_f1: Score = NOT_SCORED
    subset_accuracy: Score = NOT_SCORED
    hamming_loss: Score = NOT_SCORED
    weighted_accuracy: Score = NOT_SCORED
    macro_precision: Score = NOT_SCORED
    auc: Score = NOT_SCORED
    ccc: Score = NOT_SCORED
    pearson: Score = NOT_SCORED
    mse: Score = NOT_SCORED
    mae: Score = NOT_SCORED
    acc2_has0: Score = NOT_SCORED
    f1_has0: Score = NOT_SCORED
    acc2_non0: Score = NOT_SCORED
    f1_non0: Score = NOT_SCORED
    acc7: Score = NOT_SCORED
    effective: float
    at_fixed_thresholds: Mapping[str, Mapping[str, float | None]] | None = None
    per_class: Mapping[str, TargetScores] | None = None
    per_target: Mapping[str, TargetScores] | None = None
    folds: tuple[FoldResults, ...]
    trials: int
    confusion: list[list[float]] | None = None
    null: Null | None = None
    calibration: Calibration | None = None
    development: Development | None = None
    windows: Mapping[str, WindowScores] | None = None
    groups: Mapping[str, GroupResults] | None = None
    speakers: Mapping[str, SpeakerScores] | None = None
    kl: Score = NOT_SCORED
    js: Score = NOT_SCORED
    cosine: Score = NOT_SCORED
    soft_macro_f1: Score = NOT_SCORED

    def score(self, metric: str) -> Score:
        """A metric by its name."""
        value: Score = getattr(self, metric)
        return value

    @property
    def targets(self) -> Mapping[str, TargetScores]:
        """Classes, labels or dimensions one by one."""
        return self.per_class or self.per_target or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassArm(ArmResults):
    """An arm whose rows have one class each.

    ``null`` is None where a class has no row, what needs development rows where there are none.
    """

    confusion: list[list[float]]
    null: Null | None
    calibration: Calibration | None
    development: Development | None

    @classmethod
    def of(cls, arm: ArmResults, **more: Any) -> Self:  # noqa: ANN401 - fields by their names
        """An arm with ``more`` of what only classes have."""
        return cls(**{field.name: getattr(arm, field.name) for field in fields(arm)} | more)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDifference(Interval):
    """One arm minus another; ``p_holm`` is None of the primary comparison.

    ``detectable`` and ``least_p`` are of the test that is made, with Holm's correction where there
    is one. ``mcnemar`` is of differences in accuracy.
    """

    arm: str
    against: str
    metric: str
    p: float | None
    p_holm: float | None
    detectable: float | None
    least_p: float | None
    equivalent: float | None
    primary: bool
    mcnemar: McNemar | None = None

    @classmethod
    def of(
        cls,
        pair: tuple[str, str],
        metric: str,
        difference: Difference,
        *,
        primary: bool = False,
        among: Corrected | None = None,
    ) -> Self:
        """A difference of a ``pair`` of arms in a metric, ``among`` others that are told."""
        power, tests = difference.power, 1 if among is None else among.tests
        return cls(
            arm=pair[0],
            against=pair[1],
            metric=metric,
            **asdict(difference.interval),
            p=difference.p,
            p_holm=None if among is None else among.p_holm,
            detectable=None if power is None else power.detectable(tests),
            least_p=None if power is None else power.least_p(tests),
            equivalent=difference.equivalent,
            primary=primary,
        )


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """An arm trained on some corpora and tested on one."""

    train: str
    test: str
    arm: str
    rows: int
    uar: Interval


@dataclass(frozen=True, slots=True)
class MeasureWords:
    """What a metric is called, and which way is better."""

    title: str
    less_is_better: bool
    percent: bool


@dataclass(frozen=True, slots=True)
class Measures:
    """The metrics of a task, and which of them everything is chosen by."""

    primary: str
    of: Mapping[str, MeasureWords]


# ---------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True)
class PublishedFact:
    """A published classifier: the class of each of its labels, and labels and classes without."""

    checkpoint: str
    kind: str
    map: Mapping[str, str]
    unused: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoresFact:
    """Scores of a file, or of a saved model, as an arm: how its columns were read.

    ``form`` is probabilities, logits, votes, labels or values; ``absent`` are classes that no
    column is.
    """

    arm: str
    sha256: str
    form: str
    map: Mapping[str, str]
    unread: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoiseFact:
    """:class:`experiments.ablation.cells.Noise` of a cell."""

    kind: str
    level: float
    side: str


@dataclass(frozen=True, slots=True)
class FitCounts:
    """Fits of a cell that were trained, and those from the cache."""

    trained: int
    cached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFacts:
    """What makes a run a cell of an ablation: its values, and what changed besides the study."""

    values: Mapping[str, str]
    cell: Mapping[str, str]
    noise: NoiseFact | None = None
    word_errors: float = 0.0
    missing: float = 0.0
    speakers: int | None = None
    time_pool: int | None = None
    seed: int = 0
    changes_version: int | None = None
    without_words: int
    training_speakers: tuple[int, int]
    fits: FitCounts


#: The protocol of a saved model on a corpus that it has not seen.
EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run knows of itself and no prediction says.

    ``training_overlap`` is that of :func:`fusion.evaluation.clusters.training_overlap`.
    """

    study: Mapping[str, Option]
    protocol: str
    folds: int
    trained_on: Mapping[str, list[str]]
    synthetic: bool
    untrained: bool
    contaminated: bool
    leaky: bool
    encoders: Mapping[str, str]
    checkpoints: Mapping[str, str]
    finetuned: tuple[Trained, ...]
    encoded: int
    cached: int
    recognised: int
    recogniser: str | None
    published: Mapping[str, PublishedFact]
    text_probe: TextProbe | None
    groups: Mapping[str, Grouping]
    training_overlap: float
    cell: CellFacts | None = None
    scores: tuple[ScoresFact, ...] = ()

    def overlap_of(self, arm: str) -> float:
        """How much an arm's folds share of what they train on; 0 of what was trained elsewhere."""
        elsewhere = {*self.published, *(one.arm for one in self.scores)}
        return 0.0 if arm in elsewhere else self.training_overlap

    @property
    def select(self) -> Option:
        """The metric that the study names to choose and tell by, None: the task's own."""
        return self.study.get("select")

    @property
    def standardised_by(self) -> str | None:
        """Whose own statistics standardise rows, test rows among them; None: those of training."""
        by = self.study.get("normalise")
        return None if by in (None, "training") else str(by)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run knows besides its predictions; it is carried over into its results as it is."""

    run: str
    corpus: str
    task: Task
    targets: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]
    fits: Mapping[str, tuple[FoldResults, ...]]
    facts: Facts
    certificate: Certificate | None = None

    def digest(self) -> str:
        """Sha256 of all of it as canonical JSON, whatever the order of arms and folds.

        Nothing here can be computed from predictions: a report can only tell whether it changed.
        """
        content = as_json(self)
        content["fits"] = {
            arm: [as_json(fit) for fit in sorted(fits, key=lambda fit: fit.fold)]
            for arm, fits in self.fits.items()
            if fits
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Hashes:
    """Sha256 of what is carried over, and of the file of predictions."""

    facts: str
    predictions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """``results.json``. ``skipped`` says why something that other tasks have is not there."""

    format: Formats
    run: str
    corpus: str
    task: Task
    targets: tuple[str, ...]
    rows: Rows
    seeds: tuple[int, ...]
    measures: Measures | None = None
    arms: Mapping[str, ArmResults]
    differences: tuple[ArmDifference, ...]
    matrix: tuple[MatrixCell, ...] = ()
    skipped: Mapping[str, str] | None = None
    warnings: tuple[str, ...]
    facts: Facts
    certificate: Certificate | None = None
    hashes: Hashes

    @property
    def trials(self) -> int:
        """The largest number of trials that an arm had in a fold."""
        return max((summary.trials for summary in self.arms.values()), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassResults(Results):
    """Results where every row is scored by one class: confusions, calibration and more."""

    arms: Mapping[str, ClassArm]


def carried(results: Results) -> RunFacts:
    """What cannot be computed from predictions and is carried over."""
    fits = {
        arm: tuple(fold.fit for fold in summary.folds if fold.trials is not None)
        for arm, summary in results.arms.items()
    }
    return RunFacts(
        run=results.run,
        corpus=results.corpus,
        task=results.task,
        targets=results.targets,
        dropped=results.rows.dropped,
        warnings=results.warnings,
        fits=fits,
        facts=results.facts,
        certificate=results.certificate,
    )


# ---------------------------------------------------------------- the file


def as_json(value: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """What the file holds of a part of results."""
    if is_dataclass(value) and not isinstance(value, type):
        written = (field for field in fields(value) if not _is_left_out(value, field))
        return {field.name: as_json(getattr(value, field.name)) for field in written}
    if isinstance(value, Mapping):
        return {key: as_json(part) for key, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, list | tuple) else value


def _is_left_out(value: object, field: Field[Any]) -> bool:
    """Whether a field of one of these types has its default; NaN is equal to itself here."""
    part = getattr(value, field.name)
    return type(value).__module__ == __name__ and (part is field.default or part == field.default)
