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


def draw(ablation: Ablation, findings: Findings, *, narrow: bool = False) -> str:
    """The figure that fits the factors."""
    if len(ablation.grid.factors) > 1:
        return draw_map(ablation, findings)
    if is_curve(ablation):
        return draw_curve(ablation, findings)
    return draw_forest(bars(ablation, findings), narrow=narrow)


def is_bars(ablation: Ablation) -> bool:
    """Whether the figure is one of bars."""
    return len(ablation.grid.factors) == 1 and not is_curve(ablation)


def bars(ablation: Ablation, findings: Findings) -> Forest:
    """Every cell and arm with its interval."""
    arms = shown_arms(findings.summaries)
    alone = all(summary.cell.draft.changes.arm is not None for summary in findings.summaries)
    marks = tuple(
        Mark(
            label=_label(summary, alone, len(arms)),
            kind=kind_of(summary.arm),
            value=summary.main.value,
            low=summary.main.low,
            high=summary.main.high,
            text=score_text(summary.main, summary.column),
            strong=summary.cell.reference,
        )
        for arm in ([None] if alone else arms)
        for summary in findings.summaries
        if arm in (None, summary.arm)
    )
    blind, metric = blind_of(findings.summaries), metric_of(ablation)
    speakers = max((summary.speakers for summary in findings.summaries), default=0)
    axis = f"{scale_of(metric)}, 95 % intervals over {with_count(speakers, 'speaker')}"
    return Forest(title_of(ablation), marks, blind.value, blind.label, axis, metric.share)


def _label(summary: Summary, alone: bool, arms: int) -> str:
    if alone or arms == 1:
        return summary.cell.title
    return f"{summary.cell.title}, {arm_name(summary.arm)}"
