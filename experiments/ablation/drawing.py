"""The figure of an ablation: a curve for numbers, bars for names, a heat map for two factors."""

from encoders.messages import with_count
from experiments.ablation.curve import draw_curve, is_curve
from experiments.ablation.figure_words import (
    blind_of,
    scale_of,
    score_text,
    shown_arms,
    title_of,
)
from experiments.ablation.findings import Findings, metric_of
from experiments.ablation.heat_map import draw_map
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Summary
from experiments.reporting.arm_names import arm_name
from experiments.reporting.figures import Forest, Mark, draw_forest, kind_of


def draw(found: Ablation, told: Findings, *, narrow: bool = False) -> str:
    """The figure that fits the factors."""
    if len(found.grid.factors) > 1:
        return draw_map(found, told)
    if is_curve(found):
        return draw_curve(found, told)
    return draw_forest(bars(found, told), narrow=narrow)


def is_bars(found: Ablation) -> bool:
    """Whether the figure is one of bars."""
    return len(found.grid.factors) == 1 and not is_curve(found)


def bars(found: Ablation, told: Findings) -> Forest:
    """Every cell and arm with its interval."""
    arms = shown_arms(told.summaries)
    alone = all(one.cell.draft.changes.arm is not None for one in told.summaries)
    marks = tuple(
        Mark(
            label=_label(one, alone, len(arms)),
            kind=kind_of(one.arm),
            value=one.main.value,
            low=one.main.low,
            high=one.main.high,
            text=score_text(one.main, one.told),
            strong=one.cell.reference,
        )
        for arm in ([None] if alone else arms)
        for one in told.summaries
        if arm in (None, one.arm)
    )
    blind, metric = blind_of(told.summaries), metric_of(found)
    speakers = max((one.speakers for one in told.summaries), default=0)
    axis = f"{scale_of(metric)}, 95 % intervals over {with_count(speakers, 'speaker')}"
    return Forest(title_of(found), marks, blind.value, blind.told, axis, metric.share)


def _label(one: Summary, alone: bool, arms: int) -> str:
    if alone or arms == 1:
        return one.cell.title
    return f"{one.cell.title}, {arm_name(one.arm)}"
