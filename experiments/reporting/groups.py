"""For whom it works, where rows have no single class: metrics by group of speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import numpy as np

from encoders.utterance import Task
from experiments.reporting.answers import Scored, tally
from experiments.reporting.results_schema import GroupGap, GroupResults, GroupScores
from fusion.fairness import Grouping
from fusion.measures import measures_of
from fusion.selection import PRIMARY
from fusion.statistics import interval_of, unpaired_tallies
from fusion.tallies import Tally


def groups_of(
    scored: Scored, task: Task, targets: Sequence[str], known: Mapping[str, Grouping]
) -> dict[str, GroupResults]:
    """The primary metric by what is known of speakers and utterances, over speakers.

    The difference is given where there are two groups of speakers; among several none is picked.
    """
    name = PRIMARY[task]
    measure, answers = measures_of(task, targets)[name], scored.answers
    made = {}
    for attribute, grouping in known.items():
        keys = answers.speakers if grouping.by == "speaker" else answers.utterances
        group = np.array([grouping.of.get(key) or "" for key in keys])
        sums: dict[str, Tally] = {
            own: tally(answers, group == own, task, targets, scored.thresholds)
            for own in sorted(set(group.tolist()) - {""})
        }
        gap = None
        if len(sums) == 2 and grouping.by == "speaker":
            (first, one), (second, other) = sums.items()
            gap = GroupGap(first, second, *astuple(unpaired_tallies(one, other, measure)))
        scores = {
            own: GroupScores(
                rows=int((group == own).sum()),
                speakers=len(of.sums),
                **{name: interval_of(of, measure)},
            )
            for own, of in sums.items()
        }
        made[attribute] = GroupResults(grouping.by, scores, gap)
    return made
