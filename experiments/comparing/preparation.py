"""A comparison up to its first head: every fault found, inputs gathered, folds certified."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from encoders.asr.recognisers import parse_recogniser
from encoders.extraction import Progress
from encoders.finetuning.objective import check_task
from encoders.finetuning.settings import FinetuneError
from encoders.messages import printable, with_count
from encoders.store import EmbeddingStore
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, CorpusError, Fault, Task, Utterance
from encoders.weights.cards import CARDS
from encoders.weights.sources import WHISPER_MODELS
from experiments.comparing.certificate import certify_final_rows
from experiments.comparing.contamination import (
    Contamination,
    Sounds,
    check_unseen,
    remarks,
    scored_rows,
)
from experiments.comparing.fold_encoders import FoldContext, check_shared, train_encoders
from experiments.comparing.inputs import (
    Inputs,
    Ready,
    check_sequences,
    preflight,
    reads_words,
    typed_encoders,
)
from experiments.comparing.own_statistics import check_groups, groups_of
from experiments.comparing.plan import Plan, make_folds, make_plan, protocol_of, rows_for
from experiments.comparing.published import find_published
from experiments.comparing.scores_file import find_scores
from experiments.comparing.trainable import is_finetuned, parse_trainable
from experiments.comparing.transcripts import to_recognise
from experiments.comparing.variation import NO_VARIATION, Variation
from experiments.config import DEFAULT_ARMS, ConfigError, Study
from experiments.corpora import load_source
from fusion.evaluation.goals import goal_of
from fusion.leakage.evidence import Evidence
from fusion.leakage.findings import Certificate
from fusion.networks.head import fixed_values
from fusion.networks.heads import HEADS
from fusion.networks.losses import with_loss
from fusion.training.arm_table import (
    ARMS,
    JOINT,
    LISTENERS,
    MODEL,
    PUBLISHED,
    SCORES,
    TrainedArm,
    arm_of,
    is_arm,
)
from fusion.training.arms import try_own_heads
from fusion.training.late import LATE

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that heads need, what was tested for leaks, and what a reader must be told.

    ``contaminations``: encoders that have seen what is scored, which was allowed.
    """

    corpus: Corpus
    plan: Plan
    certificate: Certificate
    contaminations: tuple[Contamination, ...]
    remarks: tuple[str, ...]


def load_corpus(study: Study) -> Corpus:
    """The corpus that a study names.

    Raises:
        CorpusError: with every fault of a manifest, or of a corpus's layout.
    """
    return load_source(
        study.corpus, study.manifest, study.root, study.labels, study.extra, study.channel
    )


def labelled(corpus: Corpus) -> tuple[Utterance, ...]:
    """Utterances that can be scored; raises where their targets allow no comparison."""
    rows = tuple(utterance for utterance in corpus.utterances if utterance.target is not None)
    scored = corpus.own(rows)
    what = _unvaried(corpus, scored) if corpus.task == "regression" else _unclassed(corpus, scored)
    if what:
        raise CorpusError(corpus.name, [Fault("label", what)])
    return rows


def _unclassed(corpus: Corpus, rows: Sequence[Utterance]) -> str:
    """What keeps classes or labels from being compared; nothing where they can be."""
    counts = Counter(name for utterance in rows for name in corpus.classes(utterance))
    least = 1 if corpus.task == "multi-label" else 2
    if len(counts) < least:
        word = "label" if corpus.task == "multi-label" else "class"
        needed = "at least one is" if least == 1 else "at least two are"
        return f"{len(counts)} {word} among {len(rows)} labelled utterances: {needed} needed"
    absent = [target for target in corpus.targets if target not in counts]
    if absent:
        most = " with the most votes" if corpus.task == "distribution" else ""
        return f"no utterance of {', '.join(absent)}{most}: take them out of --labels"
    always = [name for name, count in counts.items() if count == len(rows)]
    if corpus.task == "multi-label" and always:
        return f"every utterance has {', '.join(always)}: there is nothing to tell apart"
    return ""


def _unvaried(corpus: Corpus, rows: Sequence[Utterance]) -> str:
    flat = [
        name
        for number, name in enumerate(corpus.targets)
        if len({u.target[number] for u in rows if u.target is not None}) < 2
    ]
    return f"{', '.join(flat)} never varies: there is nothing to predict" if flat else ""


def chosen_arms(study: Study, option: str = "--arms") -> tuple[str, ...]:
    """Arms that a study asks for, with those that they need; frames-only audio beside attention.

    ``option`` is how they were asked for.

    Raises:
        ConfigError: an arm is unknown.
    """
    asked = study.arms or DEFAULT_ARMS
    if unknown := [arm for arm in asked if not is_arm(arm) or arm.startswith(MODEL)]:
        others = (f"{PUBLISHED}NAME", f"{SCORES}FILE", f"{JOINT}ARM+{SCORES}FILE", LISTENERS)
        known = (*ARMS, *others)
        many = "one" if option == "--arm" else "some"
        raise ConfigError(f"{option} {','.join(unknown)}: expected {many} of {', '.join(known)}")
    headless = [
        f"{arm.name} (head {arm.head})"
        for arm in map(arm_of, asked)
        if isinstance(arm, TrainedArm) and arm.head not in HEADS
    ]
    if headless:
        raise ConfigError(f"{option}: no such head of {', '.join(headless)}: {', '.join(HEADS)}")
    wanted = dict.fromkeys(name for arm in asked for name in (*arm_of(arm).beside, arm))
    joint = [arm for arm in wanted if arm.startswith(JOINT)]
    elsewhere = [arm for arm in wanted if arm not in (*ARMS, *joint)]
    return (*(arm for arm in ARMS if arm in wanted), *elsewhere, *joint)


def check_targets(study: Study, corpus: Corpus, arms: Sequence[str]) -> bool:
    """Refuse losses, metrics, encoders, arms of another kind; whether encoders are to be trained.

    Raises:
        ConfigError: with everything that cannot be; ValueError: a hyperparameter is none.
    """
    faults = []
    checks: tuple[Callable[[], object], ...] = (
        lambda: with_loss(fixed_values(study.head), corpus.task),
        lambda: goal_of(corpus.task, study.select),
        lambda: check_trained(study, corpus.task),
    )
    for check in checks:
        try:
            check()
        except ValueError as error:
            faults.append(str(error))
    published = [arm for arm in arms if arm.startswith(PUBLISHED)]
    if published and corpus.task == "multi-label":
        faults.append(
            f"--arms {printable(','.join(published))}: a published classifier names one class, and "
            f"these targets are {corpus.task}; leave it out"
        )
    unknown = [name for name in arms if name in LATE and corpus.task not in LATE[name].tasks]
    if unknown:
        faults.append(
            # compare calls the option --arms, train --arm.
            f"arm {', '.join(unknown)}: {corpus.task} targets cannot be combined so; use late, "
            "late_mean or late_per_class"
        )
    if faults:
        raise ConfigError("; ".join(faults))
    return any(is_finetuned(typed) for _, typed in typed_encoders(study))


def check_trained(study: Study, task: Task) -> None:
    """Refuse settings of training that mean nothing to targets of this kind.

    Raises:
        ConfigError: there are some; MissingWeightsError: an encoder's family is not to be told.
    """
    for kind, typed in typed_encoders(study):
        if is_finetuned(typed):
            trainable = parse_trainable(typed, kind)
            try:
                check_task(trainable.modality.encoder, trainable.settings, task)
            except FinetuneError as error:
                raise ConfigError(f"--{kind} {printable(typed)}: {error}") from error


def check_ready(study: Study, variation: Variation = NO_VARIATION) -> Ready:
    """Find every fault of a study that can be found before any work.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError.
    """
    corpus = load_corpus(study)
    protocol = protocol_of(corpus, study.folds)
    rows = variation.rows(rows_for(corpus, labelled(corpus), protocol))
    arms, notes = check_sequences(study, chosen_arms(study))
    try_own_heads(arms)
    finetuned = check_targets(study, corpus, arms)
    folds, inner = make_folds(corpus, rows, protocol, held_out=finetuned)
    check_statistics(study, corpus, rows)
    published = find_published(study, arms, corpus)
    said = [label for one in published.values() for label in one.labels.labels]
    scores = find_scores(study, arms, corpus, rows, said)
    preflight(study, rows, arms, published)
    # Names before hours of work; samples and sounds once they have been heard.
    check_unseen(study, corpus, arms, scored_rows(rows, folds), Sounds())
    notes = (*notes, *language_notes(study, rows, arms))
    return Ready(study, corpus, rows, arms, notes, published, protocol, folds, inner, scores)


def language_notes(study: Study, rows: Sequence[Utterance], arms: Sequence[str]) -> tuple[str, ...]:
    """What is said of rows in a language that who reads or writes their words does not know.

    As far as rows say theirs as a code, and a card or the name of the weights says what they know.
    """
    if not reads_words(study, arms):
        return ()
    notes = []
    modality = (
        parse_trainable(study.text, "text").modality
        if is_finetuned(study.text)
        else parse_modality(study.text, "text")
    )
    encoder: Any = modality.encoder
    card = CARDS.get(encoder.checkpoint) if encoder.has("checkpoint") else None
    if card is not None and card.code and (foreign := _foreign(rows, card.code)):
        notes.append(
            f"{foreign}, and {study.text} learned from texts in {card.code}: what words are worth "
            "here is what it makes of them, not what they say; multilingual-minilm and "
            "xlm-roberta-base know many languages"
        )
    recogniser = parse_recogniser(study.asr)
    english = recogniser.checkpoint in WHISPER_MODELS and recogniser.checkpoint.endswith(".en")
    if english and (foreign := _foreign(to_recognise(rows, study.transcript), "en")):
        notes.append(
            f"{foreign}, are to be recognised, and {study.asr} knows English alone: take --asr "
            "whisper-base or a larger one"
        )
    return tuple(notes)


def _foreign(rows: Sequence[Utterance], known: str) -> str:
    """How many rows are in other languages, in words; nothing where none is."""
    codes = [(row.language or "").lower() for row in rows]
    found = Counter(code[:2] for code in codes if re.fullmatch(r"[a-z]{2}([-_].*)?", code))
    others = {code: count for code, count in found.items() if code != known}
    if not others:
        return ""
    return f"{with_count(sum(others.values()), 'utterance')} in {', '.join(sorted(others))}"


def check_statistics(study: Study, corpus: Corpus, rows: Sequence[Utterance]) -> None:
    """Refuse to standardise by groups that rows do not name, or that have too few of them.

    Raises:
        ConfigError: which.
    """
    if study.normalise != "training":
        groups = groups_of(study.normalise, rows, corpus.name, corpus.extra)
        check_groups(study.normalise, groups)


def check_heard(ready: Ready, evidence: Evidence) -> None:
    """Ask whether encoders have seen what is scored, before anything is encoded.

    Raises:
        ConfigError: one has, and the study does not allow it.
    """
    scored = scored_rows(ready.rows, ready.folds)
    sounds = Sounds.of(evidence)
    check_unseen(ready.study, ready.corpus, ready.arms, scored, sounds)


def prepare(
    ready: Ready,
    inputs: Inputs,
    evidence: Evidence,
    variation: Variation,
    store: EmbeddingStore,
    progress: Progress | None,
    tell: Notify,
) -> Prepared:
    """Everything between inputs and the first head; encoders of folds are trained here.

    Raises:
        ConfigError, SplitError, LeakError.
    """
    plan = make_plan(ready.corpus, inputs, ready.study, ready.arms)
    plan = variation.plan(plan, ready.study, store, progress)
    certificate = certify_final_rows(evidence, plan)
    seen = _seen(ready, inputs, plan, evidence)
    plan = train_encoders(FoldContext(ready.corpus, plan, store, progress, tell, bool(seen)))
    notes = _told(ready, plan, seen)
    return Prepared(ready.corpus, plan, certificate, seen, notes)


def _seen(
    ready: Ready, inputs: Inputs, plan: Plan, evidence: Evidence
) -> tuple[Contamination, ...]:
    """What is scored though an encoder has seen it, which was allowed; else an error."""
    scored = scored_rows(inputs.utterances, plan.folds)
    sounds = Sounds.of(evidence, inputs.keys)
    return (
        *check_unseen(ready.study, ready.corpus, ready.arms, scored, sounds),
        *check_shared(ready.study, plan),
    )


def _told(ready: Ready, plan: Plan, seen: tuple[Contamination, ...]) -> tuple[str, ...]:
    notes = (
        *ready.notes,
        *(line for classifier in ready.published.values() for line in classifier.warnings),
        *(line for scores in ready.scores.values() for line in scores.warnings),
    )
    inputs = plan.inputs
    return (*remarks(inputs.modalities, seen), *ready.corpus.notes, *notes, *inputs.warnings)
