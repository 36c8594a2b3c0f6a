"""Fit every arm in every fold, in parallel, and the model that a run leaves behind."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from joblib import Parallel, delayed
from safetensors import SafetensorError

import fusion
from encoders.device import other_arithmetic
from encoders.extraction import Progress
from encoders.plugins import load_plugins
from encoders.specs import Modality
from encoders.utterance import Corpus
from experiments.comparing.plan import Plan
from experiments.locks import alone
from fusion.arms import Budget, FoldScores, fit_arm, score, search_arm
from fusion.batch import Dataset
from fusion.calibration import fit_temperature
from fusion.crossfit import View, score_crossfitted
from fusion.kept_heads import load_heads, save_heads
from fusion.labels import thresholds
from fusion.late import fuse_late
from fusion.model import FusionModel, Part, late_model
from fusion.model_card import UNCALIBRATED
from fusion.networks.heads import HEADS
from fusion.origin import Origin
from fusion.outputs import Outputs
from fusion.parts import load_scores, save_scores
from fusion.published import score_published
from fusion.splitting.splits import Fold, inner_folds
from fusion.studies import StudyPlace
from fusion.training.arm_table import LateFusionArm, TrainedArm, arm_of, trained_arm


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for small heads: the result must not depend on how many jobs run beside it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, slots=True)
class Fits:
    """Scores of every arm in every fold, and how many fits were trained now."""

    scores: tuple[FoldScores, ...]
    trained: int
    cached: int


#: What trains heads besides our own code: another version may give other last digits.
LIBRARIES = ("torch", "numpy", "optuna")
#: Modules outside ``fusion/`` that decide what a head sees and on which rows.
GATHERING = (
    "encoders.pooling",
    *(
        f"experiments.comparing.{name}"
        for name in ("preparation", "inputs", "modal", "plan", "views", "fitting")
    ),
)


def code_hash() -> str:
    """Hash of what trains heads: a fit by other code, libraries or devices is another fit."""
    digest = hashlib.sha256()
    gathering = [Path(find_spec(name).origin) for name in GATHERING]  # type: ignore[union-attr,arg-type]
    own = sorted(Path(fusion.__file__).parent.rglob("*.py"))
    for path in (*own, *gathering, *load_plugins()):
        digest.update(path.read_bytes())
    for name in LIBRARIES:
        digest.update(f"{name} {version(name)}\n".encode())
    digest.update(other_arithmetic().encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where scores of a fit are kept, and where its heads are, None: nowhere.

    ``storage`` is where its study is, None: in a journal beside the scores.
    """

    part: Path
    heads: Path | None = None
    storage: str | None = field(default=None, repr=False)


def fit_fold(
    arm: str,
    views: Sequence[View],
    fold: Fold,
    budget: Budget,
    spot: Spot,
) -> FoldScores:
    """Fit one arm in one outer fold, score it, and keep the scores in their spot.

    There is one view of the fold's rows, and two where heads are cross-fitted. Where the same
    command runs twice at once, one fits and the other waits and reads; but they search together
    where they share a storage of studies.
    """
    place = StudyPlace.of_fit(spot.part, spot.storage)
    if place.shared and not trained_arm(arm).crossfitted:
        with one_thread():
            search_arm(trained_arm(arm), views[0].data, views[0].inner, budget, place)
    with alone(spot.part):
        kept = load_scores(spot.part, arm, fold.name)
        if kept is not None:
            return kept
        with one_thread():
            scores = _scores(trained_arm(arm), views, fold, budget, place, spot.heads)
        save_scores(scores, spot.part)
        if place.journal is not None:
            place.journal.unlink(missing_ok=True)
    return scores


def _scores(
    arm: TrainedArm,
    views: Sequence[View],
    fold: Fold,
    budget: Budget,
    place: StudyPlace,
    heads: Path | None,
) -> FoldScores:
    if arm.crossfitted:
        return score_crossfitted(arm, views, fold, budget, place)
    (view,) = views
    kept = load_heads(heads, arm, view.data, view.inner, budget.seeds) if heads else None
    fitted = kept or fit_arm(arm, view.data, view.inner, budget, place)
    if heads and kept is None:
        save_heads(fitted, heads)
    return score(fitted, view.data, fold, budget.seeds)


#: Finds the spot of a fit by its arm, its fold and what its heads see.
Place = Callable[[str, Fold, Sequence[View]], Spot]


def fit_all(
    plan: Plan,
    work: Path,
    jobs: int | None,
    progress: Progress | None,
    place: Place | None = None,
) -> Fits:
    """Scores of every arm in every fold, late fusion last, from those of the others.

    Fits are kept under ``work``, whose name is the hash of everything that they depend on, so
    that an interrupted command goes on, and a repeated one trains nothing twice; or at ``place``.
    """
    trained = [arm for arm in plan.arms if isinstance(arm_of(arm), TrainedArm)]
    # Heads over sequences take longest, so they are dealt out first.
    trained.sort(key=lambda arm: not HEADS[trained_arm(arm).head].sequences)
    scores, left, there = [], [], 0
    for arm in trained:
        for fold, views in zip(plan.folds, plan.views, strict=True):
            own = views.halves if arm_of(arm).crossfitted else (views.whole,)
            spot = Spot(_part(work, arm, fold)) if place is None else place(arm, fold, own)
            spot = replace(spot, storage=plan.storage)
            kept = load_scores(spot.part, arm, fold.name)
            if kept is None:
                there += spot.heads is not None and spot.heads.is_file()
                left.append(delayed(fit_fold)(arm, own, fold, plan.budget, spot))
            else:
                scores.append(kept)
    cached = len(scores)
    workers = max(1, min(jobs or os.cpu_count() or 1, len(left)))
    for done in Parallel(n_jobs=workers, return_as="generator")(left):
        scores.append(done)
        if progress is not None:
            progress("heads", len(scores), len(left) + cached)
    scores += _late(plan, scores)
    scores += [one for whole in scores for one in whole.each_alone()]
    scores += _published(plan)
    return Fits(tuple(scores), len(left) - there, cached + there)


def _late(plan: Plan, scores: Sequence[FoldScores]) -> list[FoldScores]:
    """Decision-level arms, from the scores of both unimodal ones."""
    found = {(one.arm, one.fold): one for one in scores}
    return [
        fuse_late(
            arm,
            found["audio", fold.name],
            found["text", fold.name],
            plan.inputs.data,
            inner,
            plan.budget,
        )[0]
        for arm in plan.arms
        if isinstance(arm_of(arm), LateFusionArm)
        for fold, inner in zip(plan.folds, plan.inner, strict=True)
    ]


def _published(plan: Plan) -> list[FoldScores]:
    data, seeds = plan.inputs.data, plan.budget.seeds
    return [
        score_published(arm, data, one.labels.columns, fold, inner, seeds)
        for arm, one in plan.inputs.published.items()
        for fold, inner in zip(plan.folds, plan.inner, strict=True)
    ]


def _part(work: Path, arm: str, fold: Fold) -> Path:
    # Names of folds come from a user's table: only their hash may name a file.
    return work / f"{arm}-{hashlib.sha256(fold.name.encode()).hexdigest()[:16]}.npz"


def final_model(plan: Plan, corpus: Corpus, arm: str, work: Path) -> FusionModel:
    """One arm fitted on every speaker, tuned and stopped as in the folds, with one seed."""
    kept = work / "model"
    with alone(kept):
        model = _kept_model(kept)
        if model is None:
            model = _fitted_model(plan, corpus, arm, work.name)
            model.save(kept)
    # Not kept with it: equal rows may have another name.
    return replace(model, origin=_origin(plan, corpus))


def _kept_model(folder: Path) -> FusionModel | None:
    try:
        return FusionModel.load(folder)
    # Absent or damaged, in whatever way, it is fitted again.
    except (ValueError, OSError, KeyError, TypeError, AttributeError, SafetensorError):
        return None


def _fitted_model(plan: Plan, corpus: Corpus, arm: str, run: str) -> FusionModel:
    def place(name: str) -> StudyPlace:
        return StudyPlace(storage=plan.storage, name=f"{run}/model-{name}")

    data = plan.inputs.data
    inner = inner_folds(plan.inputs.utterances, corpus.classes)
    budget = replace(plan.budget, seeds=1)
    # Only development scores are read: weight, temperature and threshold are fitted on them.
    everyone = Fold("all", data.ids, data.ids)
    with one_thread():
        modalities = _modalities(plan, arm_of(arm).inputs)
        if isinstance(found := arm_of(arm), TrainedArm):
            fitted = fit_arm(found, data, inner, budget, place(arm))
            model = FusionModel(arm, data.targets, modalities, (Part.of(fitted),))
            return _calibrated(model, data, score(fitted, data, everyone, seeds=1))
        pair = [
            fit_arm(trained_arm(name), data, inner, budget, place(name))
            for name in ("audio", "text")
        ]
        audio, text = (score(one, data, everyone, seeds=1) for one in pair)
        fused, combination = fuse_late(arm, audio, text, data, inner, budget)
        parts = [
            Part.of(fitted, _temperature(data, own))
            for fitted, own in zip(pair, (audio, text), strict=True)
        ]
        model = late_model(data.targets, modalities, parts, combination, arm)
        return _calibrated(model, data, fused)


def _temperature(data: Dataset, scores: FoldScores) -> float:
    """Of heads that speak alone; 1 where their answers are no probabilities of one class."""
    if data.task in UNCALIBRATED:
        return 1.0
    truth = data.truth[scores.dev]
    return fit_temperature(scores.dev_scores[:, truth >= 0], truth[truth >= 0])


def _origin(plan: Plan, corpus: Corpus) -> Origin:
    merged = sorted({one.corpus for one in plan.inputs.utterances if one.corpus is not None})
    return Origin(corpora=tuple(merged) or (corpus.name,), synthetic=corpus.synthetic)


def _calibrated(model: FusionModel, data: Dataset, scores: FoldScores) -> FusionModel:
    """The model with what development rows give its answers: temperature, thresholds, units."""
    dev, goals = scores.dev_scores, data.goals[scores.dev]
    if data.task == "regression":
        return replace(model, outputs=Outputs.of_values(data.goals))
    if data.task == "multi-label":
        found = tuple(map(float, thresholds(dev, goals > 0.5)))
        return replace(model, outputs=Outputs("multi-label", thresholds=found))
    truth = data.truth[scores.dev]
    model = replace(model, outputs=Outputs(data.task))
    return model.calibrated(dev[0][truth >= 0], truth[truth >= 0])


def _modalities(plan: Plan, names: tuple[str, ...]) -> dict[str, Modality]:
    found = plan.inputs.modalities
    return {name: found[name] for name in names} if all(name in found for name in names) else {}
