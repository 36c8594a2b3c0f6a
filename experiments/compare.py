"""Compare unimodal with fused arms: same rows, same folds, same budget, one table."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed

from encoders.extraction import Failure, Progress, default_store
from encoders.store import write_atomically
from encoders.utterance import Corpus, Utterance
from experiments.config import DEFAULT_ARMS, ConfigError, Study, write_study
from experiments.corpora import load_source
from experiments.inputs import Inputs, check_sequences, find_words, gather, labelled
from experiments.report import write_report
from experiments.results import RunFacts, summarise, with_best
from fusion import predictions
from fusion.arms import ARMS, Budget, FoldScores, fit_arm, fuse_late, score
from fusion.batch import Dataset
from fusion.leaks import TextProbe, probe_text
from fusion.predictions import Prediction
from fusion.splits import (
    Fold,
    InnerFolds,
    assert_speakers_apart,
    inner_folds,
    outer_folds,
    speaker_of,
)

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a run lies, its ``results.json``, and the media files that could not be used."""

    folder: Path
    results: Mapping[str, Any]
    failures: tuple[Failure, ...]


def load_corpus(study: Study) -> Corpus:
    """The corpus that a study names.

    Raises:
        CorpusError: with every fault of a manifest, or of a corpus's layout.
    """
    return load_source(study.corpus, study.manifest, study.root, study.labels)


def chosen_arms(study: Study) -> tuple[str, ...]:
    """Arms that a study asks for, with those that they need; frames-only audio beside attention.

    Raises:
        ConfigError: an arm is unknown.
    """
    asked = study.arms or DEFAULT_ARMS
    unknown = [arm for arm in asked if arm not in ARMS]
    if unknown:
        raise ConfigError(f"--arms {','.join(unknown)}: expected some of {', '.join(ARMS)}")
    wanted = set(asked)
    if "late" in wanted:
        wanted |= {"audio", "text"}
    if "attention" in wanted:
        wanted |= {"audio_frames"}
    return tuple(arm for arm in ARMS if arm in wanted)


def compare(
    study: Study,
    *,
    out: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Outcome:
    """Run a study and write its folder.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError: before work starts; nothing is
            written then.
    """
    tell = notify or (lambda _line: None)
    corpus = load_corpus(study)
    rows = labelled(corpus)
    arms, notes = check_sequences(study, chosen_arms(study))
    outer_folds(rows, study.folds or corpus.folds)
    store = default_store()
    words = find_words(rows, study, store, progress)
    inputs = gather(corpus, rows, words, study, arms, store, progress)
    tell(f"{inputs.encoded} encoded, {inputs.cached} from the cache")
    plan = _plan(corpus, inputs, study, arms)
    folder = out or Path("runs") / _config_hash(study)
    _begin(folder, study)
    scores = _fit_all(plan, folder / "work", jobs, progress)
    run = _run_id(study, inputs)
    rows_out = with_best(list(_prediction_rows(run, corpus.name, plan, scores)))
    facts = _facts(run, corpus, study, plan, scores, (*corpus.notes, *notes, *inputs.warnings))
    results = summarise(rows_out, facts)
    _finish(folder, rows_out, results, plan)
    return Outcome(folder, results, inputs.failures)


# ---------------------------------------------------------------- plan


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before the first head is trained."""

    arms: tuple[str, ...]
    inputs: Inputs
    folds: tuple[Fold, ...]
    inner: tuple[InnerFolds, ...]
    budget: Budget
    probe: TextProbe | None
    protocol: str


def _plan(corpus: Corpus, inputs: Inputs, study: Study, arms: tuple[str, ...]) -> Plan:
    protocol = study.folds or corpus.folds
    folds = outer_folds(inputs.utterances, protocol)
    by_id = {utterance.id: utterance for utterance in inputs.utterances}
    inner = tuple(_inner(corpus, fold, by_id) for fold in folds)
    gold = {
        name: text
        for name, text in inputs.words.texts.items()
        if name not in inputs.words.recognised
    }
    speakers = {name: speaker_of(utterance) for name, utterance in by_id.items()}
    probe = probe_text(inputs.data, gold, speakers, folds)
    budget = Budget(trials=study.trials, seeds=study.seeds)
    return Plan(arms, inputs, folds, inner, budget, probe, protocol)


def _inner(corpus: Corpus, fold: Fold, by_id: Mapping[str, Utterance]) -> InnerFolds:
    from fusion.splits import InnerFold

    if fold.dev:
        found = InnerFolds((InnerFold(fold.train, fold.dev),))
    else:
        found = inner_folds([by_id[name] for name in fold.train], corpus.label)
    for inner in found.folds:
        assert_speakers_apart(inner, [by_id[name] for name in (*inner.train, *inner.dev)])
    return found


def _config_hash(study: Study) -> str:
    content = json.dumps(asdict(study), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _run_id(study: Study, inputs: Inputs) -> str:
    """Hash of the configuration, the encoders' fingerprints and the rows with their words."""
    content = {
        "study": asdict(study),
        "inputs": dict(inputs.identity),
        "rows": list(inputs.data.ids),
        "words": {name: inputs.words.texts.get(name) for name in inputs.data.ids},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


# ---------------------------------------------------------------- fitting


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for small heads: the result must not depend on how many jobs run beside it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit_fold(
    arm: str, data: Dataset, fold: Fold, inner: InnerFolds, budget: Budget, journal: Path
) -> FoldScores:
    """Fit one arm in one outer fold and score it."""
    with one_thread():
        fitted = fit_arm(ARMS[arm], data, inner, budget, journal)
        return score(fitted, data, fold, budget.seeds)


def _fit_all(
    plan: Plan, work: Path, jobs: int | None, progress: Progress | None
) -> list[FoldScores]:
    trained = [arm for arm in plan.arms if ARMS[arm].head != "late"]
    # Attention takes longest, so it is dealt out first.
    trained.sort(key=lambda arm: ARMS[arm].head != "attention")
    data = plan.inputs.data
    tasks = [
        delayed(fit_fold)(arm, data, fold, inner, plan.budget, work / f"{arm}-{fold.name}.journal")
        for arm in trained
        for fold, inner in zip(plan.folds, plan.inner, strict=True)
    ]
    workers = min(jobs or os.cpu_count() or 1, len(tasks))
    scores: list[FoldScores] = []
    for done in Parallel(n_jobs=workers, return_as="generator")(tasks):
        scores.append(done)
        if progress is not None:
            progress("heads", len(scores), len(tasks))
    if "late" in plan.arms:
        found = {(one.arm, one.fold): one for one in scores}
        for fold in plan.folds:
            pair = found["audio", fold.name], found["text", fold.name]
            journal = work / f"late-{fold.name}.journal"
            scores.append(fuse_late(*pair, data, plan.budget, journal))
    return scores


# ---------------------------------------------------------------- what a run leaves


def _prediction_rows(
    run: str, corpus: str, plan: Plan, scores: Sequence[FoldScores]
) -> Iterator[Prediction]:
    """Rows in the order of arms, folds, seeds."""
    data, utterances = plan.inputs.data, plan.inputs.utterances
    inner_of = [
        {name: number for number, inner in enumerate(found.folds) for name in inner.dev}
        for found in plan.inner
    ]
    order = {arm: number for number, arm in enumerate(plan.arms)}
    place = {fold.name: number for number, fold in enumerate(plan.folds)}
    for one in sorted(scores, key=lambda s: (order[s.arm], place[s.fold])):
        parts = (("dev", one.dev, one.dev_scores), ("test", one.test, one.test_scores))
        for split, index, values in parts:
            for seed, by_row in enumerate(values):
                for row, row_scores in zip(index, by_row, strict=True):
                    utterance = utterances[row]
                    yield Prediction(
                        run=run,
                        corpus=corpus,
                        utterance=utterance.id,
                        speaker=speaker_of(utterance),
                        arm=one.arm,
                        outer_fold=one.fold,
                        inner_fold=(
                            inner_of[place[one.fold]][utterance.id] if split == "dev" else None
                        ),
                        seed=seed,
                        split="dev" if split == "dev" else "test",
                        condition="",
                        window=None,
                        target=tuple(float(k == data.truth[row]) for k in range(len(data.targets))),
                        scores=tuple(round(float(value), 6) for value in row_scores),
                    )


def _facts(
    run: str,
    corpus: Corpus,
    study: Study,
    plan: Plan,
    scores: Sequence[FoldScores],
    warnings: Sequence[str],
) -> RunFacts:
    inputs = plan.inputs
    fits: dict[str, list[dict[str, Any]]] = {}
    for one in scores:
        about = {"hyperparameters": dict(one.hyperparameters), "trials": list(one.trials)}
        fits.setdefault(one.arm, []).append({"fold": one.fold, **about})
    recognised = sorted(set(inputs.data.ids) & inputs.words.recognised)
    return RunFacts(
        run=run,
        corpus=corpus.name,
        task=corpus.task,
        targets=corpus.targets,
        dropped=tuple({"id": f.utterance, "why": f.why} for f in inputs.dropped),
        warnings=(*warnings, *_warnings(plan, recognised)),
        fits={arm: tuple(rows) for arm, rows in fits.items()},
        facts={
            "study": asdict(study),
            "protocol": plan.protocol,
            "folds": len(plan.folds),
            "encoders": dict(inputs.identity),
            "encoded": inputs.encoded,
            "cached": inputs.cached,
            "recognised": len(recognised),
            "recogniser": inputs.words.back_end if recognised else None,
            "text_probe": asdict(plan.probe) if plan.probe else None,
        },
    )


def _warnings(plan: Plan, recognised: Sequence[str]) -> list[str]:
    lines = [note for found in plan.inner for note in found.notes]
    if recognised:
        lines.append(
            f"{len(recognised)} transcripts were missing and were recognised by "
            f"{plan.inputs.words.back_end}"
        )
    if plan.probe is not None:
        lines += _probe_lines(plan.probe, 1 / len(plan.inputs.data.targets))
    if plan.inputs.dropped:
        lines.append(f"{len(plan.inputs.dropped)} utterances left every arm; they are listed")
    return list(dict.fromkeys(lines))


def _probe_lines(probe: TextProbe, chance: float) -> list[str]:
    if probe.uar is None or probe.p is None or probe.null_high is None:
        if probe.shared == 0:
            return []
        return [f"{probe.shared:.0%} of test utterances have a sentence that training has too"]
    head = f"the gold transcripts are {probe.sentences} fixed sentences"
    if probe.p > 0.05:
        return [
            f"{head}, spoken under every label alike: the transcript is constant with respect to "
            f"the label, so a text arm must sit at chance ({chance:.3f})"
        ]
    return [
        f"{head}, unevenly crossed with the labels: the sentence alone gives UAR {probe.uar:.3f} "
        f"(95 % of shuffled labels stay below {probe.null_high:.3f}, p = {probe.p:.3f}); "
        "judge the text arm against that, not against chance: it is no leak and no emotion"
    ]


def _begin(folder: Path, study: Study) -> None:
    if (folder / "results.json").exists():
        # A finished run is computed again, from the cache.
        shutil.rmtree(folder / "work", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_study(study, folder / "config.toml")


def _finish(
    folder: Path, rows: Sequence[Prediction], results: Mapping[str, Any], plan: Plan
) -> None:
    predictions.write(rows, folder / "predictions.jsonl")
    _write_json(folder / "environment.json", _environment())
    _write_json(folder / "folds.json", _folds(plan))
    write_report(results, folder)
    _write_json(folder / "results.json", results)
    shutil.rmtree(folder / "work", ignore_errors=True)


def _folds(plan: Plan) -> list[dict[str, Any]]:
    return [
        {**asdict(fold), "inner": [asdict(one) for one in inner.folds]}
        for fold, inner in zip(plan.folds, plan.inner, strict=True)
    ]


def _environment() -> dict[str, str]:
    names = ("serfusion", "torch", "transformers", "sentence-transformers", "scikit-learn")
    packages = {name: version(name) for name in (*names, "optuna", "numpy", "openai-whisper")}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text.encode())
