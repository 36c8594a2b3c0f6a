"""What the value of each factor does to a study."""

import math
import re
from dataclasses import replace
from typing import cast, get_args

from encoders.specs import Kind
from experiments.ablation.cells import CellDraft, Noise, NoiseIn, NoiseKind
from experiments.ablation.encoder_options import check_has_options, with_option
from experiments.comparing.preparation import chosen_arms
from experiments.config import ConfigError
from fusion.training.arm_table import ARMS, PUBLISHED, Normalise, is_arm

#: What ``--over modality`` calls a fused arm where nobody named one.
BOTH = "audio+text"
CLEAN, GOLD, ASR, WER, EVERYONE = "clean", "gold", "asr", "wer=", "all"
#: Levels of the kinds of noise, worst last; SNR in dB, T60 in seconds.
LEVELS: dict[str, tuple[str, ...]] = {
    "white": ("20", "15", "10", "5", "0"),
    "babble": ("20", "15", "10", "5", "0"),
    "reverb": ("0.3", "0.6", "1.0"),
}
LOUDEST_DB, LONGEST_S = 60.0, 10.0


def set_encoder(draft: CellDraft, kind: Kind, value: str) -> CellDraft:
    """Another encoder."""
    study = draft.study
    changed = replace(study, audio=value) if kind == "audio" else replace(study, text=value)
    return replace(draft, study=changed)


def set_option(draft: CellDraft, kind: Kind, name: str, value: str) -> CellDraft:
    """An option of an encoder."""
    typed = draft.study.audio if kind == "audio" else draft.study.text
    check_has_options(typed, kind, f"{kind}@{name}")
    return set_encoder(draft, kind, with_option(typed, name, value))


def set_arm(draft: CellDraft, value: str) -> CellDraft:
    """One arm alone, with those that it needs."""
    arm = fused_arm(draft) if value == BOTH else value
    if not is_arm(arm):
        known = ", ".join((*ARMS, BOTH, f"{PUBLISHED}NAME"))
        raise ConfigError(f"--values {value}: no such arm; expected some of {known}")
    study = replace(draft.study, arms=(arm,))
    chosen_arms(study)
    return replace(draft, study=study, changes=replace(draft.changes, arm=arm))


def fused_arm(draft: CellDraft) -> str:
    """The first fused arm of a study, else concatenation."""
    return next((a for a in draft.study.arms or () if a in ARMS and ARMS[a].fused), "concat")


def set_trials(draft: CellDraft, value: str) -> CellDraft:
    """Another number of trials."""
    return replace(draft, study=replace(draft.study, trials=whole(value, "trials", 0)))


def set_head(draft: CellDraft, name: str, value: str) -> CellDraft:
    """A hyperparameter of heads that is then not tuned."""
    others = [
        setting for setting in draft.study.head or () if setting.partition("=")[0].strip() != name
    ]
    return replace(draft, study=replace(draft.study, head=(*others, f"{name}={value}")))


def set_labels(draft: CellDraft, value: str) -> CellDraft:
    """Other classes."""
    labels = tuple(part.strip() for part in value.split(",") if part.strip())
    return replace(draft, study=replace(draft.study, labels=labels))


def set_normalise(draft: CellDraft, value: str) -> CellDraft:
    """Embeddings standardised by other rows."""
    if value not in get_args(Normalise):
        known = ", ".join(get_args(Normalise))
        raise ConfigError(f"--values {value}: expected some of {known}")
    return replace(draft, study=replace(draft.study, normalise=cast(Normalise, value)))


def set_words(draft: CellDraft, value: str) -> CellDraft:
    """Gold words, those of a recogniser, or gold ones with errors."""
    if value == GOLD:
        return replace(draft, study=replace(draft.study, transcript="gold"))
    if value.startswith(WER):
        rate = share(value.removeprefix(WER), "word error rate", value)
        study = replace(draft.study, transcript="gold")
        return CellDraft(study, replace(draft.changes, word_errors=rate))
    return replace(draft, study=replace(draft.study, transcript="asr", asr=value))


def set_missing(draft: CellDraft, value: str) -> CellDraft:
    """A share of transcripts is taken away."""
    return replace(draft, changes=replace(draft.changes, missing=share(value, "missing share")))


def set_speakers(draft: CellDraft, value: str) -> CellDraft:
    """Fewer training speakers."""
    count = None if value == EVERYONE else whole(value, "speakers", 1)
    return replace(draft, changes=replace(draft.changes, speakers=count))


def set_time_pool(draft: CellDraft, value: str) -> CellDraft:
    """Frames that sequences join into one."""
    count = whole(value, "time_pool", 1)
    return replace(draft, changes=replace(draft.changes, time_pool=count))


def set_noise(draft: CellDraft, side: NoiseIn, value: str) -> CellDraft:
    """Clean recordings, or noisy ones."""
    noise = None if value == CLEAN else parse_noise(value, side)
    return replace(draft, changes=replace(draft.changes, noise=noise))


def parse_noise(value: str, side: NoiseIn) -> Noise:
    """The noise that ``white:10``, ``babble:0`` or ``reverb:0.6`` names.

    Raises:
        ConfigError: it names none.
    """
    kind, _, text = value.partition(":")
    if kind not in get_args(NoiseKind):
        kinds = ", ".join((CLEAN, *(f"{k}:{levels[-1]}" for k, levels in LEVELS.items())))
        raise ConfigError(f"--values {value}: no such noise; expected some of {kinds}")
    level = number(text, f"{kind} noise", value)
    if kind == "reverb" and not 0 < level <= LONGEST_S:
        raise ConfigError(
            f"--values {value}: the reverberation time, expected above 0 up to {LONGEST_S:g} s"
        )
    if kind != "reverb" and not -LOUDEST_DB <= level <= LOUDEST_DB:
        raise ConfigError(
            f"--values {value}: the signal-to-noise ratio, expected -{LOUDEST_DB:g} to "
            f"{LOUDEST_DB:g} dB"
        )
    return Noise(cast(NoiseKind, kind), level, side)


# ---------------------------------------------------------------- numbers


def whole(text: str, what: str, least: int) -> int:
    """A whole number that is large enough."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise ConfigError(f"--values {text}: {what}, expected a whole number from {least} on")
    return int(text)


def number(text: str, what: str, typed: str | None = None) -> float:
    """A finite number; ``typed`` is the whole value that it is a part of."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"--values {typed or text}: {what}, expected a number")
    return value


def share(text: str, what: str, typed: str | None = None) -> float:
    """A share from 0 up to, not including, 1."""
    value = number(text, what, typed)
    if not 0 <= value < 1:
        raise ConfigError(f"--values {typed or text}: {what}, expected a share from 0 up to, not 1")
    return value
