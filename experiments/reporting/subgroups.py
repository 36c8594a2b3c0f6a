"""For whom it works: metrics by group of speakers or utterances."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import numpy as np

from encoders.utterance import Task
from experiments.reporting.results_schema import GroupGap, GroupResults, GroupScores
from experiments.reporting.target_scores import Scored, tally
from fusion.evaluation.measures import measures_of
from fusion.evaluation.selection import PRIMARY
from fusion.evaluation.statistics import interval, unpaired_difference
from fusion.evaluation.subgroups import Grouping

#: Metrics of groups where rows have single classes.
GROUP_METRICS = ("uar", "accuracy")


def groups_of(
    scored: Scored, task: Task, targets: Sequence[str], known: Mapping[str, Grouping]
) -> dict[str, GroupResults]:
    """Metrics by what is known of speakers and utterances, over speakers.

    The difference in the primary metric is given where there are two groups of speakers; among
    several none is picked.
    """
    measures, answers, primary = measures_of(task, targets), scored.answers, PRIMARY[task]
    names = GROUP_METRICS if task == "single-label" else (primary,)
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
        gap = None
        if len(sums) == 2 and grouping.by == "speaker":
            (first, first_sums), (second, second_sums) = sums.items()
            between = unpaired_difference(first_sums, second_sums, measures[primary])
            gap = GroupGap(first, second, *astuple(between))
        scores = {
            level: GroupScores(
                rows=int((group == level).sum()),
                speakers=len(of.sums),
                **{name: interval(of, measures[name]) for name in names},
            )
            for level, of in sums.items()
        }
        made[attribute] = GroupResults(grouping.by, scores, gap)
    return made
