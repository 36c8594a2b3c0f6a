"""Everything that is decided before the first head is trained, and what must be said about it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from encoders.messages import with_count
from encoders.utterance import Corpus, Task, Utterance
from experiments.comparing.inputs import Inputs
from experiments.config import Study
from experiments.reporting.trained_encoder import Trained
from fusion.batch import Dataset
from fusion.evaluation.clusters import clusters_of
from fusion.evaluation.goals import PRIMARY, goal_of
from fusion.evaluation.statistics import CLAIM_FROM
from fusion.leakage.findings import TextProbe
from fusion.leakage.text_probe import probe_text
from fusion.networks.head import fixed_values
from fusion.networks.losses import with_loss
from fusion.splitting.development import hold_out
from fusion.splitting.splits import (
    Fold,
    InnerFold,
    InnerFolds,
    SplitError,
    assert_speakers_apart,
    inner_folds,
    is_leaky,
    outer_folds,
    rows_of,
    says_new_scripts,
    speaker_of,
)
from fusion.training.arm_table import ARMS
from fusion.training.arms import Budget
from fusion.training.crossfit import FoldData


@dataclass(frozen=True, slots=True)
class FoldViews:
    """What heads of one outer fold see: the same in every fold, but for encoders trained in it.

    ``halves`` are for cross-fitted arms.
    """

    whole: FoldData
    halves: tuple[FoldData, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Arms, rows, folds and budget of a comparison; what was trained in each fold before heads.

    ``storage`` keeps the studies, None: a journal for each fit.
    """

    arms: tuple[str, ...]
    inputs: Inputs
    folds: tuple[Fold, ...]
    inner: tuple[InnerFolds, ...]
    budget: Budget
    probe: TextProbe | None
    protocol: str
    views: tuple[FoldViews, ...]
    trained: tuple[Trained, ...] = ()
    storage: str | None = field(default=None, repr=False)

    @property
    def recognised(self) -> tuple[str, ...]:
        """Rows whose words were recognised."""
        return tuple(name for name in self.inputs.data.ids if name in self.inputs.words.recognised)

    def with_data(self, data: Dataset) -> "Plan":
        """The plan with other inputs of its rows; folds are as they were."""
        views = tuple(FoldViews(FoldData(data, views.whole.inner)) for views in self.views)
        return replace(self, inputs=replace(self.inputs, data=data), views=views)


def protocol_of(corpus: Corpus, asked: str | None) -> str:
    """The protocol that is asked for, else the corpus's own.

    An official split that is known to share speakers (``Corpus.folds`` is ``split-leaky``) runs
    as it was published under the name ``split`` too, stamped.
    """
    official = asked == "split" and corpus.folds == "split-leaky"
    return corpus.folds if asked is None or official else asked


def rows_for(
    corpus: Corpus, utterances: Sequence[Utterance], protocol: str
) -> tuple[Utterance, ...]:
    """Utterances that take part in a protocol, and all that only train.

    Raises:
        SplitError: as :func:`fusion.splitting.splits.rows_of`.
    """
    own = {utterance.id for utterance in rows_of(corpus.own(utterances), protocol)}
    return tuple(u for u in utterances if u.id in own or u.id in corpus.extra)


def outer_of(corpus: Corpus, utterances: Sequence[Utterance], protocol: str) -> tuple[Fold, ...]:
    """Outer folds of what is scored; rows that only train join each of them.

    Raises:
        SplitError: as :func:`fusion.splitting.splits.outer_folds`.
    """
    extra = tuple(u.id for u in utterances if u.id in corpus.extra)
    folds = outer_folds(corpus.own(utterances), protocol)
    return tuple(replace(fold, train=(*fold.train, *extra)) for fold in folds)


def make_plan(corpus: Corpus, inputs: Inputs, study: Study, arms: tuple[str, ...]) -> Plan:
    """Fix folds and inner folds of the rows that are left, and probe the transcripts."""
    protocol = protocol_of(corpus, study.folds)
    folds, inner = make_folds(corpus, inputs.utterances, protocol, held_out=bool(inputs.awaited))
    gold = {
        name: text
        for name, text in inputs.words.texts.items()
        if name not in inputs.words.recognised
    }
    speakers = {utterance.id: speaker_of(utterance) for utterance in inputs.utterances}
    probe = probe_text(inputs.data, gold, speakers, folds)
    budget = budget_of(study, corpus.task)
    views = tuple(FoldViews(FoldData(inputs.data, splits)) for splits in inner)
    return Plan(arms, inputs, folds, inner, budget, probe, protocol, views)


def budget_of(study: Study, task: Task) -> Budget:
    """What every arm may spend, and what its spending is judged by.

    Raises:
        ValueError: a loss or a metric of another task, or a hyperparameter that is none.
    """
    fixed, goal = with_loss(fixed_values(study.head), task), goal_of(task, study.select)
    # A task's own metric is the same choice whether it is named or not.
    return Budget(
        study.trials, study.seeds, fixed=fixed, goal=None if goal == PRIMARY[task] else goal
    )


def make_folds(
    corpus: Corpus, utterances: Sequence[Utterance], protocol: str, *, held_out: bool = False
) -> tuple[tuple[Fold, ...], tuple[InnerFolds, ...]]:
    """Outer folds of some rows, and the inner folds of each.

    With ``held_out`` there is one inner fold: its development speakers are held out of encoders
    that are trained, and heads must not be selected on rows that their encoder was fitted on.

    Raises:
        SplitError: speakers cannot be kept apart, though the protocol does not leak by its name, or
            training or development lacks a class.
    """
    folds = outer_of(corpus, utterances, protocol)
    by_id = {utterance.id: utterance for utterance in utterances}
    inner = tuple(_inner(corpus, fold, by_id, held_out) for fold in folds)
    if not is_leaky(protocol):
        for each in inner:
            for split in each.folds:
                assert_speakers_apart(split, [by_id[name] for name in (*split.train, *split.dev)])
    return folds, inner


def _inner(
    corpus: Corpus, fold: Fold, by_id: Mapping[str, Utterance], held_out: bool
) -> InnerFolds:
    rows = [by_id[name] for name in fold.train]
    if fold.dev:
        own = tuple(row.id for row in corpus.own(rows))
        splits = InnerFolds((InnerFold(own, fold.dev),))
    elif held_out:
        held = hold_out(corpus.own(rows), corpus.classes)
        splits = InnerFolds((held.fold,), held.notes)
    else:
        new = says_new_scripts(fold, by_id)
        splits = inner_folds(corpus.own(rows), corpus.classes, new_scripts=new)
    splits = with_extra_rows(corpus, splits, by_id, fold.train)
    for inner in splits.folds:
        for side, names in (("training", inner.train), ("development", inner.dev)):
            check_side(corpus, f"fold {fold.name}: {side}", [by_id[name] for name in names])
    return splits


def with_extra_rows(
    corpus: Corpus, inner: InnerFolds, by_id: Mapping[str, Utterance], train: Sequence[str]
) -> InnerFolds:
    """Rows that only train in the training side of each inner fold, but for its dev speakers'."""
    extra = [by_id[name] for name in train if name in corpus.extra]

    def joined(fold: InnerFold) -> InnerFold:
        known = {by_id[name].speaker for name in fold.dev}
        more = tuple(row.id for row in extra if row.speaker not in known)
        return replace(fold, train=(*fold.train, *more))

    return replace(inner, folds=tuple(map(joined, inner.folds)))


def check_side(corpus: Corpus, where: str, rows: Sequence[Utterance]) -> None:
    """Raise where a side of an inner fold cannot teach, or cannot tell, what a target is."""
    if corpus.task == "regression":
        targets = [row.target or () for row in rows]
        flat = [
            n for k, n in enumerate(corpus.targets) if len({target[k] for target in targets}) < 2
        ]
        if flat:
            raise SplitError(
                f"{where} holds one value of {', '.join(flat)} only; add speakers, or folds with "
                "more of them"
            )
        return
    classes = [corpus.classes(row) for row in rows]
    lacking = set(corpus.targets) - set().union(*classes)
    if lacking:
        raise SplitError(
            f"{where} holds no utterance of {', '.join(sorted(lacking))}; "
            "add speakers with that class, merge it with another, or leave it out"
        )


def warnings_of(plan: Plan) -> list[str]:
    """What a reader of the table must know."""
    recognised = plan.recognised
    lines = [note for inner in plan.inner for note in inner.notes]
    if recognised:
        lines.append(
            f"{len(recognised)} transcripts were missing and were recognised by "
            f"{plan.inputs.words.back_end}"
        )
    lines += [*unit_notes(plan.inputs.utterances), *_unsettled(plan)]
    if plan.probe is not None:
        lines += _probe_lines(plan.probe, 1 / len(plan.inputs.data.targets))
    if plan.inputs.dropped:
        left = with_count(len(plan.inputs.dropped), "utterance")
        lines.append(f"{left} left every arm; they are listed")
    trained = training_remarks(plan.trained, plan.arms, leaky=is_leaky(plan.protocol))
    return list(dict.fromkeys([*trained, *lines]))


def unit_notes(utterances: Sequence[Utterance]) -> list[str]:
    """What is said where sessions or dialogues join so many speakers that no interval is left."""
    speakers = [speaker_of(utterance) for utterance in utterances]
    sessions, dialogues = [u.session for u in utterances], [u.dialogue for u in utterances]
    groups = len(set(clusters_of(speakers, sessions, dialogues).of))
    if len(set(speakers)) < CLAIM_FROM or groups >= CLAIM_FROM:
        return []
    return [
        f"who shares a value of session or dialogue counts as recorded together: "
        f"{len(set(speakers))} speakers are {with_count(groups, 'group')}, and intervals need "
        f"{CLAIM_FROM}; where each speaker's own sessions are numbered, make the values unique "
        "(anna-1), or leave the column out"
    ]


def _unsettled(plan: Plan) -> list[str]:
    """What is said of rows whose votes have no majority."""
    data = plan.inputs.data
    tied = int((data.truth < 0).sum()) if data.task == "distribution" else 0
    if not tied:
        return []
    return [
        f"{tied} of {with_count(len(data.ids), 'utterance')} have no class with the most votes: "
        "they are trained on, and scored by divergence and cosine, but have no part in UAR, "
        "accuracy and F1, nor in which classes a fold holds"
    ]


def training_remarks(
    trained: Sequence[Trained], arms: Sequence[str], *, leaky: bool = False
) -> tuple[str, ...]:
    """What must be known of encoders that were trained in every fold; nothing where none was.

    ``leaky`` folds test speakers whom their encoders may have heard.
    """
    if not trained:
        return ()
    kinds = dict.fromkeys(encoder.kind for encoder in trained)
    lines = [
        _trained(kind, [encoder for encoder in trained if encoder.kind == kind], leaky)
        for kind in kinds
    ]
    if not all(ARMS[arm].crossfitted for arm in arms if arm in ARMS):
        lines.append(
            "heads were trained on embeddings of the same rows that the fine-tuned encoder was "
            "fitted on, which look better than those of new speakers: a fused head trusts the more "
            "overfitted modality too much, which cross-fitting (concat_crossfit) avoids"
        )
    lines.append(
        "heads were stopped and selected on the development speakers that the encoder was stopped "
        "on, one group per fold; there is one encoder per fold, so that the spread over seeds is "
        "that of heads"
    )
    lines.append(
        "no model was left: every fold has an encoder of its own, and one of all speakers was not "
        "trained"
    )
    return tuple(lines)


def _trained(kind: str, trained: Sequence[Trained], leaky: bool) -> str:
    never = "LEAKY: test speakers may be among them" if leaky else "never on test speakers"
    dev = "" if leaky else " others"
    seconds = sum(encoder.seconds for encoder in trained)
    return (
        f"the {kind} encoder ({trained[0].typed}) was fine-tuned in every fold on "
        f"{_span([encoder.train_speakers for encoder in trained])} training speakers and stopped "
        f"on {_span([encoder.dev_speakers for encoder in trained])}{dev}, {never}: "
        f"{len(trained)} encoders, {seconds / 60:.1f} minutes, development {trained[0].dev_metric} "
        f"{min(encoder.dev_uar for encoder in trained):.3f} to "
        f"{max(encoder.dev_uar for encoder in trained):.3f}"
    )


def _span(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"


def describe_folds(plan: Plan) -> list[dict[str, Any]]:
    """Rows of every fold, as ``folds.json`` keeps them."""
    speaker = {u.id: speaker_of(u) for u in plan.inputs.utterances}
    return [
        {
            **asdict(fold),
            "test_speakers": sorted({speaker[name] for name in fold.test}),
            "inner": [asdict(inner_fold) for inner_fold in inner.folds],
            "halves": [
                asdict(inner_fold) for view in views.halves for inner_fold in view.inner.folds
            ],
        }
        for fold, inner, views in zip(plan.folds, plan.inner, plan.views, strict=True)
    ]


def _probe_lines(probe: TextProbe, chance: float) -> list[str]:
    if probe.uar is None or probe.p is None or probe.null_high is None:
        if probe.shared == 0:
            return []
        return [f"{probe.shared:.0%} of test utterances have a sentence that training has too"]
    head = f"the gold transcripts are {probe.sentences} fixed sentences"
    if probe.even:
        return [
            f"{head}, spoken under every label alike: the transcript is constant with respect to "
            f"the label, so a text arm must sit at chance ({chance:.3f})"
        ]
    return [
        f"{head}, not evenly crossed with the labels: the sentence alone gives UAR {probe.uar:.3f} "
        f"(95 % of shuffled labels stay below {probe.null_high:.3f}, p = {probe.p:.3f}); "
        "judge the text arm against that, not against chance: it is no leak and no emotion"
    ]
