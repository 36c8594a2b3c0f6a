"""Factors of rows, words, speakers and sound."""

from collections.abc import Sequence

from experiments.ablation import settings
from experiments.ablation.cells import Factor, NoiseIn
from experiments.ablation.settings import ASR, CLEAN, EVERYONE, GOLD, LEVELS, WER
from experiments.config import Study


def labels_factor(study: Study) -> Factor:
    """Sets of classes."""
    return Factor(
        name="labels",
        label="classes",
        apply=settings.set_labels,
        own=None if study.labels is None else ",".join(study.labels),
        tidy=lambda value: ",".join(part.strip() for part in value.split(",")),
        comparable=False,
        early=True,
    )


def words_factor(study: Study) -> Factor:
    """Whose words text encoders read."""

    def tidy(value: str) -> str:
        value = value.strip()
        if value.removeprefix(WER)[:1].isdigit() or value.startswith((WER, ".")):
            rate = settings.share(value.removeprefix(WER), "word error rate", value)
            return f"{WER}{rate:g}" if rate else GOLD
        return study.asr if value == ASR else value

    return Factor(
        name="transcript",
        label="transcript",
        apply=settings.set_words,
        own=study.asr if study.transcript == "asr" else GOLD,
        anchored=True,
        values=(GOLD, *(f"{WER}{rate}" for rate in ("0.1", "0.2", "0.4"))),
        tidy=tidy,
    )


def missing_factor() -> Factor:
    """Transcripts that are taken away."""
    return Factor(
        name="missing",
        label="the share of missing transcripts",
        apply=settings.set_missing,
        own="0",
        anchored=True,
        values=("0", "0.25", "0.5", "0.75"),
        tidy=lambda value: f"{settings.share(value.strip(), 'missing share'):g}",
        ordered=True,
    )


def speakers_factor() -> Factor:
    """Training speakers."""
    return Factor(
        name="speakers",
        label="training speakers per fold",
        apply=settings.set_speakers,
        own=EVERYONE,
        anchored=True,
        ordered=True,
    )


def time_pool_factor() -> Factor:
    """Frames of sequences that are joined."""
    return Factor(
        name="time_pool",
        label="frames of sequences joined into one",
        apply=settings.set_time_pool,
        own="4",
        values=("1", "2", "4", "8"),
        ordered=True,
    )


def noise_factor(side: NoiseIn) -> Factor:
    """What recordings are heard through."""
    where = "in test rows only" if side == "test" else "in training and test rows"
    return Factor(
        name="noise",
        label=f"noise {where}",
        apply=lambda draft, value: settings.set_noise(draft, side, value),
        own=CLEAN,
        anchored=True,
        values=tuple(f"white:{level}" for level in LEVELS["white"]),
        tidy=lambda value: _tidy_noise(value, side),
    )


def _tidy_noise(value: str, side: NoiseIn) -> str:
    value = value.strip()
    if value == CLEAN:
        return value
    noise = settings.parse_noise(value, side)
    return f"{noise.kind}:{noise.level:g}"


def expanded(factor: Factor, values: Sequence[str]) -> list[str]:
    """Values with ``white``, ``babble`` and ``reverb`` alone standing for all of their levels."""
    if factor.name != "noise":
        return list(values)
    return [
        setting
        for value in values
        for setting in (
            [f"{value.strip()}:{level}" for level in LEVELS[value.strip()]]
            if value.strip() in LEVELS
            else [value]
        )
    ]
