"""``serfusion evaluate``: a saved model on a corpus that it has not seen, scored and reported."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from encoders.decode_index import DecodeIndex
from encoders.extraction import Progress, default_store
from encoders.messages import with_count
from encoders.provenance import provenance_of
from encoders.utterance import Corpus, Utterance
from experiments.comparing.comparison import (
    Outcome,
    check_writable,
    prediction_rows,
    run_id,
    write_run,
)
from experiments.comparing.contamination import is_seen
from experiments.comparing.inputs import Inputs, Ready, gather
from experiments.comparing.plan import FoldViews, Plan, budget_of
from experiments.comparing.preparation import Notify, labelled
from experiments.comparing.scores_file import IMPOSSIBLE, FileScores, Form
from experiments.comparing.transcripts import Transcripts
from experiments.config import ConfigError, Study, TranscriptSource, default_asr, options_of
from experiments.corpora import load_source
from experiments.corpora.label_map import LabelMap, map_labels, parse_map
from experiments.interviews.emotion import EmotionScores
from experiments.interviews.facts import about_model
from experiments.interviews.interview import model_sha256
from experiments.predicting.answers import Answers, ask, kinds_of
from experiments.reporting.cost import cost_of
from experiments.reporting.results import summarise
from experiments.reporting.results_schema import EVALUATION, Dropped, Facts, RunFacts
from fusion.evaluation.emotions import branch_of, word
from fusion.evaluation.subgroups import groupings
from fusion.model.fusion_model import FusionModel, folder_of
from fusion.splitting.folds import Fold, InnerFolds
from fusion.training.arm_table import MODEL
from fusion.training.crossfit import FoldData
from fusion.training.published import score_published


def evaluate(
    model: Path | str,
    out: Path | str,
    *,
    corpus: str | tuple[str, ...] | None = None,
    manifest: str | tuple[str, ...] | None = None,
    root: str | tuple[str, ...] | None = None,
    labels: tuple[str, ...] | None = None,
    channel: int | str | None = None,
    map: tuple[str, ...] = (),
    transcript: TranscriptSource = "gold_else_asr",
    asr: str | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Outcome:
    """Score a model on every labelled utterance of a corpus, and write the folder of a run.

    The model's classes are those of the corpus by name, a synonym or ``map`` (``exc=happy``), which
    is told. Intervals are over the corpus's speakers; nothing is trained, so that nothing is added
    for what folds share.

    Raises:
        ConfigError: the model has seen a speaker or a recording, or its classes and those of the
            corpus do not meet; CorpusError; ValueError: no such model. Nothing is written then.
    """
    out = Path(out)
    loaded = FusionModel.load(model)
    source = load_source(corpus, manifest, root, labels, channel=channel)
    rows, arm = labelled(source), f"{MODEL}{folder_of(model).resolve().name}"
    about = _label_map(arm, loaded, source, map)
    check_writable(out)
    record = check_unseen_by(loaded, source, rows, {})
    if notify is not None:
        notify(f"{arm}: {', '.join(f'{own} is {name}' for own, name in about.pairs.items())}")
    asr = asr or default_asr()
    answers = ask(
        *(loaded, rows, transcript, asr, progress),
        corpus=source.name,
        others=source.utterances,
    )
    keys = {a.utterance.id: a.key for a in answers.answers if a.key is not None}
    check_unseen_by(loaded, source, [*_heard(answers)], keys)
    scores = _as_scores(arm, model_sha256(folder_of(model)), about, source, answers)
    study = Study(
        corpus=corpus,
        manifest=manifest,
        root=root,
        labels=labels,
        channel=channel,
        audio=_encoder(loaded, "audio"),
        text=_encoder(loaded, "text"),
        asr=asr,
        transcript=transcript,
        map=map or None,
        arms=(arm,),
        trials=0,
        seeds=1,
        normalise="training" if loaded.normaliser is None else loaded.normaliser.by,
    )
    plan = _plan(study, source, rows, arm, scores)
    run = run_id(study, plan.inputs, {})
    fold, inner = plan.folds[0], plan.inner[0]
    made = [score_published(arm, plan.inputs.data, about.columns, fold, inner, seeds=1)]
    predictions = prediction_rows(run, source.name, plan, made)
    warnings = (
        *(f"{arm}: {line}" for line in _warnings(loaded, about, source, answers)),
        *record,
        *source.notes,
    )
    facts = _facts(run, study, loaded, source, plan.inputs, scores, answers, warnings)
    results = summarise(predictions, facts)
    write_run(out, None, None, predictions, results, plan, cost_of([], 1))
    return Outcome(out, results, plan.inputs.dropped)


def _encoder(model: FusionModel, kind: str) -> str:
    titles = [m.encoder.title for m in model.modalities.values() if m.name == kind]
    return titles[0] if titles else "none"


def _label_map(arm: str, model: FusionModel, corpus: Corpus, typed: Sequence[str]) -> LabelMap:
    """The corpus's class of each of the model's.

    Raises:
        ConfigError: the tasks differ, or the classes do not meet.
    """
    kinds_of(model)
    shares = ("single-label", "distribution")
    alike = model.task == corpus.task or {model.task, corpus.task} <= {*shares}
    if not alike or corpus.task == "multi-label":
        hint = " (sets of labels are named from thresholds that a corpus of its own gives)"
        raise ConfigError(
            f"{arm}: was trained on {model.task} targets, and those of {corpus.name} are "
            f"{corpus.task}: expected both of one class, shares, or values"
            f"{hint * (corpus.task == 'multi-label')}"
        )
    asked = parse_map(typed, corpus.targets)
    if unknown := asked.keys() - set(map(word, model.targets)):
        raise ConfigError(
            f"--map: the model does not say {', '.join(sorted(unknown))}; it says "
            f"{', '.join(model.targets)}"
        )
    found = map_labels(arm, model.targets, corpus.targets, asked)
    if corpus.task == "regression" and found.absent:
        raise ConfigError(f"{arm}: gives no {', '.join(found.absent)}, which {corpus.name} has")
    return found


# ---------------------------------------------------------------- what the model has seen


def check_unseen_by(
    model: FusionModel,
    corpus: Corpus,
    rows: Sequence[Utterance],
    keys: Mapping[str, str],
) -> tuple[str, ...]:
    """What a reader must know of the record of a model that has seen none of some rows.

    ``keys`` are content keys of the recordings as far as they are known.

    Raises:
        ConfigError: it, or a fine-tuned encoder of it, has seen a speaker or a recording; of a
            model without a record: it learned from a corpus of this name.
    """
    seen = [u.id for u in rows if _has_seen(model, corpus, u, keys.get(u.id))]
    if seen:
        raise ConfigError(
            f"the model was trained on {len(seen)} of {with_count(len(rows), 'utterance')} of "
            f"{corpus.name}, or on their speakers (first {seen[0]}): its score there says nothing "
            "about others. Evaluate it on another corpus; serfusion compare scores a corpus on "
            "speakers that are left out"
        )
    if model.seen is not None:
        return ()
    named = {utterance.corpus or corpus.name for utterance in rows}
    if known := [one for one in model.origin.corpora if any(_names(one, name) for name in named)]:
        raise ConfigError(
            f"the model learned from {', '.join(known)}, and keeps no record of whom it heard "
            "there: train it again with serfusion train, or evaluate it on another corpus"
        )
    return (
        "the model keeps no record of whom it has heard; only the names of corpora could be "
        f"compared (it learned from {', '.join(model.origin.corpora) or 'what is not known'})",
    )


def _names(origin: str, corpus: str) -> bool:
    """Whether what a model learned from, as ``RAVDESS (voice)``, names a corpus."""
    return re.search(rf"(?<!\w){re.escape(corpus)}(?!\w)", origin, re.IGNORECASE) is not None


def _has_seen(model: FusionModel, corpus: Corpus, utterance: Utterance, key: str | None) -> bool:
    if model.seen is not None and model.seen.holds(corpus.name, utterance, key):
        return True
    records = (provenance_of(modality.encoder) for modality in model.modalities.values())
    return any(
        record is not None and is_seen(record.seen, corpus, utterance, key) for record in records
    )


def _heard(answers: Answers) -> Iterator[Utterance]:
    """Silence is equal to silence, and says nothing about who recorded it."""
    return (answer.utterance for answer in answers.answers if not answer.silent)


# ---------------------------------------------------------------- from answers to a run


def _as_scores(
    arm: str, sha256: str, labels: LabelMap, corpus: Corpus, answers: Answers
) -> FileScores:
    """Answers as an arm has them: logarithms of probabilities, or values."""
    said = {a.utterance.id: a.scores for a in answers.answers}
    values = corpus.task == "regression"
    rows = {
        name: scores.fused if values else tuple(_logits(scores.fused))
        for name, scores in said.items()
        if isinstance(scores, EmotionScores)
    }
    why = {name: scores for name, scores in said.items() if isinstance(scores, str)}
    form: Form = "values" if values else "probabilities"
    return FileScores(arm, sha256, form, labels, rows, (), len(why), 0, why)


def _logits(probabilities: Sequence[float]) -> Iterator[float]:
    with np.errstate(divide="ignore"):
        return map(float, np.log(np.array(probabilities)).clip(IMPOSSIBLE))


def _plan(
    study: Study, corpus: Corpus, rows: tuple[Utterance, ...], arm: str, scores: FileScores
) -> Plan:
    """All rows as one test set, and nothing to train on."""
    ready, store = Ready(study, corpus, rows, (arm,), scores={arm: scores}), default_store()
    inputs = gather(ready, Transcripts({}), store, DecodeIndex(store.root / "hints.json"), None)
    fold, inner = Fold("all", (), inputs.data.ids), InnerFolds(())
    view, budget = FoldViews(FoldData(inputs.data, inner)), budget_of(study, corpus.task)
    return Plan((arm,), inputs, (fold,), (inner,), budget, None, EVALUATION, (view,))


def _facts(
    run: str,
    study: Study,
    model: FusionModel,
    corpus: Corpus,
    inputs: Inputs,
    scores: FileScores,
    answers: Answers,
    warnings: tuple[str, ...],
) -> RunFacts:
    encoders = {name: modality.encoder for name, modality in model.modalities.items()}
    return RunFacts(
        run=run,
        corpus=corpus.name,
        task=corpus.task,
        targets=corpus.targets,
        dropped=tuple(Dropped(f.utterance, f.why) for f in inputs.dropped),
        warnings=warnings,
        fits={},
        facts=Facts(
            study=options_of(study),
            protocol=EVALUATION,
            folds=1,
            trained_on={},
            synthetic=corpus.synthetic,
            untrained=any(spec.untrained for spec in encoders.values()),
            contaminated=False,
            leaky=False,
            encoders=dict(inputs.identity),
            checkpoints={name: spec.title for name, spec in encoders.items()},
            finetuned=(),
            encoded=answers.encoded,
            cached=answers.cached,
            recognised=answers.recognised,
            recogniser=answers.back_end if answers.recognised else None,
            published={},
            text_probe=None,
            groups=groupings(inputs.utterances),
            training_overlap=0.0,
            scores=(scores.fact,),
        ),
    )


def _warnings(
    model: FusionModel, labels: LabelMap, corpus: Corpus, answers: Answers
) -> Iterator[str]:
    """What a reader of the row must know."""
    learned = ", ".join(model.origin.corpora) or "what is not known"
    pairs = ", ".join(f"{own} is {name}" for own, name in labels.pairs.items())
    yield f"trained before, on {learned}; {pairs}; nothing was trained or chosen on {corpus.name}"
    yield from about_model(model)["warnings"]
    if labels.absent:
        yield f"never says {', '.join(labels.absent)}: it has no such class"
    if labels.unused:
        yield (
            f"its {', '.join(labels.unused)} are no classes here; what they would get is shared "
            "out among the others in proportion"
        )
    yield from answers.notes
    if answers.recognised:
        yield f"{answers.recognised} transcripts were recognised by {answers.back_end}"
    if corpus.task == "single-label" and model.abstention is not None:
        said = [
            (corpus.label(a.utterance), dict(zip(model.targets, a.scores.fused, strict=True)))
            for a in answers.answers
            if isinstance(a.scores, EmotionScores)
        ]
        yield from _abstained(model, labels, said)
        yield from _coarser(model, labels, said)


#: The class of an utterance, and the probabilities of the model's own classes.
Said = tuple[str | None, Mapping[str, float]]


def _abstained(model: FusionModel, labels: LabelMap, said: Sequence[Said]) -> Iterator[str]:
    """What its own threshold, fitted on other speakers, keeps here."""
    assert model.abstention is not None
    named = [(true, model.decide(scores)) for true, scores in said]
    right = [labels.pairs.get(name) == true for true, name in named if name is not None]
    if right:
        yield (
            f"at its own threshold ({model.abstention.threshold:.3f}) it names a class for "
            f"{len(right) / len(said):.0%} of the utterances, of which "
            f"{sum(right) / len(right):.0%} are right; on its development speakers it was "
            f"{model.abstention.coverage:.0%} and {model.abstention.accuracy:.0%}"
        )


def _coarser(model: FusionModel, labels: LabelMap, said: Sequence[Said]) -> Iterator[str]:
    """What coarser answers add here, where no class is sure enough."""
    hits: dict[str, list[bool]] = {}
    for true, scores in said:
        answer = model.answer(scores)
        if answer is not None and answer.level != "class" and true is not None:
            label = labels.pairs.get(answer.label, answer.label)
            right = label in (true, branch_of(true, answer.level))
            hits.setdefault(answer.level, []).append(right)
    for level, of_level in hits.items():
        yield (
            f"where it names no class it answers by {level} for {len(of_level)} of {len(said)} "
            f"utterances, {sum(of_level)} of them right"
        )
