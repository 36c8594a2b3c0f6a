"""Compare unimodal with fused arms: same rows, same folds, same budget, one table."""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from encoders.context import turns_of
from encoders.decode_index import HELD_BYTES, DecodeIndex
from encoders.device import chosen_device
from encoders.extraction import Failure, Progress, default_store
from encoders.files import publish, write_atomically
from encoders.messages import printable
from encoders.utterance import Corpus, Task
from experiments.comparing.certificate import certificate_lines, certify_corpus
from experiments.comparing.contamination import stamped
from experiments.comparing.disk import heavy_frames
from experiments.comparing.fit_facts import fit_facts
from experiments.comparing.fitting import final_model, fit_all
from experiments.comparing.inputs import Inputs, gather, turns_read, words_of
from experiments.comparing.plan import Plan, describe_folds, warnings_of
from experiments.comparing.preparation import Notify, Prepared, check_heard, check_ready, prepare
from experiments.comparing.variation import NO_VARIATION, Variation
from experiments.comparing.verification import report_of
from experiments.config import (
    PLACES,
    ConfigError,
    Study,
    identity_of,
    options_of,
    read_study,
    write_study,
)
from experiments.reporting.cost import COST, Cost, cost_of
from experiments.reporting.matrix import trained_on
from experiments.reporting.report import Recomputed, folder_name, recompute, write_report
from experiments.reporting.results import summarise, with_best
from experiments.reporting.results_file import read_results
from experiments.reporting.results_schema import (
    EVALUATION,
    Dropped,
    Facts,
    FoldResults,
    Results,
    RunFacts,
    as_json,
)
from fusion.evaluation.clusters import clusters_of, training_overlap
from fusion.evaluation.columns import WHOLE, Place, Predictions, Split, Subject, joined
from fusion.evaluation.predictions import (
    PREDICTIONS,
    best_per_fold,
    stored_scores,
    write as write_predictions,
)
from fusion.evaluation.subgroups import groupings
from fusion.evaluation.windows import utterance_rows
from fusion.model.fusion_model import FusionModel
from fusion.splitting.splits import speaker_of
from fusion.training.arm_table import ARMS, arms_that, whole_of
from fusion.training.arms import FoldScores
from fusion.training.fit_key import FitKeys, arithmetic, hash_of
from fusion.tuning.storage import check_storage


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a run lies, what its ``results.json`` holds, and media files that could not be used."""

    folder: Path
    results: Results = field(repr=False)
    failures: tuple[Failure, ...]


def compare(
    study: Study,
    *,
    out: Path | str | None = None,
    fits: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
    variation: Variation = NO_VARIATION,
    storage: str | None = None,
) -> Outcome:
    """Run a study and write its folder; a cell of an ablation is a ``variation`` of it.

    Trained heads are kept in ``fits`` [the cache], Optuna's studies in ``storage`` (a URL or the
    path of a journal, shared with other workers) [a journal for each fit].

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError, StorageError: before work
            starts; nothing is written then.
    """
    tell = notify or (lambda _line: None)
    folder = Path(out or Path("runs") / hash_of(identity_of(study))[:12])
    check_writable(folder)
    check_storage(storage)
    ready, store = check_ready(study, variation), default_store()
    for published in ready.published.values():
        tell(published.remark)
    for scores in ready.scores.values():
        tell(scores.remark)
    with DecodeIndex(store.root / "hints.json", HELD_BYTES) as hints:
        evidence = certify_corpus(ready, store, hints, progress)
        check_heard(ready, evidence)
        for line in heavy_frames(study, ready.arms, ready.rows, hints):
            tell(line)
        words = variation.words(words_of(ready, store, hints, progress), turns_read(ready))
        inputs = gather(ready, words, store, hints, progress)
    tell(f"{inputs.encoded} encoded, {inputs.cached} from the cache")
    found = prepare(ready, inputs, evidence, variation, store, progress, tell)
    plan, failures = replace(found.plan, storage=storage), found.plan.inputs.failures
    run = run_id(study, plan.inputs, variation.identity)
    if (finished := variation.finished(folder, run)) is not None:
        return Outcome(folder, finished, failures)
    kept = fits or store.root / "fits"
    keys, scored = FitKeys(), variation.scored(plan)
    made = fit_all(scored, kept, jobs, progress, keep_heads=variation.keeps_heads, keys=keys)
    fitted = variation.fitted(made)
    tell(f"{fitted.trained} fits trained, {fitted.cached} from the cache")
    rows = prediction_rows(run, found.corpus.name, plan, fitted.scores)
    rows = with_best(rows, found.corpus.task, plan.budget.goal)
    results = summarise(rows, variation.facts(_facts(run, study, found, fitted.scores), fitted))
    favourite = _favourite(rows, plan) if variation.leaves_model and not plan.trained else None
    model = None if favourite is None else final_model(plan, found.corpus, favourite, kept, keys)
    model = model and stamped(model, found.contaminations)
    cost = cost_of(_in_order(plan, fitted.scores), study.seeds)
    write_run(folder, study, model, rows, results, plan, cost)
    return Outcome(folder, results, failures)


def retrain(
    folder: Path,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Recomputed:
    """What the study of a run gives today; embeddings and trained encoders come from the cache.

    Raises:
        ValueError: the run is a cell of an ablation, which its study alone does not give, or the
            evaluation of a model, or as :func:`compare`.
    """
    facts = read_results(folder).facts
    if facts.protocol == EVALUATION:
        raise ValueError(
            f"{folder}: the evaluation of a model that was trained before; nothing can be trained "
            "again: run serfusion evaluate into another folder"
        )
    cell = facts.cell
    if cell is not None:
        named = ", ".join(
            f"{printable(name)} {printable(value)}" for name, value in cell.values.items()
        )
        raise ValueError(
            f"{folder}: a cell of an ablation ({named}), which its config.toml alone does not "
            "give: run the same serfusion ablate into another folder to train it again"
        )
    study = read_study(folder / "config.toml")
    with TemporaryDirectory() as there:
        again, fits = Path(there) / "run", Path(there) / "fits"
        compare(study, out=again, fits=fits, jobs=jobs, progress=progress, notify=notify)
        return recompute(again)


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether a run can be written, without writing anything.

    Raises:
        ConfigError: the folder is a file, or neither it nor its nearest parent can be written.
    """
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    if not nearest.is_dir():
        raise ConfigError(f"--out {folder}: {nearest} is a file; give a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"--out {folder}: {nearest} cannot be written; give another folder")


def _favourite(rows: Predictions, plan: Plan) -> str | None:
    """Arm that most folds chose on development rows, fused ones first; ties go to the first.

    None where nothing is trained.
    """
    arms = [arm for arm in plan.arms if arm in ARMS]
    group = [arm for arm in arms_that(fuse=True) if arm in arms] or arms
    if not group:
        return None
    task, goal = plan.inputs.data.task, plan.budget.goal
    chosen = list(best_per_fold(utterance_rows(rows), group, task, goal).values())
    return max(group, key=chosen.count)


def run_id(study: Study, inputs: Inputs, varied: Mapping[str, Any]) -> str:
    """Hash of configuration, encoders, rows with their content, and what rounds: it names the run.

    Fits are kept by what they depend on, not by this (:mod:`fusion.training.fit_key`).
    """
    rows = [
        (
            *(u.id, u.speaker, u.target, u.script, u.session, u.fold, u.split),
            *(inputs.keys.get(u.id), inputs.words.texts.get(u.id)),
        )
        for u in inputs.utterances
    ]
    # Where a corpus lies is no part of what was computed: its rows and their content are.
    asked = {name: value for name, value in identity_of(study).items() if name not in PLACES}
    content = {"study": asked, "inputs": dict(inputs.identity), "rows": rows}
    if inputs.around:
        texts, turns = inputs.words.texts, [inputs.around.get(u.id, ()) for u in inputs.utterances]
        content["around"] = [[texts[name] for name in names] for names in turns]
    return hash_of({**content, "varied": dict(varied), "arithmetic": arithmetic()})[:12]


# ---------------------------------------------------------------- what a run leaves


def prediction_rows(run: str, corpus: str, plan: Plan, scores: Sequence[FoldScores]) -> Predictions:
    """Predictions of a run in the order of arms, folds, seeds."""
    subjects = _subjects(corpus, plan)
    inner_of = {
        fold.name: {name: number for number, own in enumerate(found.folds) for name in own.dev}
        for fold, found in zip(plan.folds, plan.inner, strict=True)
    }
    sides: tuple[Split, ...] = ("dev", "test")
    parts = [
        _side(run, one, subjects, inner_of[one.fold], split, plan.inputs.data.task)
        for one in _in_order(plan, scores)
        for split in sides
    ]
    return joined(parts)


def _subjects(corpus: str, plan: Plan) -> tuple[Subject, ...]:
    data, utterances = plan.inputs.data, plan.inputs.utterances
    # Shares of a third have no end: as many decimals as scores have are kept.
    goals = data.goals.round(6) if data.task == "distribution" else data.goals
    turns = turns_of(utterances)
    return tuple(
        Subject(
            *(u.corpus or corpus, u.id, speaker_of(u), u.session, u.dialogue, turns[row]),
            target=tuple(goals[row].tolist()),
        )
        for row, u in enumerate(utterances)
    )


def _side(
    run: str,
    one: FoldScores,
    subjects: tuple[Subject, ...],
    inner_of: Mapping[str, int],
    split: Split,
    task: Task,
) -> Predictions:
    """What an arm said of one side of a fold, seed after seed."""
    dev = split == "dev"
    index, windows = (one.dev, one.dev_windows) if dev else (one.test, one.test_windows)
    scores = one.dev_scores if dev else one.test_scores
    inner = [inner_of[subjects[row].utterance] if dev else None for row in index]
    numbers = {fold: number for number, fold in enumerate(dict.fromkeys(inner))}
    seeds = range(len(scores))
    places = [
        Place(run, one.arm, one.fold, fold, seed, split) for seed in seeds for fold in numbers
    ]
    within = np.array([numbers[fold] for fold in inner], np.int32)
    whole = np.full(len(index), WHOLE) if windows is None else windows
    return Predictions(
        subjects,
        tuple(places),
        np.tile(index, len(seeds)).astype(np.int32),
        np.concatenate([within + seed * len(numbers) for seed in seeds]).astype(np.int32),
        np.tile(whole, len(seeds)).astype(np.int32),
        stored_scores(scores.reshape(-1, scores.shape[-1]), task),
    )


def _in_order(plan: Plan, scores: Sequence[FoldScores]) -> list[FoldScores]:
    """By arm and fold, whichever was fitted first."""
    order = {arm: number for number, arm in enumerate(plan.arms)}
    place = {fold.name: number for number, fold in enumerate(plan.folds)}
    return sorted(scores, key=lambda s: (order[whole_of(s.arm)], s.arm, place[s.fold]))


def _facts(run: str, study: Study, found: Prepared, scores: Sequence[FoldScores]) -> RunFacts:
    corpus, plan, inputs = found.corpus, found.plan, found.plan.inputs
    modalities = inputs.modalities
    fits: dict[str, list[FoldResults]] = {}
    for one in scores:
        fits.setdefault(one.arm, []).append(fit_facts(one, plan.budget))
    return RunFacts(
        run=run,
        corpus=corpus.name,
        task=corpus.task,
        targets=corpus.targets,
        dropped=tuple(Dropped(f.utterance, f.why) for f in inputs.dropped),
        warnings=(*certificate_lines(found.certificate), *found.remarks, *warnings_of(plan)),
        fits={arm: tuple(rows) for arm, rows in fits.items()},
        facts=Facts(
            study=options_of(study),
            protocol=plan.protocol,
            folds=len(plan.folds),
            trained_on=trained_on(inputs.utterances, plan.folds),
            synthetic=corpus.synthetic,
            untrained=any(m.encoder.untrained for m in modalities.values()),
            contaminated=bool(found.contaminations),
            leaky=found.certificate.leaky,
            encoders=dict(inputs.identity),
            checkpoints={name: m.encoder.title for name, m in modalities.items()},
            finetuned=plan.trained,
            encoded=inputs.encoded,
            cached=inputs.cached,
            recognised=len(plan.recognised),
            recogniser=inputs.words.back_end if plan.recognised else None,
            published={arm: one.fact for arm, one in inputs.published.items()},
            scores=tuple(one.fact for one in inputs.scores.values()),
            text_probe=plan.probe,
            groups=groupings(corpus.own(inputs.utterances)),
            training_overlap=_overlap(corpus, plan),
        ),
        certificate=found.certificate,
    )


def _overlap(corpus: Corpus, plan: Plan) -> float:
    # Rows that only train are the same in every fold: they make no training set another one.
    rows = corpus.own(plan.inputs.utterances)
    of = clusters_of(
        [speaker_of(u) for u in rows], [u.session for u in rows], [u.dialogue for u in rows]
    ).of
    cluster = dict(zip((u.id for u in rows), of, strict=True))
    sides = ((fold.train, fold.test) for fold in plan.folds)
    return training_overlap(
        (
            [cluster[name] for name in train if name in cluster],
            [cluster[name] for name in test],
        )
        for train, test in sides
    )


def write_run(
    folder: Path,
    study: Study | None,
    model: FusionModel | None,
    rows: Predictions,
    results: Results,
    plan: Plan,
    cost: Cost,
) -> None:
    """Write everything; ``results.json``, which makes a run complete, comes last.

    ``study`` is None where nothing was trained that it could repeat. A file of an earlier run that
    somebody has changed is kept under another name.
    """

    def write(work: Path) -> None:
        if study is not None:
            write_study(study, work / "config.toml")
        if model is not None:
            model.save(work / "model")
        write_predictions(rows, work / PREDICTIONS)
        _write_json(work / "environment.json", _environment())
        _write_json(work / "folds.json", describe_folds(plan))
        _write_json(work / COST, asdict(cost))
        write_report(report_of(results, folder_name(folder), cost), work)
        _write_json(work / "results.json", as_json(results))

    publish(folder, write, last="results.json")


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
