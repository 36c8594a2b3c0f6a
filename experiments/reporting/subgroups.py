"""For whom it works: metrics by group of speakers or utterances."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace

import numpy as np
from jaxtyping import Bool

from encoders.utterance import Task
from experiments.reporting.results_schema import GroupGap, GroupResults, GroupScores
from experiments.reporting.target_scores import NO_INTERVAL, Scored, auc_of, number, tally
from fusion.evaluation.goals import Goal
from fusion.evaluation.measures import measures_of
from fusion.evaluation.predictions import ScoreArrays
from fusion.evaluation.statistics import Interval, interval, unpaired_difference
from fusion.evaluation.subgroups import Grouping

#: Metrics of groups where rows have single classes.
GROUP_METRICS = ("uar", "accuracy")


def groups_of(
    scored: Scored, task: Task, targets: Sequence[str], known: Mapping[str, Grouping], goal: Goal
) -> dict[str, GroupResults]:
    """Metrics by what is known of speakers and utterances, over speakers.

    The difference in the metric that everything is chosen by is given where there are two groups of
    speakers; among several none is picked.
    """
    measures, answers = measures_of(task, targets), scored.answers
    names = dict.fromkeys((goal, *(GROUP_METRICS if task == "single-label" else ())))
    made = {}
    for attribute, grouping in known.items():
        keys = answers.speakers if grouping.by == "speaker" else answers.utterances
        group = np.array([grouping.of.get(key) or "" for key in keys])
        sums = {
            level: tally(
                answers, group == level, task, targets, scored.thresholds, scored.tally.overlap
            )
            for level in sorted(set(group.tolist()) - {""})
        }
        scores = {
            level: GroupScores(
                rows=int((group == level).sum()),
                speakers=len(
                    {s for s, own in zip(answers.speakers, group == level, strict=True) if own}
                ),
                **{
                    name: _auc(answers, task, group == level)
                    if name == "auc"
                    else interval(of, measures[name])
                    for name in names
                },
            )
            for level, of in sums.items()
        }
        gap = None
        if len(sums) == 2 and grouping.by == "speaker":
            first, second = sums
            between = (
                _less(scores[first].auc, scores[second].auc)
                if goal == "auc"
                else unpaired_difference(sums[first], sums[second], measures[goal])
            )
            gap = GroupGap(*astuple(between), group=first, against=second)
        made[attribute] = GroupResults(grouping.by, scores, gap)
    return made


def _auc(answers: ScoreArrays, task: Task, rows: Bool[np.ndarray, "rows"]) -> Interval:
    return Interval(number(auc_of(answers, task, rows).mean()), None, None, NO_INTERVAL)


def _less(first: Interval, second: Interval) -> Interval:
    """One group's AUC less another's; of values alone nothing can be said of other speakers."""
    both = first.value is not None and second.value is not None
    value = (first.value or 0.0) - (second.value or 0.0) if both else None
    return replace(first, value=value)
