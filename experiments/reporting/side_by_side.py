"""Several finished runs side by side: their scores, and where the rows are the same, differences.

An average over corpora is given where every run has a corpus of its own, as EMO-SUPERB reports it
(Wu et al. 2024, arXiv 2402.13018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from encoders.messages import printable, with_count
from experiments.reporting.caveats import BEST
from experiments.reporting.report import Recomputed, folder_name, recompute
from experiments.reporting.results_schema import Results
from fusion.evaluation.predictions import Prediction, counts_by_speaker
from fusion.evaluation.statistics import Difference, Interval, holm, paired_difference
from fusion.evaluation.windows import utterance_rows

#: Averaged over corpora.
AVERAGED = ("uar", "macro_f1")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run under its folder's name, with its test predictions by arm."""

    name: str
    results: Results
    arms: Mapping[str, tuple[Prediction, ...]]


@dataclass(frozen=True, slots=True)
class RunDifference:
    """UAR of an arm in one run minus that in another; exploratory, corrected over the table."""

    arm: str
    run: str
    against: str
    value: float | None
    low: float | None
    high: float | None
    method: str
    p: float | None
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
    runs = tuple(_run(folder, recompute(folder)) for folder in folders)
    twice = sorted({one.name for one in runs if [r.name for r in runs].count(one.name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: given twice, or two folders of one name; rename one")
    arms = tuple(dict.fromkeys(arm for one in runs for arm in one.results.arms))
    shared = _shared(runs)
    corpora = {one.results.corpus for one in runs}
    means = _means(runs, arms) if len(corpora) == len(runs) else {}
    found = _differences(runs, arms, shared) if shared else ()
    return Beside(runs, arms, found, means, tuple(_remarks(runs, shared, means)))


def _run(folder: Path, found: Recomputed) -> Run:
    test = [row for row in utterance_rows(found.rows) if row.split == "test"]
    arms = dict.fromkeys(row.arm for row in test)
    return Run(
        printable(folder_name(folder)),
        found.results,
        {arm: tuple(row for row in test if row.arm == arm) for arm in arms},
    )


Row = tuple[str, str, tuple[float, ...]]


def _rows(run: Run) -> frozenset[Row]:
    return frozenset((r.utterance, r.speaker, r.target) for r in next(iter(run.arms.values())))


def _shared(runs: Sequence[Run]) -> frozenset[Row]:
    """Rows that every run has with the same label, where corpus and classes are the same."""
    if len({(one.results.corpus, one.results.targets) for one in runs}) > 1:
        return frozenset()
    if any(one.results.task != "single-label" for one in runs):
        return frozenset()
    return frozenset.intersection(*map(_rows, runs))


def _means(runs: Sequence[Run], arms: Sequence[str]) -> dict[str, dict[str, float]]:
    common = [arm for arm in arms if all(arm in one.results.arms for one in runs)]
    found: dict[str, dict[str, float]] = {metric: {} for metric in AVERAGED}
    for metric in AVERAGED:
        for arm in common:
            scores = [one.results.arms[arm].score(metric).value for one in runs]
            values = [value for value in scores if value is not None]
            if len(values) == len(runs):
                found[metric][arm] = sum(values) / len(values)
    return found


def _differences(
    runs: Sequence[Run], arms: Sequence[str], shared: frozenset[Row]
) -> tuple[RunDifference, ...]:
    """Every arm of every further run against the same arm of the first, on the shared rows."""
    first = runs[0]
    made = [
        _difference(one, first, arm, shared)
        for one in runs[1:]
        for arm in arms
        if arm not in BEST and arm in one.arms and arm in first.arms
    ]
    corrected = holm([row.p for row in made])
    return tuple(replace(row, p_holm=p) for row, p in zip(made, corrected, strict=True))


def _difference(one: Run, first: Run, arm: str, shared: frozenset[Row]) -> RunDifference:
    names = {utterance for utterance, *_ in shared}
    both = [[r for r in run.arms[arm] if r.utterance in names] for run in (one, first)]
    seeds = sorted(set.intersection(*({row.seed for row in rows} for rows in both)))
    speakers = sorted({speaker for _, speaker, _ in shared})
    counts = [
        counts_by_speaker([row for row in rows if row.seed in seeds], speakers, seeds)
        for rows in both
    ]
    found = paired_difference(counts[0], counts[1], "uar")
    if _scores(both[0]) == _scores(both[1]):
        # No test: what differs between the runs does not reach this arm.
        found = Difference(Interval(0.0, None, None, "the same predictions"), None, None)
    about = asdict(found.interval)
    return RunDifference(arm=arm, run=one.name, against=first.name, **about, p=found.p)


def _scores(rows: Sequence[Prediction]) -> frozenset[tuple[str, int, tuple[float, ...]]]:
    return frozenset((row.utterance, row.seed, row.scores) for row in rows)


def _remarks(
    runs: Sequence[Run], shared: frozenset[Row], means: Mapping[str, Mapping[str, float]]
) -> list[str]:
    told = []
    if shared:
        left = {one.name: len(_rows(one) - shared) for one in runs}
        lost = [f"{name} {count}" for name, count in left.items() if count]
        told.append(f"differences are of the {with_count(len(shared), 'utterance')} of all runs")
        told += [f"left out, because not all runs have them: {', '.join(lost)}"] * bool(lost)
    elif means:
        told.append(
            "every run has a corpus of its own: means over corpora, without an interval, because "
            "these corpora are no sample of corpora"
        )
    else:
        told.append(
            "corpora, classes or labels differ, or are not one class per utterance: no difference "
            "between runs is computed"
        )
    for what in ("protocol", "folds"):
        values = {str(getattr(one.results.facts, what)) for one in runs}
        if shared and len(values) > 1:
            told.append(f"the runs differ in {what}: {', '.join(sorted(map(printable, values)))}")
    for name in ("trials", "seeds"):
        values = {str(one.results.facts.study.get(name)) for one in runs}
        if len(values) > 1:
            told.append(f"the runs differ in {name}: {', '.join(sorted(values))}")
    return told
