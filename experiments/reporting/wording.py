"""Results in words: numbers, the names of arms, and sentences that claim something or do not."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from experiments.reporting.caveats import BEST as BEST
from experiments.reporting.caveats import badges, qualification, stamped
from fusion.escaping import counted, plain
from fusion.statistics import CLAIM_FROM

Verdict = Literal["higher", "lower", "not shown", "no claim", "undefined"]

MINUS = "−"
ABSENT = "–"
SIGNIFICANT = 0.05
METRICS = {
    "uar": "UAR",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
}

_NAMES = {
    "best_unimodal": "best single modality",
    "best_fused": "best fused",
    "audio_frames": "audio frames",
    "audio_linear": "audio, final layer only",
    "text_linear": "text, final layer only",
    "concat_linear": "concat, final layer only",
    "concat_crossfit": "concat, cross-fitted",
}
_SUBJECTS = {"best_fused": "fused", "best_unimodal": "the best single modality"}


# ---------------------------------------------------------------- numbers


def decimals(value: float, digits: int) -> str:
    """A rounded number with a true minus sign and no negative zero.

    >>> decimals(-0.04, 1), decimals(-2.15, 1), decimals(0.625, 2)
    ('0.0', '−2.2', '0.63')
    """
    # Halves that were lost to binary fractions (3.7499999999999978) are halves again.
    exact = Decimal(repr(round(float(value), 9)))
    rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{MINUS if rounded < 0 else ''}{abs(rounded)}"


def percent(value: float | None) -> str:
    """A share or a difference of shares times 100, with one decimal."""
    return ABSENT if value is None else decimals(100 * value, 1)


def signed(value: float | None) -> str:
    """:func:`percent` with a sign before what is above zero."""
    text = percent(value)
    return f"+{text}" if value is not None and value > 0 and text != "0.0" else text


def span(found: Mapping[str, Any]) -> str:
    """The bounds of an interval, or a dash."""
    if found["low"] is None or found["high"] is None:
        return ABSENT
    return f"{percent(found['low'])} to {percent(found['high'])}"


def p_text(p: float | None, name: str = "p") -> str:
    """A p value as it is printed in articles; three decimals below .1.

    >>> p_text(0.0039), p_text(0.3125), p_text(0.0002), p_text(1.0), p_text(0.625, "Holm")
    ('p = .004', 'p = .31', 'p < .001', 'p = 1.00', 'Holm .63')
    """
    if p is None:
        return ABSENT
    lead = f"{name} = " if name == "p" else f"{name} "
    if p < 0.001:
        return f"{name} < .001"
    return lead + decimals(p, 3 if p < 0.1 else 2).removeprefix("0")


def p_number(p: float | None) -> str:
    """A p value for a column headed p."""
    return p_text(p).removeprefix("p = ").removeprefix("p ")


def arm_name(arm: str) -> str:
    """An arm's name in tables."""
    return plain(_NAMES.get(arm, arm))


def corpus_title(results: Mapping[str, Any]) -> str:
    """The corpus without the remark that its badge repeats."""
    return stamped(plain(results["corpus"]).replace(" (synthetic speech)", ""), results)


def setting(results: Mapping[str, Any]) -> str:
    """Corpus, sizes, encoders and run in one line, for the captions of tables."""
    study = results.get("facts", {}).get("study") or {}
    rows = results["rows"]
    parts = [
        results["corpus"],
        f"{counted(rows['used'], 'utterance')} of {counted(rows['speakers'], 'speaker')}",
        *(f"{name} {study[name]}" for name in ("audio", "text") if study.get(name)),
        *(badge for badge in badges(results) if badge not in results["corpus"]),
        f"run {results['run']}",
    ]
    return plain("; ".join(parts))


# ---------------------------------------------------------------- verdicts


def verdict(difference: Mapping[str, Any]) -> Verdict:
    """What a difference shows.

    It is shown if its interval excludes 0 and p, after Holm's correction where there is one, is at
    most .05.
    """
    low, high = difference["low"], difference["high"]
    if difference["value"] is None:
        return "undefined"
    if low is None or high is None:
        return "no claim"
    p = difference["p"] if difference.get("p_holm") is None else difference["p_holm"]
    if low <= 0 <= high or (p is not None and p > SIGNIFICANT):
        return "not shown"
    return "higher" if low > 0 else "lower"


def verdict_text(difference: Mapping[str, Any]) -> str:
    """A verdict for a column of a table."""
    arm, against = arm_name(difference["arm"]), arm_name(difference["against"])
    return {
        "higher": f"{arm} beats {against}",
        "lower": f"{against} beats {arm}",
        "not shown": "no difference was shown",
        "no claim": "no claim about other speakers",
        "undefined": "not defined",
    }[verdict(difference)]


def answer(results: Mapping[str, Any]) -> str:
    """The result of the primary comparison in a sentence; what was measured, if there is none.

    Where the words cannot tell the label a second sentence says so.
    """
    return stamped(f"{_result(results)} {qualification(results)}".rstrip(), results)


def claim(difference: Mapping[str, Any], speakers: int) -> str:
    """An exploratory difference in a sentence, with its p after Holm's correction."""
    pair = f"{arm_name(difference['arm'])} against {arm_name(difference['against'])}"
    found = verdict(difference)
    if found == "undefined":
        return f"{pair}: {verdict_text(difference)} ({_reason(difference)})"
    head = f"{pair}: {signed(difference['value'])} points"
    if found == "no claim":
        return f"{head}: {_no_claim(difference, speakers)}"
    parts = [f"{head} ({span(difference)})"]
    parts += [p_text(difference["p"])] if difference["p"] is not None else []
    parts += [p_text(difference["p_holm"], "Holm")] if difference["p_holm"] is not None else []
    shown = _could_have_shown(difference, speakers) if found == "not shown" else ""
    return f"{', '.join(parts)}: {verdict_text(difference)}{f' ({shown})' if shown else ''}"


def beats_both(differences: Sequence[Mapping[str, Any]]) -> list[str]:
    """Per fused arm, whether it beats audio and text: that needs both differences."""
    pairs: dict[str, dict[str, Verdict]] = {}
    for row in differences:
        if row["metric"] == "uar" and not row["primary"]:
            against = row["against"].removesuffix("_linear")
            pairs.setdefault(row["arm"], {})[against] = verdict(row)
    lines = []
    for arm, found in pairs.items():
        if {"audio", "text"} <= found.keys():
            both = all(found[other] == "higher" for other in ("audio", "text"))
            told = "beats both audio and text" if both else "was not shown to beat both"
            lines.append(f"{arm_name(arm)} {told}")
    return lines


# ---------------------------------------------------------------- sentences


def _result(results: Mapping[str, Any]) -> str:
    for difference in results["differences"]:
        if difference["primary"] and difference["metric"] == "uar":
            return _answer(difference, results["rows"]["speakers"])
    return _measured(results)


def _answer(difference: Mapping[str, Any], speakers: int) -> str:
    one, other = _SUBJECTS[difference["arm"]], _SUBJECTS[difference["against"]]
    found = verdict(difference)
    if found == "undefined":
        return _sentence(f"{one} and {other} could not be compared ({_reason(difference)})")
    if found == "no claim":
        return _sentence(_standing(one, other, difference, speakers))
    if found in ("higher", "lower"):
        return _beats(*((one, other) if found == "higher" else (other, one)), difference)
    evidence = _evidence(span(difference), difference)
    shown = _could_have_shown(difference, speakers)
    return _sentence(
        f"no difference between {one} and {other} was shown: {percent(difference['value'])} points "
        f"UAR ({evidence}){f'; this corpus {shown}' if shown else ''}"
    )


def _beats(winner: str, loser: str, difference: Mapping[str, Any]) -> str:
    low, high = sorted(abs(difference[bound]) for bound in ("low", "high"))
    evidence = _evidence(span({"low": low, "high": high}), difference)
    size = percent(abs(difference["value"]))
    return _sentence(f"{winner} beats {loser} by {size} points UAR ({evidence})")


def _standing(one: str, other: str, difference: Mapping[str, Any], speakers: int) -> str:
    size = percent(abs(difference["value"]))
    side = "above" if difference["value"] > 0 else "below"
    place = "the same UAR as" if size == "0.0" else f"{size} points UAR {side}"
    no_claim = _no_claim(difference, speakers)
    return f"{one} scored {place} {other} {_on_these(speakers)}; {no_claim}"


def _on_these(speakers: int) -> str:
    return "on this one speaker" if speakers == 1 else f"on these {speakers} speakers"


def _no_claim(difference: Mapping[str, Any], speakers: int) -> str:
    few = f"at least {CLAIM_FROM} are needed"
    why = few if speakers < CLAIM_FROM else _reason(difference)
    return f"no claim about other speakers can be made ({why})"


def _could_have_shown(difference: Mapping[str, Any], speakers: int) -> str:
    # An exact test by sign-flips has 2 ** speakers outcomes, so that p has a floor.
    floor = 2.0 ** (1 - speakers)
    if difference["p"] is not None and floor > SIGNIFICANT:
        with_these = f"with {counted(speakers, 'speaker')} p is at least {p_number(floor)}"
        return f"could have shown none: {with_these}"
    size = percent(difference.get("detectable"))
    if size in (ABSENT, "0.0"):
        return ""
    return f"could have shown {size}{' points' if difference['primary'] else ''}"


def _evidence(between: str, difference: Mapping[str, Any]) -> str:
    p = difference["p"]
    return f"95 % {between}" + ("" if p is None else f", {p_text(p)}")


def _reason(difference: Mapping[str, Any]) -> str:
    return plain(difference["method"]).removeprefix("none: ").removeprefix("undefined: ")


def _measured(results: Mapping[str, Any]) -> str:
    scores = []
    for arm, summary in results["arms"].items():
        if arm in BEST:
            continue
        between = span(summary["uar"])
        interval = "no interval" if between == ABSENT else f"95 % {between}"
        scores.append(
            f"{arm_name(arm)} scored {percent(summary['uar']['value'])} % UAR ({interval})"
        )
    if not scores:
        return "Nothing was measured."
    return _sentence(f"{', '.join(scores)}; fused and unimodal arms were not compared")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
