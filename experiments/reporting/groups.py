"""For whom it works, where rows have no single class: metrics by group of speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from encoders.utterance import Task
from experiments.reporting.answers import Scored, tally
from fusion.measures import measures_of
from fusion.selection import PRIMARY
from fusion.statistics import interval_of, unpaired_tallies
from fusion.tallies import Tally


def groups_of(
    scored: Scored, task: Task, targets: Sequence[str], known: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The primary metric by what is known of speakers and utterances, over speakers.

    The difference is given where there are two groups of speakers; among several none is picked.
    """
    name = PRIMARY[task]
    measure, found = measures_of(task, targets)[name], scored.answers
    made = {}
    for attribute, grouping in known.items():
        keys = found.speakers if grouping["by"] == "speaker" else found.utterances
        group = np.array([grouping["of"].get(key) or "" for key in keys])
        names = [one for one in sorted(set(group.tolist())) if one]
        tallies: dict[str, Tally] = {
            one: tally(found, group == one, task, targets, scored.thresholds) for one in names
        }
        gap = None
        if len(names) == 2 and grouping["by"] == "speaker":
            between = unpaired_tallies(tallies[names[0]], tallies[names[1]], measure)
            gap = {"group": names[0], "against": names[1], **asdict(between)}
        made[attribute] = {
            "by": grouping["by"],
            "groups": {
                one: {
                    "rows": int((group == one).sum()),
                    "speakers": len(own.sums),
                    name: asdict(interval_of(own, measure)),
                }
                for one, own in tallies.items()
            },
            "difference": gap,
        }
    return made
