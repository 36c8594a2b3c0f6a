"""Results in words: numbers, the names of arms, and sentences that claim something or do not."""

from collections.abc import Sequence
from typing import Literal

from encoders.messages import printable, with_count
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import BEST, badges, qualification, stamped
from experiments.reporting.numbers import ABSENT, column, p_number, p_text, primary_of
from experiments.reporting.results_schema import ArmDifference, Results, Rows
from fusion.evaluation.statistics import CLAIM_FROM, SIGNIFICANT, Interval

Verdict = Literal["higher", "lower", "not shown", "no claim", "undefined"]

_SUBJECTS = {"best_fused": "fused", "best_unimodal": "the best single modality"}


def corpus_title(results: Results) -> str:
    """The corpus without the remark that its badge repeats."""
    return stamped(printable(results.corpus).replace(" (synthetic speech)", ""), results)


def setting(results: Results) -> str:
    """Corpus, sizes, encoders and run in one line, for the captions of tables."""
    study = results.facts.study
    rows = results.rows
    parts = [
        results.corpus,
        f"{with_count(rows.used, 'utterance')} of {with_count(rows.speakers, 'speaker')}",
        *(f"{name} {study[name]}" for name in ("audio", "text") if study.get(name)),
        *(badge for badge in badges(results) if badge not in results.corpus),
        f"run {results.run}",
    ]
    return printable("; ".join(parts))


# ---------------------------------------------------------------- verdicts


def verdict(difference: ArmDifference) -> Verdict:
    """What a difference shows; "higher" is better, also where less of a metric is.

    It is shown if its interval excludes 0 and p, after Holm's correction where there is one, is at
    most .05.
    """
    low, high = difference.low, difference.high
    if difference.value is None:
        return "undefined"
    if low is None or high is None:
        return "no claim"
    p = difference.p if difference.p_holm is None else difference.p_holm
    if low <= 0 <= high or (p is not None and p > SIGNIFICANT):
        return "not shown"
    return "higher" if (low > 0) != column(difference.metric).lower else "lower"


def verdict_text(difference: ArmDifference) -> str:
    """A verdict for a column of a table."""
    arm, against = arm_name(difference.arm), arm_name(difference.against)
    return {
        "higher": f"{arm} beats {against}",
        "lower": f"{against} beats {arm}",
        "not shown": "no difference was shown",
        "no claim": "no claim about other speakers",
        "undefined": "not defined",
    }[verdict(difference)]


def answer(results: Results) -> str:
    """The result of the primary comparison in a sentence; what was measured, if there is none.

    Where the words cannot tell the label a second sentence says so.
    """
    return stamped(f"{_result(results)} {qualification(results)}".rstrip(), results)


def claim(difference: ArmDifference, rows: Rows) -> str:
    """An exploratory difference in a sentence, with its p after Holm's correction."""
    pair = f"{arm_name(difference.arm)} against {arm_name(difference.against)}"
    outcome = verdict(difference)
    if outcome == "undefined":
        return f"{pair}: {verdict_text(difference)} ({_reason(difference)})"
    metric = column(difference.metric)
    size = metric.tell_signed(difference.value)
    head = f"{pair}: {size} points" if metric.share else f"{pair}: {size}"
    if outcome == "no claim":
        return f"{head}: {_no_claim(difference, rows)}"
    parts = [f"{head} ({metric.tell_span(difference)})"]
    parts += [p_text(difference.p)] if difference.p is not None else []
    parts += [p_text(difference.p_holm, "Holm")] if difference.p_holm is not None else []
    shown = could_have_shown(difference, rows) if outcome == "not shown" else ""
    return f"{', '.join(parts)}: {verdict_text(difference)}{f' ({shown})' if shown else ''}"


def beats_both(differences: Sequence[ArmDifference], metric: str = "uar") -> list[str]:
    """Per fused arm, whether it beats audio and text in a metric: that needs both differences."""
    pairs: dict[str, dict[str, Verdict]] = {}
    for row in differences:
        if row.metric == metric and not row.primary:
            against = row.against.removesuffix("_linear")
            pairs.setdefault(row.arm, {})[against] = verdict(row)
    lines = []
    for arm, verdicts in pairs.items():
        if {"audio", "text"} <= verdicts.keys():
            both = all(verdicts[other] == "higher" for other in ("audio", "text"))
            outcome = "beats both audio and text" if both else "was not shown to beat both"
            lines.append(f"{arm_name(arm)} {outcome}")
    return lines


# ---------------------------------------------------------------- sentences


def _result(results: Results) -> str:
    for difference in results.differences:
        if difference.primary and difference.metric == primary_of(results):
            return _answer(difference, results.rows)
    return _measured(results)


def _answer(difference: ArmDifference, rows: Rows) -> str:
    arm, other = _SUBJECTS[difference.arm], _SUBJECTS[difference.against]
    outcome = verdict(difference)
    if outcome == "undefined":
        return _sentence(f"{arm} and {other} could not be compared ({_reason(difference)})")
    if outcome == "no claim":
        return _sentence(_standing(arm, other, difference, rows))
    if outcome in ("higher", "lower"):
        return _beats(*((arm, other) if outcome == "higher" else (other, arm)), difference)
    metric = column(difference.metric)
    evidence = _evidence(metric.tell_span(difference), difference)
    shown = could_have_shown(difference, rows)
    return _sentence(
        f"no difference between {arm} and {other} was shown: {metric.tell(difference.value)} "
        f"{metric.unit} ({evidence}){f'; this corpus {shown}' if shown else ''}"
    )


def _beats(winner: str, loser: str, difference: ArmDifference) -> str:
    low, high = sorted(abs(bound or 0.0) for bound in (difference.low, difference.high))
    metric = column(difference.metric)
    evidence = _evidence(metric.tell_span(Interval(None, low, high, "")), difference)
    size = metric.tell(abs(difference.value or 0.0))
    return _sentence(f"{winner} beats {loser} by {size} {metric.unit} ({evidence})")


def _standing(arm: str, other: str, difference: ArmDifference, rows: Rows) -> str:
    metric = column(difference.metric)
    value = difference.value or 0.0
    size, side = metric.tell(abs(value)), "above" if value > 0 else "below"
    place = f"{size} {metric.unit} {side}" if size.strip("0.") else f"the same {metric.title} as"
    no_claim = _no_claim(difference, rows)
    people = "this one speaker" if rows.speakers == 1 else f"these {rows.speakers} speakers"
    return f"{arm} scored {place} {other} on {people}; {no_claim}"


def _no_claim(difference: ArmDifference, rows: Rows) -> str:
    them = "" if rows.clusters == rows.speakers else f" {rows.unit} who talk with each other"
    few = f"at least {CLAIM_FROM}{them} are needed"
    why = few if rows.clusters < CLAIM_FROM else _reason(difference)
    return f"no claim about other speakers can be made ({why})"


def could_have_shown(difference: ArmDifference, rows: Rows) -> str:
    """The difference that would have been shown, or why none of any size would."""
    # A test by random signs has 2 ** clusters outcomes, so that p has a floor.
    floor = difference.least_p
    if floor is not None and floor > SIGNIFICANT:
        clusters = f"{rows.clusters} {rows.unit}"
        holm = "" if difference.p_holm is None else " after Holm's correction"
        return (
            f"could have shown none of any size: with {clusters} p is at least "
            f"{p_number(floor)}{holm}"
        )
    metric = column(difference.metric)
    size = metric.tell(difference.detectable)
    if size == ABSENT or not size.strip("0."):
        return ""
    return f"could have shown {size}{' points' if difference.primary and metric.share else ''}"


def _evidence(between: str, difference: ArmDifference) -> str:
    p = difference.p
    return f"95 % {between}" + ("" if p is None else f", {p_text(p)}")


def _reason(difference: ArmDifference) -> str:
    return printable(difference.method).removeprefix("none: ").removeprefix("undefined: ")


def _measured(results: Results) -> str:
    scores, name = [], primary_of(results)
    metric = column(name)
    unit = f"% {metric.title}" if metric.share else metric.title
    for arm, summary in results.arms.items():
        if arm in BEST:
            continue
        score = summary.score(name)
        between = metric.tell_span(score)
        interval = "no interval" if between == ABSENT else f"95 % {between}"
        scores.append(f"{arm_name(arm)} scored {metric.tell(score.value)} {unit} ({interval})")
    if not scores:
        return "Nothing was measured."
    return _sentence(f"{', '.join(scores)}; fused and unimodal arms were not compared")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
