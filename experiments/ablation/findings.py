"""What an ablation shows, in sentences: differences from the reference, never a winner."""

from collections.abc import Sequence
from dataclasses import dataclass

from encoders.messages import printable, with_count
from experiments.ablation.cells import Cell, NoiseIn
from experiments.ablation.grid import Grid
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Compared, Summary, differences, summaries
from experiments.ablation.settings import EVERYONE
from experiments.reporting.arm_names import arm_name
from experiments.reporting.numbers import Column, column, p_number, p_text, primary_of
from experiments.reporting.sentences import verdict
from fusion.evaluation.goals import Goal
from fusion.evaluation.statistics import SIGNIFICANT

#: Shown differences that the answer names.
NAMED = 2
#: How values of a factor are made, in a sentence.
NOTES = {
    "transcript": (
        "word errors are 6 substitutions to 3 deletions to 1 insertion; what is put in are words "
        "of other utterances of the same speaker"
    ),
    "missing": "a transcript that is taken away is missing in training and test rows",
    "speakers": (
        "training speakers are one nested draw: whom a smaller set holds, a larger one holds too; "
        "development and test rows are the same everywhere"
    ),
    "labels": "each set of classes has its own rows; chance is 1 / classes",
    "noise": (
        "white noise and babble are added at a ratio of mean powers over the whole recording; "
        "babble is of other speakers tested in the same fold; reverberation is an exponentially "
        "decaying noise tail (T60 in seconds, direct sound and tail of equal energy)"
    ),
}


@dataclass(frozen=True, slots=True)
class Findings:
    """An ablation computed from its predictions, and the sentences that it allows."""

    summaries: tuple[Summary, ...]
    differences: tuple[Compared, ...]
    answer: str
    notes: tuple[str, ...]


def findings_of(ablation: Ablation) -> Findings:
    """Everything computed anew."""
    whole = tuple(summaries(ablation.rows))
    compared = tuple(differences(ablation.rows)) if ablation.grid.comparable else ()
    return Findings(whole, compared, answer(ablation, whole, compared), notes(ablation, compared))


def answer(ablation: Ablation, whole: Sequence[Summary], compared: Sequence[Compared]) -> str:
    """The differences that were shown, or that none was, in a few sentences."""
    factors = " and ".join(factor.label for factor in ablation.grid.factors)
    if not ablation.grid.comparable:
        return (
            f"No difference is told over {factors}: {metric_of(ablation).title} over other classes "
            "is another quantity. Each cell stands beside its own chance."
        )
    compared = [row for row in compared if not row.same and not row.again]
    start = ablation.grid.reference
    if not compared:
        return f"Nothing could be compared over {factors}: no arm is reached by it."
    verdicts = [verdict(row.row) for row in compared]
    if "no claim" in verdicts or "undefined" in verdicts:
        return _no_claim(factors, start, whole, compared)
    shown = [row for row in compared if verdict(row.row) in ("higher", "lower")]
    if not shown:
        least = _least_p(compared)
        return f"{_nothing_shown(factors, start, compared)} {least}".rstrip()
    largest = sorted(shown, key=lambda row: -abs(row.found.interval.value or 0.0))
    count, all_of = len(shown), len(compared)
    if all_of == 1:
        subject = "the difference"
    else:
        subject = f"{f'all {all_of}' if count == all_of else f'{count} of {all_of}'} differences"
    head = (
        f"Over {factors}, {subject} from the reference ({_named(start, whole)}) "
        f"{'was' if count == 1 else 'were'} shown"
    )
    if count <= NAMED:
        return f"{head}: {' and '.join(map(_line, largest))}."
    return f"{head}; the largest: {_line(largest[0])}."


def _named(start: Cell, whole: Sequence[Summary]) -> str:
    """The reference, with its primary metric where it has one arm."""
    arms = [summary for summary in whole if summary.cell is start]
    if len(arms) != 1:
        return printable(start.title)
    metric = arms[0].column
    unit = f"% {metric.title}" if metric.share else metric.title
    return f"{printable(start.title)}, {metric.tell(arms[0].main.value)} {unit}"


def _no_claim(
    factors: str, start: Cell, whole: Sequence[Summary], compared: Sequence[Compared]
) -> str:
    row = next(r for r in compared if verdict(r.row) in ("no claim", "undefined"))
    why = printable(row.found.interval.method).removeprefix("none: ").removeprefix("undefined: ")
    largest = max(compared, key=lambda difference: abs(difference.found.interval.value or 0.0))
    return (
        f"Over {factors} no claim about other speakers can be made ({why}); on these speakers the "
        f"largest difference from the reference ({_named(start, whole)}) is {name_of(largest)}, "
        f"{_size(largest)}."
    )


def notes(ablation: Ablation, compared: Sequence[Compared]) -> tuple[str, ...]:
    """What must be known beside the numbers."""
    lines = []
    tested = distinct_tests(compared)
    if tested:
        many = f", their p corrected for all {tested} of them (Holm)" if tested > 1 else ""
        what = "differences are" if tested > 1 else "the difference is"
        lines.append(
            f"{what} from the reference ({printable(ablation.grid.reference.title)}), exploratory"
            f"{many}"
        )
    if any(row.again for row in compared):
        lines.append("cells with the same predictions are one test, which is counted once")
    same = list(dict.fromkeys(arm_name(row.arm) for row in compared if row.same))
    if same:
        lines.append(
            f"{', '.join(same)}: the very predictions of the reference in some cells; what is "
            "changed there does not reach it, and no test is made"
        )
    lines.append(
        "the highest cell is no choice of a model: it would be picked by its own test scores"
    )
    record = ablation.record
    if record.left_out:
        lines.append(
            f"{with_count(record.left_out, 'utterance')} that not every cell has left all of them"
        )
    lines += factor_notes(ablation.grid, record.side, record.seed)
    lines += _of_cells(ablation)
    return tuple(lines)


def distinct_tests(compared: Sequence[Compared]) -> int:
    """Different comparisons, which Holm's correction counts."""
    return sum(not row.same and not row.again for row in compared)


def _of_cells(ablation: Ablation) -> list[str]:
    """What only the runs of the cells know."""
    names, lines = {factor.name for factor in ablation.grid.factors}, []
    start = ablation.reference.results
    facts, cell = start.facts, start.facts.cell
    if tied := start.rows.without_majority:
        lines.append(
            f"{with_count(tied, 'utterance')} with a tie for the largest share have no part in UAR "
            "and accuracy, and their part in training and in JS"
        )
    if cell is not None and "speakers" in names:
        least, most = cell.training_speakers
        count = f"{least}" if least == most else f"{least} to {most}"
        lines.append(f"{EVERYONE} training speakers are {count} in each inner fold")
    if cell is not None and "missing" in names:
        rows, gone = start.rows.used, cell.without_words
        lines.append(
            f"{gone} of {with_count(rows, 'utterance')} ({gone / rows:.0%}) had no transcript "
            "before any was taken away; values are shares of all"
            if gone
            else "every utterance had a transcript before any was taken away"
        )
    by = dict.fromkeys(row.results.facts.standardised_by for row in ablation.rows)
    if named := [printable(one) for one in by if one is not None]:
        lines.append(
            f"transductive: rows are standardised by those of their own {' or '.join(named)}, test "
            "rows by test rows without their labels"
            + (" (the cells that are named so)" if len(by) > 1 else "")
        )
    if "noise" in names and facts.recognised:
        lines.append(
            f"{with_count(facts.recognised, 'transcript')} recognised from the clean recordings "
            "stay as they are: noise is heard by the audio encoder alone"
        )
    return lines


def cost_line(ablation: Ablation) -> str:
    """What was computed, and what was there before."""
    cost = ablation.record.cost
    parts = [f"{cost.encoded} inputs encoded", f"{cost.encoded_before} from the cache"]
    parts.append(f"{with_count(cost.trained, 'fit')} trained, {cost.trained_before} kept or shared")
    if cost.finished_before:
        parts.append(f"{with_count(cost.finished_before, 'cell')} finished before")
    return "; ".join(parts)


def factor_notes(grid: Grid, side: NoiseIn, seed: int) -> list[str]:
    """How the values of some factors are made."""
    names = {factor.name for factor in grid.factors}
    lines = [NOTES[name] for name in NOTES if name in names]
    if "noise" in names:
        where = (
            "heads are trained and selected on clean recordings, and only test rows are noisy"
            if side == "test"
            else "training, development and test rows are noisy alike"
        )
        lines.append(where)
    if names & {"transcript", "missing", "speakers", "noise"}:
        lines.append(f"everything that is drawn depends on utterances' names and seed {seed}")
    return lines


def _least_p(compared: Sequence[Compared]) -> str:
    """A sentence where no difference of any size could have been shown; else nothing."""
    row = max(compared, key=lambda difference: difference.row.least_p or 0.0)
    power, floor = row.found.power, row.row.least_p
    if power is None or floor is None or floor <= SIGNIFICANT:
        return ""
    clusters = with_count(power.clusters, "independent speaker")
    return (
        f"With {clusters} and {with_count(row.among.tests, 'test')} p is at least "
        f"{p_number(floor)} (Holm), so that none of any size could have been shown."
    )


def _nothing_shown(factors: str, start: Cell, compared: Sequence[Compared]) -> str:
    row = max(compared, key=lambda difference: abs(difference.found.interval.value or 0.0))
    least = row.row.detectable
    metric = column(row.metric)
    shown = f"{metric.tell(least)}{' points' if metric.share else ''}"
    size = "" if least is None else f"; this corpus could have shown {shown}"
    evidence = _evidence(row)
    if len(compared) == 1:
        return (
            f"Over {factors}, the difference from the reference ({printable(start.title)}) was not "
            f"shown: {name_of(row)}, {_size(row)} ({evidence}){size}."
        )
    return (
        f"Over {factors}, none of {len(compared)} differences from the reference "
        f"({printable(start.title)}) was shown: the largest, {name_of(row)}, is {_size(row)} "
        f"({evidence}){size}."
    )


def _line(row: Compared) -> str:
    return f"{name_of(row)}, {_size(row)} ({_evidence(row)})"


def _size(row: Compared) -> str:
    metric = column(row.metric)
    return f"{metric.tell_signed(row.found.interval.value)} {metric.unit}"


def _evidence(row: Compared) -> str:
    metric = column(row.metric)
    return f"95 % {metric.tell_span(row.row)}, {p_text(row.among.p_holm, 'Holm')}"


def name_of(row: Compared) -> str:
    """A cell and its arm, where the cell is not the arm itself."""
    title = printable(row.cell.title)
    return title if row.cell.draft.changes.arm is not None else f"{arm_name(row.arm)} at {title}"


def title_of(ablation: Ablation) -> str:
    """What a figure shows."""
    factors = " and ".join(printable(factor.label) for factor in ablation.grid.factors)
    return f"{metric_of(ablation).title} over {factors}"


def metric_of(ablation: Ablation) -> Column:
    """The metric that everything is told in, and how it is written."""
    return column(goal_of_cells(ablation))


def goal_of_cells(ablation: Ablation) -> Goal:
    """The metric that cells are chosen by and told in: that of the reference, and so of all."""
    return primary_of(ablation.reference.results)
