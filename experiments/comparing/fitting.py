"""Fit every arm in every fold, in parallel, and the model that a run leaves behind."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed

from encoders.dealing import ENGINE, Engine, Lost
from encoders.extraction import Progress
from encoders.plugins import load_plugins
from encoders.specs import Modality
from encoders.utterance import Corpus, Utterance
from experiments.comparing.plan import FoldViews, Plan, with_extra_rows
from experiments.config import ConfigError
from experiments.locks import file_lock
from fusion.batch import Dataset
from fusion.evaluation.calibration import DevAnswers
from fusion.evaluation.thresholds import thresholds
from fusion.model.card import UNCALIBRATED
from fusion.model.fusion_model import FusionModel, HeadEnsemble, late_model
from fusion.model.origin import Origin
from fusion.model.outputs import OutputType
from fusion.model.seen import Seen
from fusion.networks.heads import HEADS
from fusion.splitting.splits import Fold, InnerFolds, inner_folds, says_new_scripts, speaker_of
from fusion.training.arm_table import JointArm, LateFusionArm, TrainedArm, arm_of, trained_arm
from fusion.training.arms import Budget, FittedArm, FoldScores, fit_chosen, score, search_arm
from fusion.training.crossfit import FoldData, score_crossfitted
from fusion.training.fit_cache import FitPath, load_heads, load_scores, save_heads, save_scores
from fusion.training.fit_key import FitKeys
from fusion.training.late import fuse_late
from fusion.training.normalise import Normaliser, by_groups
from fusion.training.published import score_published
from fusion.training.windows import WINDOWS, each_window, of_utterances, reads_windows

#: A fold without rows to test, where development rows alone are scored.
NOBODY = Fold("nobody", (), ())


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


def fit_fold(
    arm: TrainedArm, views: Sequence[FoldData], fold: Fold, budget: Budget, path: FitPath
) -> FoldScores:
    """Fit one arm in one outer fold, score it, and keep the scores.

    There is one view of the fold's rows, and two where heads are cross-fitted. Where the same
    command runs twice at once, one fits and the other waits and reads; but they search together
    where they share a storage of studies.
    """
    # A worker process has not met a user's own heads yet.
    load_plugins()
    with one_thread():
        views = [by_groups(view, arm.inputs, fold) for view in views]
    view, place = views[0], path.study
    if place.shared and not arm.crossfitted:
        with one_thread():
            search_arm(arm, view.data, view.inner, budget, place)
    # The lock of the heads: fits that only score other rows have the same study.
    with file_lock(path.heads), one_thread():
        heads = load_heads(path, arm, view, budget.seeds)
        kept = load_scores(path, views, fold)
        if kept is not None and (heads is not None or not path.keeps_heads):
            return kept
        if arm.crossfitted:
            scores = score_crossfitted(arm, views, fold, budget, place)
        else:
            if heads is None:
                study = search_arm(arm, view.data, view.inner, budget, place)
                heads = fit_chosen(arm, view.data, view.inner, study, budget)
            if path.keeps_heads:
                save_heads(heads, path)
            scores = score(heads, view.data, fold, budget.seeds)
        save_scores(scores, path)
        if place.journal is not None:
            # Its own lock was of use to it alone; the lock of the heads is held.
            for file in (place.journal, place.journal.with_name(f"{place.journal.name}.flock")):
                file.unlink(missing_ok=True)
    return scores


class FitTask(NamedTuple):
    """What :func:`fit_fold` is called with."""

    arm: TrainedArm
    views: Sequence[FoldData]
    fold: Fold
    budget: Budget
    path: FitPath


def side_by_side(tasks: Sequence[FitTask], jobs: int | None) -> Iterator[tuple[int, FoldScores]]:
    """Scores of tasks with their numbers, as they come: by processes of this machine, or an engine.

    Raises:
        ConfigError: a fit ends its worker again and again.
    """
    engine = ENGINE.get()
    if engine is not None:
        return _dealt(engine, tasks)
    workers = max(1, min(jobs or os.cpu_count() or 1, len(tasks)))
    fits = (delayed(fit_fold)(*task) for task in tasks)
    return enumerate(Parallel(n_jobs=workers, return_as="generator")(fits))


def _dealt(engine: Engine, tasks: Sequence[FitTask]) -> Iterator[tuple[int, FoldScores]]:
    number = {id(task): index for index, task in enumerate(tasks)}
    for (task,), done in engine(_fit_first, [[task] for task in tasks]):
        if isinstance(done, Lost):
            raise ConfigError(
                f"--engine ray: the fit of {task.arm.name} in fold {task.fold.name} {done.why}"
            )
        yield number[id(task)], done


def _fit_first(chunk: Sequence[FitTask]) -> FoldScores:
    return fit_fold(*chunk[0])


def fit_all(
    plan: Plan,
    folder: Path,
    jobs: int | None,
    progress: Progress | None,
    *,
    keep_heads: bool = False,
    keys: FitKeys | None = None,
) -> Fits:
    """Scores of every arm in every fold, late fusion last, from those of the others.

    Fits are kept in ``folder`` by their content, so that an interrupted command goes on, and no
    heads are trained twice on the same; with ``keep_heads`` also those that score other rows.
    ``keys`` remember what inputs hash to, for the final model.
    """
    keys = keys or FitKeys()
    arms = [arm_of(name) for name in plan.arms]
    trained = [arm for arm in arms if isinstance(arm, TrainedArm)]
    # Heads over sequences take longest, so they are dealt out first.
    trained.sort(key=lambda arm: not HEADS[arm.head].sequences)
    scores, left, there = [], list[FitTask](), 0
    windows: dict[int, Dataset] = {}
    for arm in trained:
        for fold, both in zip(plan.folds, plan.views, strict=True):
            views = _views_of(arm, both, windows)
            key = keys.of(arm, views, fold, plan.budget)
            keeps = keep_heads and not arm.crossfitted
            path = FitPath(folder, arm.name, key, keeps, plan.storage)
            kept = load_scores(path, views, fold)
            if kept is None:
                there += keeps and path.heads.is_file()
                left.append(FitTask(arm, views, fold, plan.budget, path))
            else:
                scores.append(kept)
    cached = len(scores)
    for _, done in side_by_side(left, jobs):
        scores.append(done)
        if progress is not None:
            progress("heads", len(scores), len(left) + cached)
    scores += _published(plan)
    scores += _late(plan, scores)
    scores += [one for whole in scores for one in whole.each_alone()]
    return Fits(tuple(scores), len(left) - there, cached + there)


def _views_of(arm: TrainedArm, both: FoldViews, windows: dict[int, Dataset]) -> Sequence[FoldData]:
    """What an arm sees of a fold's rows.

    ``windows`` keeps datasets that were taken apart into windows, by the identity of the whole one:
    most folds share it.
    """
    if arm.crossfitted:
        return both.halves
    data = both.whole.data
    if not reads_windows(arm, data):
        return (both.whole,)
    if id(data) not in windows:
        windows[id(data)] = each_window(data)
    return (replace(both.whole, data=windows[id(data)]),)


def _late(plan: Plan, scores: Sequence[FoldScores]) -> list[FoldScores]:
    """Decision-level arms, from the scores of the two that each combines; joint ones last."""
    found = {(one.arm, one.fold): one for one in scores}
    fused = []
    for arm in map(arm_of, plan.arms):
        if not isinstance(arm, LateFusionArm | JointArm):
            continue
        sides = (arm.ours, arm.other) if isinstance(arm, JointArm) else ("audio", "text")
        for fold, inner in zip(plan.folds, plan.inner, strict=True):
            one, other = (of_utterances(found[side, fold.name]) for side in sides)
            done = fuse_late(arm.name, one, other, plan.inputs.data, inner, plan.budget)[0]
            found[arm.name, fold.name] = done
            fused.append(done)
    return fused


def _published(plan: Plan) -> list[FoldScores]:
    """Arms that were trained elsewhere."""
    data, seeds = plan.inputs.data, plan.budget.seeds
    labels = {arm: one.labels for arm, one in plan.inputs.published.items()}
    labels |= {arm: one.labels for arm, one in plan.inputs.scores.items()}
    return [
        score_published(arm, data, of_arm.columns, fold, inner, seeds)
        for arm, of_arm in labels.items()
        for fold, inner in zip(plan.folds, plan.inner, strict=True)
    ]


def final_model(
    plan: Plan,
    corpus: Corpus,
    arm: str,
    folder: Path,
    keys: FitKeys | None = None,
    *,
    seeds: int = 1,
    jobs: int | None = 1,
) -> FusionModel:
    """One arm fitted on every speaker, tuned and stopped as in the folds, with so many seeds.

    Its heads are kept in ``folder`` by their content.
    """
    data, people = plan.inputs.data, plan.inputs.utterances
    view = FoldData(data, _everybody(plan, corpus, people))
    budget = replace(plan.budget, seeds=seeds)
    # Only development scores are read: weight, temperature and threshold are fitted on them.
    everyone = Fold("all", data.ids, data.ids)
    late, keys = isinstance(arm_of(arm), LateFusionArm), keys or FitKeys()
    arms = [*map(trained_arm, ("audio", "text") if late else (arm,))]
    views = [
        replace(view, data=each_window(data)) if reads_windows(own, data) else view for own in arms
    ]
    paths = [
        FitPath(folder, own.name, keys.of(own, (rows,), everyone, budget), True, plan.storage)
        for own, rows in zip(arms, views, strict=True)
    ]
    tasks = [
        FitTask(own, (rows,), everyone, budget, path)
        for own, rows, path in zip(arms, views, paths, strict=True)
    ]
    whole = [scores for _, scores in sorted(side_by_side(tasks, jobs), key=itemgetter(0))]
    fitted = []
    for own, rows, path in zip(arms, views, paths, strict=True):
        heads = load_heads(path, own, rows, seeds)
        assert heads is not None, f"{path.heads}: was there a moment ago"
        fitted.append(heads)
    answers = whole
    if data.task not in UNCALIBRATED and len(view.inner.folds) > 1:
        budgets = [_as_many_seeds(plan.budget, heads, view.inner, seeds) for heads in fitted]
        tasks = [
            FitTask(
                own,
                (rows,),
                NOBODY,
                as_many,
                FitPath(folder, own.name, keys.of(own, (rows,), NOBODY, as_many)),
            )
            for own, rows, as_many in zip(arms, views, budgets, strict=True)
        ]
        answers = [scores for _, scores in sorted(side_by_side(tasks, jobs), key=itemgetter(0))]
    scores = [of_utterances(one) for one in answers]
    parts = []
    for own, heads, of_arm in zip(arms, fitted, scores, strict=True):
        part = HeadEnsemble.of(heads, _temperature(view, people, of_arm) if late else 1.0)
        windows = reads_windows(own, data)
        parts.append(replace(part, inputs=(WINDOWS,)) if windows else part)
    modalities = _modalities(plan, tuple(name for part in parts for name in part.inputs))
    if late:
        audio, text = scores
        fused, combination = fuse_late(arm, audio, text, data, view.inner, budget)
        model = late_model(data.targets, modalities, parts, combination, arm)
    else:
        (fused,) = scores
        model = FusionModel(arm, data.targets, modalities, tuple(parts))
    seen = Seen.of(corpus.name, people, plan.inputs.keys)
    if plan.inputs.normalise != "training":
        names = [name for part in parts for name in part.inputs]
        model = replace(model, normaliser=Normaliser.of(plan.inputs.normalise, view, names))
    model = replace(model, origin=_origin(plan, corpus), seen=seen)
    return _calibrated(model, view, people, fused)


def _everybody(plan: Plan, corpus: Corpus, people: Sequence[Utterance]) -> InnerFolds:
    """Inner folds of all rows as folds have them; those that only train on their training sides."""
    by_id = {utterance.id: utterance for utterance in people}
    new = all(says_new_scripts(fold, by_id) for fold in plan.folds)
    inner = inner_folds(corpus.own(people), corpus.classes, new_scripts=new)
    return with_extra_rows(corpus, inner, by_id, tuple(by_id))


def _as_many_seeds(budget: Budget, heads: FittedArm, inner: InnerFolds, seeds: int) -> Budget:
    """The same heads with as many seeds as an answer has heads, which stand for it.

    See :class:`fusion.evaluation.calibration.DevAnswers`. Nothing is tuned again.
    """
    fixed = asdict(heads.hyperparameters)
    return Budget(0, seeds * len(inner.folds), budget.study_seed, fixed, budget.goal)


def _answers(view: FoldData, people: Sequence[Utterance], scores: FoldScores) -> DevAnswers:
    """Development rows that have a class, with their speakers and inner folds."""
    data, inner = view.data, np.full(len(view.data.ids), -1)
    for number, fold in enumerate(view.inner.folds):
        inner[data.index(fold.dev)] = number
    known = scores.dev[data.truth[scores.dev] >= 0]
    return DevAnswers(
        scores.dev_scores[:, data.truth[scores.dev] >= 0],
        data.truth[known],
        inner[known],
        tuple(speaker_of(people[row]) for row in known),
    )


def _temperature(view: FoldData, people: Sequence[Utterance], scores: FoldScores) -> float:
    """Of heads that speak alone; 1 where their answers are no probabilities of one class."""
    if view.data.task in UNCALIBRATED:
        return 1.0
    return _answers(view, people, scores).fit_temperature()


def _origin(plan: Plan, corpus: Corpus) -> Origin:
    rows = plan.inputs.utterances
    merged = sorted({one.corpus for one in corpus.own(rows) if one.corpus is not None})
    more = sorted({corpus.extra[one.id] for one in rows if one.id in corpus.extra})
    corpora = tuple(dict.fromkeys((*(merged or [corpus.name]), *more)))
    return Origin(corpora=corpora, synthetic=corpus.synthetic)


def _calibrated(
    model: FusionModel, view: FoldData, people: Sequence[Utterance], scores: FoldScores
) -> FusionModel:
    """The model with what development rows give its answers: temperature, thresholds, units."""
    data = view.data
    dev, goals = scores.dev_scores, data.goals[scores.dev]
    if data.task == "regression":
        return replace(model, outputs=OutputType.of_values(data.goals))
    if data.task == "multi-label":
        found = tuple(map(float, thresholds(dev, goals > 0.5)))
        return replace(model, outputs=OutputType("multi-label", thresholds=found))
    model = replace(model, outputs=OutputType(data.task))
    return model.calibrated(_answers(view, people, scores))


def _modalities(plan: Plan, names: tuple[str, ...]) -> dict[str, Modality]:
    found = plan.inputs.modalities
    return {name: found[name] for name in names} if all(name in found for name in names) else {}
