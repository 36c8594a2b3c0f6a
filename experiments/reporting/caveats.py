"""What must be said beside a result, found in ``results.json``: badges, cautions, dropped rows."""

from collections.abc import Iterable

from encoders.messages import printable, with_count
from experiments.reporting.arm_names import arm_name
from experiments.reporting.in_print import REACHED
from experiments.reporting.numbers import column, primary_of
from experiments.reporting.results_schema import EVALUATION, Results
from fusion.evaluation.statistics import CLAIM_FROM
from fusion.training.arm_table import ARMS, LISTENERS, SCORES, arms_that, whole_of

#: Facts of a run that stand beside its title, and their words.
BADGES = {
    "synthetic": "synthetic speech",
    "untrained": "untrained encoder",
    "contaminated": "contaminated: the encoder has seen these speakers",
    "leaky": "LEAKY: test rows are known from training",
}
#: Embeddings that were made elsewhere: their makers may have trained on any row of this corpus.
UNKNOWN = "precomputed {kinds} features: nobody knows what these saw"
#: Rows that are standardised by their own group, whose other test rows are looked at.
TRANSDUCTIVE = "transductive: standardised by the rows of each {by}, labels unread"
CONSTANT_WORDS = "same words under every label"
#: Arms without words; the best single modality may be audio too.
_WORDLESS = {"audio", "audio_frames", "audio_linear", "best_unimodal", LISTENERS}
#: Before this trial the search draws at random (``n_startup_trials`` in :mod:`fusion.tuning.tune`).
SEARCHED_FROM = 5
#: An arm with a larger p than this is not above chance.
AT_CHANCE = 0.05
#: From this share of rows on, speakers of one class are told.
MUCH = 0.1
#: Development rows stop and select heads, which flatters them by a few points of UAR: from this
#: lower bound of their lead over test rows on it is told.
FLATTERED = 0.1
#: From this share of half an interval on, the standard error over seeds is told.
RESTLESS = 0.5
#: Arms that stand for others.
BEST = ("best_unimodal", "best_fused")
#: UAR from which an arm is told whatever the corpus.
SUSPICIOUS = 0.97
#: Dropped rows that a terminal names.
NAMED = 3


def badges(results: Results) -> list[str]:
    """What nobody may overlook: synthetic speech, random weights, words that carry no label."""
    facts = results.facts
    marks = [badge for key, badge in BADGES.items() if getattr(facts, key)]
    kinds = _precomputed(results)
    marks += [UNKNOWN.format(kinds=" and ".join(kinds))] * bool(kinds)
    unknown = [one.arm for one in facts.scores if one.arm.startswith(SCORES)]
    marks += [f"{arm_name(arm)}: not known what it saw" for arm in unknown]
    marks += [CONSTANT_WORDS] * has_constant_words(results)
    if facts.standardised_by is not None:
        marks.append(TRANSDUCTIVE.format(by=printable(facts.standardised_by)))
    values = {} if facts.cell is None else facts.cell.values
    cell = ", ".join(f"{printable(name)} {printable(value)}" for name, value in values.items())
    return marks + [f"cell of an ablation: {cell}"] * bool(cell)


def _precomputed(results: Results) -> list[str]:
    """Kinds of encoders in whose place some arm reads precomputed features."""
    inputs = {name for arm in results.arms if arm not in BEST for name in _inputs(arm)}
    study = results.facts.study
    read = {"audio": {"audio", "audio_frames"}, "text": {"text", "text_tokens"}}
    return [
        kind for kind, names in read.items()
        if str(study.get(kind)).startswith("features:") and inputs & names
    ]  # fmt: skip


def stamped(text: str, results: Results) -> str:
    """A title or a caption, marked where the folds leak and where test rows are looked at.

    Scores of folds that leak are for replication only.
    """
    facts = results.facts
    leaky = f"LEAKY ({printable(facts.protocol)}): " if facts.leaky else ""
    return leaky + _transductive([facts.standardised_by]) + text


def stamped_cells(text: str, reference: Results, cells: Iterable[Results]) -> str:
    """The same of the cells of an ablation, which may differ in what standardises their rows."""
    every = [cell.facts.standardised_by for cell in cells]
    alone = stamped("", reference).removesuffix(_transductive([reference.facts.standardised_by]))
    return alone + _transductive(every) + text


def _transductive(every: Iterable[str | None]) -> str:
    by = dict.fromkeys(printable(one) for one in every if one is not None)
    return f"TRANSDUCTIVE (by {', '.join(by)}): " if by else ""


def has_constant_words(results: Results) -> bool:
    """Whether the words cannot tell the label: same sentences under each, most of them gold.

    False where no arm reads words, and where the text arm reads precomputed features: those may
    come from other words than the corpus's.
    """
    facts = results.facts
    if facts.text_probe is None or not facts.text_probe.even:
        return False
    reading = {arm for arm in results.arms if not arm.startswith(SCORES)} - _WORDLESS
    if not reading or str(facts.study.get("text")).startswith("features:"):
        return False
    return 2 * facts.recognised < results.rows.used


def qualification(results: Results) -> str:
    """The sentence that follows the answer where the words cannot tell the label; else nothing."""
    if not has_constant_words(results):
        return ""
    who = "most of the words" if results.facts.recognised else "the words"
    sentence = f"{who} are the same under every label: a gain here cannot come from them."
    return f"{sentence[0].upper()}{sentence[1:]}"


def cautions(results: Results) -> list[str]:
    """What a budget leaves open, which arms are not above chance, whose intervals are doubtful."""
    notes = []
    if len(results.seeds) == 1 and results.facts.protocol != EVALUATION:
        notes.append("one seed: the spread over seeds is unknown")
    if 0 < results.trials < SEARCHED_FROM:
        notes.append(
            f"{with_count(results.trials, 'trial')} per arm and fold: below {SEARCHED_FROM} the "
            "search tries the defaults and random draws only, so that arms may differ by luck of "
            "the draw"
        )
    if results.trials == 0 and "late" in results.arms:
        notes.append("late: without trials its weight is not tuned, and both count alike")
    notes += [*_worse_choice(results), *_unchosen(results), *_too_good(results)]
    notes += [*_unheard_of(results), *_restless(results)]
    return [*notes, *_at_chance(results), *_few_speakers(results)]


def _worse_choice(results: Results) -> list[str]:
    """Best arms that score below each arm they stand for: then a gain over them is no gain."""
    name = primary_of(results)
    notes, metric = [], column(name)
    for best in (arm for arm in BEST if arm in results.arms):
        named = dict.fromkeys(fold.chosen for fold in results.arms[best].folds)
        chosen = [arm for arm in named if arm is not None and arm in results.arms]
        scores = [results.arms[arm].score(name).value for arm in (best, *chosen)]
        values = [value for value in scores if value is not None]
        if len(values) == len(scores) and values[0] < min(values[1:], default=values[0]):
            arms = zip(chosen, values[1:], strict=True)
            others = " and ".join(f"{arm_name(arm)} {metric.tell(value)}" for arm, value in arms)
            notes.append(
                f"{arm_name(best)}: {metric.title} {metric.tell(values[0])}, below {others}, which "
                "it stands for fold by fold: development speakers chose badly, and a difference "
                "from it may be that choice and no gain"
            )
    return notes


def _unchosen(results: Results) -> list[str]:
    """A single modality that scores above the best one: a gain over that may be none over it."""
    name, best = primary_of(results), "best_unimodal"
    metric, sign = column(name), -1 if column(name).lower else 1
    scores = {
        arm: sign * value
        for arm in (best, *arms_that(fuse=False))
        if arm in results.arms and (value := results.arms[arm].score(name).value) is not None
    }
    top = max(scores, key=lambda arm: scores[arm], default=best)
    if best not in scores or metric.tell(scores[top]) == metric.tell(scores[best]):
        return []
    return [
        f"{arm_name(top)} scores {metric.tell(sign * scores[top])} on test speakers, above "
        f"{arm_name(best)} ({metric.tell(sign * scores[best])}), which development speakers chose "
        "fold by fold: part of a gain over the chosen one may be that choice"
    ]


def _too_good(results: Results) -> list[str]:
    """Arms whose development score lies far above their test score."""
    notes: list[str] = []
    cell = results.facts.cell
    if cell is not None and cell.noise is not None and cell.noise.side == "test":
        # Development rows are clean there and test rows are not: the gap is what was asked for.
        return notes
    for arm, summary in results.arms.items():
        if arm in BEST or (development := summary.development) is None:
            continue
        uar, gap = development.uar, development.above_test
        if uar is not None and gap.value is not None and (gap.low or 0.0) > FLATTERED:
            notes.append(
                f"{arm_name(arm)}: development UAR {100 * uar:.1f} lies "
                f"{100 * gap.value:.1f} points above test, {100 * (gap.low or 0.0):.1f} at "
                "least: its embeddings may have been trained on these very labels"
            )
    return notes


def _restless(results: Results) -> list[str]:
    """Arms whose seeds differ by more than an interval over speakers can hold."""
    name, notes = primary_of(results), []
    metric, seeds = column(name), len(results.seeds)
    for arm, summary in results.arms.items():
        score = summary.score(name)
        if arm in BEST or seeds == 1 or score.sd_over_seeds is None:
            continue
        if score.low is None or score.high is None:
            continue
        if score.sd_over_seeds / seeds**0.5 > RESTLESS * (score.high - score.low) / 2:
            notes.append(
                f"{arm_name(arm)}: {metric.title} deviates by {metric.tell(score.sd_over_seeds)} "
                f"over {seeds} seeds, which its interval over speakers does not hold: take more"
            )
    return notes


def _unheard_of(results: Results) -> list[str]:
    """Arms that score what hardly anybody does: the cause is more often a leak than a discovery."""
    known = REACHED.get((results.corpus, len(results.targets)))
    notes = []
    for arm, summary in results.arms.items():
        uar, words = summary.uar.value, {"text", "text_tokens"} & {*_inputs(arm)}
        # People may agree by selection, and leak nothing.
        if arm in BEST or arm == LISTENERS or uar is None:
            continue
        if uar > SUSPICIOUS:
            notes.append(
                f"{arm_name(arm)}: UAR {100 * uar:.1f}, above {100 * SUSPICIOUS:.0f}: emotions of "
                "people not heard before are hardly ever told so well; look for what else tells "
                "the label, such as what the encoder saw, lengths, rooms or marks in the words"
            )
        elif known is not None and uar > known.uar and not (known.voice_alone and words):
            notes.append(
                f"{arm_name(arm)}: UAR {100 * uar:.1f}, above the highest that we know in print "
                f"for {printable(results.corpus)} with {len(results.targets)} classes "
                f"({100 * known.uar:.1f}; {known.source}): make sure that nothing leaks"
            )
    return notes


def _inputs(arm: str) -> tuple[str, ...]:
    """What an arm reads; nothing of one whose plugin is not there."""
    known = ARMS.get(whole_of(arm))
    return () if known is None else known.inputs


def _at_chance(results: Results) -> list[str]:
    """Arms whose predictions score no more than they do with labels moved within speakers."""
    nulls = {arm: summary.null for arm, summary in results.arms.items() if arm not in BEST}
    blind = {arm: null for arm, null in nulls.items() if null is not None and null.p > AT_CHANCE}
    if not blind:
        return []
    names = ", ".join(map(arm_name, blind))
    verb = "is" if len(blind) == 1 else "are"
    fixed = max(null.fixed for null in blind.values())
    why = f"; {fixed:.0%} of utterances are of speakers with one class, where nothing can be moved"
    return [
        f"{names} {verb} not shown to be above chance (labels moved within speakers)"
        + (why if fixed >= MUCH else "")
    ]


def _few_speakers(results: Results) -> list[str]:
    """Speakers of so unequal weight that few of them decide."""
    least = min((summary.effective for summary in results.arms.values()), default=None)
    rows = results.rows
    together = (
        f"{rows.speakers} speakers talk with each other in {with_count(rows.clusters, 'group')}: "
        "intervals and tests are over these"
    )
    notes = [together] * (rows.clusters < rows.speakers)
    if least is None or rows.clusters < CLAIM_FROM or least >= CLAIM_FROM:
        return notes
    some = "" if results.task == "regression" else " of some class"
    unequal = (
        f"a few {rows.unit} have most of the rows{some}: these {rows.clusters} weigh like "
        f"{least:.1f} equal ones, and intervals are as wide as for so few"
    )
    return [*notes, unequal]


def dropped_lines(results: Results) -> list[str]:
    """The first rows that left every arm, with their reasons, and where all of them stand."""
    dropped = results.rows.dropped
    if not dropped:
        return []
    lines = [f"{with_count(len(dropped), 'utterance')} left every arm:"]
    lines += [f"  {printable(row.id)}: {printable(row.why)}" for row in dropped[:NAMED]]
    more = f"and {len(dropped) - NAMED} more; " if len(dropped) > NAMED else ""
    where = '"rows" in results.json, and Rows in report.html'
    return [*lines, f"  {more}{'all' if more else 'they'} stand under {where}"]
