"""Several finished runs side by side: their scores, and where the rows are the same, differences.

An average over corpora is given where every run has a corpus of its own, as EMO-SUPERB reports it
(Wu et al. 2024, arXiv 2402.13018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from encoders.messages import printable, with_count
from experiments.reporting.caveats import BEST
from experiments.reporting.diagnostics import sums_of
from experiments.reporting.report import folder_name, recompute
from experiments.reporting.results_schema import Results
from fusion.evaluation.columns import Predictions, Subject
from fusion.evaluation.measures import CLASSES
from fusion.evaluation.p_values import holm
from fusion.evaluation.predictions import answers_of, sides_of
from fusion.evaluation.statistics import Difference, Interval, paired_difference
from fusion.evaluation.windows import utterance_rows

#: Averaged over corpora.
AVERAGED = ("uar", "macro_f1")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run under its folder's name, with its test predictions by arm."""

    name: str
    results: Results
    arms: Mapping[str, Predictions]


@dataclass(frozen=True, slots=True)
class RunDifference:
    """UAR of an arm in one run minus that in another; exploratory, corrected over the table."""

    arm: str
    run: str
    against: str
    found: Difference
    p_holm: float | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """Runs, the arms of any of them, differences to the first run, means over corpora, remarks.

    ``means`` has a value per metric and arm that all runs have.
    """

    runs: tuple[Run, ...]
    arms: tuple[str, ...]
    differences: tuple[RunDifference, ...]
    means: Mapping[str, Mapping[str, float]]
    remarks: tuple[str, ...]


def side_by_side(folders: Sequence[Path]) -> Beside:
    """Read runs and compare them.

    Raises:
        ValueError: one is no run, its numbers do not follow from its predictions, or it is given
            twice.
    """
    runs = tuple(map(_run, folders))
    twice = sorted({run.name for run in runs if [r.name for r in runs].count(run.name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: given twice, or two folders of one name; rename one")
    arms = tuple(dict.fromkeys(arm for run in runs for arm in run.results.arms))
    shared = _shared(runs)
    corpora = {run.results.corpus for run in runs}
    means = _means(runs, arms) if len(corpora) == len(runs) else {}
    differences = _differences(runs, arms, shared) if shared else ()
    return Beside(runs, arms, differences, means, tuple(_remarks(runs, shared, means)))


def _run(folder: Path) -> Run:
    found = recompute(folder)
    test = sides_of(utterance_rows(found.rows)).test
    return Run(printable(folder_name(folder)), found.results, test)


Row = tuple[str, str, tuple[float, ...]]


def _rows(run: Run) -> frozenset[Row]:
    subjects = next(iter(run.arms.values())).present()
    return frozenset((one.utterance, one.speaker, one.target) for one in subjects)


def _shared(runs: Sequence[Run]) -> frozenset[Row]:
    """Rows that every run has with the same label, where corpus and classes are the same."""
    if len({(run.results.corpus, run.results.targets) for run in runs}) > 1:
        return frozenset()
    if any(run.results.task != "single-label" for run in runs):
        return frozenset()
    return frozenset.intersection(*map(_rows, runs))


def _means(runs: Sequence[Run], arms: Sequence[str]) -> dict[str, dict[str, float]]:
    common = [arm for arm in arms if all(arm in run.results.arms for run in runs)]
    means: dict[str, dict[str, float]] = {metric: {} for metric in AVERAGED}
    for metric in AVERAGED:
        for arm in common:
            scores = [run.results.arms[arm].score(metric).value for run in runs]
            values = [value for value in scores if value is not None]
            if len(values) == len(runs):
                means[metric][arm] = sum(values) / len(values)
    return means


def _differences(
    runs: Sequence[Run], arms: Sequence[str], shared: frozenset[Row]
) -> tuple[RunDifference, ...]:
    """Every arm of every further run against the same arm of the first, on the shared rows."""
    first = runs[0]
    made = [
        _difference(run, first, arm, shared)
        for run in runs[1:]
        for arm in arms
        if arm not in BEST and arm in run.arms and arm in first.arms
    ]
    p_values = holm([row.found.p for row in made])
    return tuple(replace(row, p_holm=p) for row, p in zip(made, p_values, strict=True))


def _difference(run: Run, first: Run, arm: str, shared: frozenset[Row]) -> RunDifference:
    names = {utterance for utterance, *_ in shared}
    both = [side.arms[arm].of(lambda s: s.utterance in names) for side in (run, first)]
    seeds = set.intersection(*(set(rows.by(lambda place: place.seed)) for rows in both))
    # Who talks with whom is what either run knows: both are counted by the same clusters.
    known = {
        subject.utterance: (subject.session, subject.dialogue)
        for rows in both
        for subject in rows.present()
        if subject.session is not None or subject.dialogue is not None
    }
    one, other = (
        sums_of(
            [answers_of(_placed(rows.at(lambda place: place.seed in seeds), known))],
            side.results.facts.overlap_of(arm),
        )
        for rows, side in zip(both, (run, first), strict=True)
    )
    difference = paired_difference(one, other, CLASSES["uar"])
    if _same(*both):
        # No test: what differs between the runs does not reach this arm.
        difference = Difference(Interval(0.0, None, None, "the same predictions"))
    return RunDifference(arm, run.name, first.name, difference)


def _placed(rows: Predictions, known: Mapping[str, tuple[str | None, str | None]]) -> Predictions:
    def placed(subject: Subject) -> Subject:
        own = (subject.session, subject.dialogue)
        session, dialogue = known.get(subject.utterance, own)
        return subject._replace(session=session, dialogue=dialogue)

    return rows.with_subjects(placed)


def _same(one: Predictions, other: Predictions) -> bool:
    """Whether both say the same of each utterance, whatever the fold."""
    if len(one) != len(other):
        return False
    mine, its = (_by_name(side) for side in (one, other))
    return all(np.array_equal(own, theirs) for own, theirs in zip(mine, its, strict=True))


def _by_name(rows: Predictions) -> tuple[np.ndarray, ...]:
    """Utterances, seeds and scores in the order of the first two."""
    names = np.array([subject.utterance for subject in rows.subjects], object)[rows.subject]
    seeds = np.array([place.seed for place in rows.places])[rows.place]
    order = np.lexsort((seeds, names))
    return names[order], seeds[order], rows.values[order]


def _remarks(
    runs: Sequence[Run], shared: frozenset[Row], means: Mapping[str, Mapping[str, float]]
) -> list[str]:
    remarks = []
    if shared:
        left = {run.name: len(_rows(run) - shared) for run in runs}
        lost = [f"{name} {count}" for name, count in left.items() if count]
        remarks.append(f"differences are of the {with_count(len(shared), 'utterance')} of all runs")
        remarks += [f"left out, because not all runs have them: {', '.join(lost)}"] * bool(lost)
    elif means:
        remarks.append(
            "every run has a corpus of its own: means over corpora, without an interval, because "
            "these corpora are no sample of corpora"
        )
    else:
        remarks.append(
            "corpora, classes or labels differ, or are not one class per utterance: no difference "
            "between runs is computed"
        )
    for what in ("protocol", "folds"):
        values = {str(getattr(run.results.facts, what)) for run in runs}
        if shared and len(values) > 1:
            remarks.append(
                f"the runs differ in {what}: {', '.join(sorted(map(printable, values)))}"
            )
    for name in ("trials", "seeds"):
        values = {str(run.results.facts.study.get(name)) for run in runs}
        if len(values) > 1:
            shown = f"the runs differ in {name}: {', '.join(sorted(values))}"
            only = "; differences are over the seeds that both have, not of the scores above"
            remarks.append(shown + only * (name == "seeds" and bool(shared)))
    return remarks
