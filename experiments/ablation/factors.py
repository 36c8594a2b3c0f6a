"""The factors that can be ablated: their names, values, and what of them is the reference."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import cast, get_args

from encoders.manifest_rows import did_you_mean
from encoders.specs import AllLayers, Kind, Windows
from encoders.typed_names import MODALITY_OPTIONS, SYNONYMS, parse_modality
from experiments.ablation import settings
from experiments.ablation.cells import CellChanges, CellDraft, Factor, NoiseIn
from experiments.ablation.encoder_options import (
    check_has_options,
    layer_count,
    option_value,
    with_option,
)
from experiments.ablation.settings import ASR, BOTH, CLEAN, EVERYONE, GOLD, LEVELS, WER
from experiments.comparing.inputs import FEATURES
from experiments.config import FINETUNED, ConfigError, OptionError, Study
from fusion.networks.head import Hyperparameters
from fusion.networks.heads import HEADS
from fusion.networks.losses import LOSSES

#: Options of an encoder, by the short name of their factor.
SHORT = ("layer", "pooling", "window", "hop", "context", "ahead")
#: Those of them that are of the text encoder: turns of the dialogue around an utterance.
TURNS = ("context", "ahead")


def find_factor(name: str, study: Study, side: NoiseIn) -> Factor:
    """A factor by its name.

    Raises:
        OptionError: there is no such factor; ConfigError: it cannot be one of this study.
    """
    head, at, key = name.partition("@")
    if at and head in ("audio", "text") and key:
        return _option(name, cast(Kind, head), key, study)
    if at and head == "head" and key:
        return _hyperparameter(name, key, study)
    if name in SHORT:
        return _short(name, study)
    factors = {factor.name: factor for factor in (*_of_heads(study), *_of_data(study, side))}
    if name not in factors:
        hint = did_you_mean(name, (*factors, *SHORT), most=2)
        raise OptionError(f"--over {name}: no such factor; {hint}")
    return factors[name]


# ---------------------------------------------------------------- arms, encoders, budget


def _of_heads(study: Study) -> tuple[Factor, ...]:
    fused = settings.fused_arm(CellDraft(study, CellChanges()))
    flat = study.audio.startswith(FEATURES) or study.text.startswith(FEATURES)
    return (
        Factor(
            name="modality",
            label="modality",
            apply=settings.set_arm,
            values=(BOTH if fused == "concat" else fused, "audio", "text"),
            alone=True,
        ),
        Factor(
            name="head",
            label="fused head",
            apply=settings.set_arm,
            values=("concat", "late", "gated", "lowrank", *(() if flat else ("attention",))),
            alone=True,
        ),
        _encoder("audio", study.audio),
        _encoder("text", study.text),
        Factor(
            name="trials",
            label="trials per arm and fold",
            apply=settings.set_trials,
            own=str(study.trials),
            values=("0", "5", "20"),
            ordered=True,
        ),
    )


def _encoder(kind: Kind, typed: str) -> Factor:
    return Factor(
        name=kind,
        label=f"{kind} encoder",
        apply=lambda draft, value: settings.set_encoder(draft, kind, value),
        own=typed,
        early=True,
    )


# ---------------------------------------------------------------- options of encoders and heads


def _option(name: str, kind: Kind, key: str, study: Study) -> Factor:
    typed = study.audio if kind == "audio" else study.text
    check_has_options(typed, kind, name)
    if key == "layer" and not typed.startswith(FINETUNED):
        _check_layers(typed, kind, name)
    own = option_value(typed, kind, key) if _has(typed, kind, key) else None
    tidy = partial(_tidy_option, typed, kind, key)
    return Factor(
        name=name,
        label=f"{kind} {key}",
        apply=lambda draft, value: settings.set_option(draft, kind, key, value),
        own=own,
        values=_option_values(typed, kind, key),
        tidy=tidy,
        ordered=key in TURNS or key not in MODALITY_OPTIONS,
        unit=next((unit for end, unit in (("_ms", "ms"), ("_s", "s"), ("_hz", "Hz"), ("_db", "dB"))
                   if key.endswith(end)), ""),
    )  # fmt: skip


def _check_layers(typed: str, kind: Kind, name: str) -> None:
    if layer_count(parse_modality(typed, kind)) == 1:
        raise ConfigError(
            f"--over {name}: --{kind} {typed} keeps one layer; name an encoder with several, such "
            "as wav2vec2-base"
        )


def _has(typed: str, kind: Kind, key: str) -> bool:
    """Whether an encoder has an option; trained ones have more than can be told beforehand."""
    if typed.startswith(FINETUNED):
        return True
    spec = parse_modality(typed, kind).encoder
    return key in {*MODALITY_OPTIONS, *(SYNONYMS.get(name, name) for name in spec.options)}


def _tidy_option(typed: str, kind: Kind, key: str, value: str) -> str:
    """A value in the one way that it is written, read by the type of its option."""
    value = value.strip()
    if typed.startswith(FINETUNED):
        return value
    try:
        return option_value(with_option(typed, key, value), kind, key)
    except ValueError as error:
        raise ConfigError(f"--over {kind}@{key} --values {value}: {error}") from error


def _option_values(typed: str, kind: Kind, key: str) -> tuple[str, ...]:
    if key == "windows":
        return get_args(Windows)
    if key not in MODALITY_OPTIONS or typed.startswith(FINETUNED):
        return ()
    if key in TURNS:
        return ("0", "1", "3", "5")
    modality = parse_modality(typed, kind)
    if key == "layer":
        count = layer_count(modality)
        several = get_args(AllLayers) if count != 1 else ()
        return () if count is None else (*map(str, range(count)), *several)
    known = modality.encoder.statistics
    return tuple(dict.fromkeys((*known, modality.encoder.default_pooling)))


def _short(name: str, study: Study) -> Factor:
    """Layer and pooling of the audio encoder; its window and hop, in whichever unit it has them.

    Turns around an utterance are those of the text encoder.
    """
    if name in TURNS:
        return replace(_option(name, "text", name, study), label=f"turns of {name}")
    if name in ("layer", "pooling"):
        return _option(name, "audio", name, study)
    check_has_options(study.audio, "audio", name)
    typed = study.audio.removeprefix(FINETUNED)
    options = parse_modality(typed.partition("@")[0], "audio").encoder.options
    found = [key for key in (f"{name}_s", f"{name}_ms") if key in options]
    if not found:
        raise ConfigError(
            f"--over {name}: --audio {study.audio} has no {name}; it has {', '.join(options)}, "
            "each of which is a factor, as in --over audio@" + (options or ("pooling",))[0]
        )
    return replace(_option(name, "audio", found[0], study), label=f"audio {name}")


def _hyperparameter(name: str, key: str, study: Study) -> Factor:
    known = Hyperparameters.__dataclass_fields__
    if key not in known:
        raise ConfigError(f"--over {name}: heads have no {key}; they have {', '.join(known)}")
    fixed = dict(one.partition("=")[::2] for one in study.head or ())
    # What no search space holds is its default where nobody fixes it.
    tuned = any(key in head.space for head in HEADS.values())
    default = getattr(Hyperparameters(), key)
    return Factor(
        name=name,
        label=f"heads' {key}",
        apply=lambda draft, value: settings.set_head(draft, key, value),
        own=fixed.get(key, None if tuned else "none" if default is None else str(default)),
        anchored=key == "loss",
        values=LOSSES["single-label"] if key == "loss" else (),
        ordered=key != "loss",
    )


# ---------------------------------------------------------------- rows, words, speakers and sound


def _of_data(study: Study, side: NoiseIn) -> tuple[Factor, ...]:
    return (
        Factor(
            name="normalise",
            label="the statistics that standardise",
            apply=settings.set_normalise,
            own=study.normalise,
            anchored=True,
            values=("training", "corpus", "speaker"),
        ),
        Factor(
            name="labels",
            label="classes",
            apply=settings.set_labels,
            own=None if study.labels is None else ",".join(study.labels),
            tidy=lambda value: ",".join(part.strip() for part in value.split(",")),
            comparable=False,
            early=True,
        ),
        Factor(
            name="transcript",
            label="transcript",
            apply=settings.set_words,
            own=study.asr if study.transcript == "asr" else GOLD,
            anchored=True,
            values=(GOLD, *(f"{WER}{rate}" for rate in ("0.1", "0.2", "0.4"))),
            tidy=partial(_tidy_words, study),
        ),
        Factor(
            name="missing",
            label="the share of missing transcripts",
            apply=settings.set_missing,
            own="0",
            anchored=True,
            values=("0", "0.25", "0.5", "0.75"),
            tidy=lambda value: f"{settings.share(value.strip(), 'missing share'):g}",
            ordered=True,
        ),
        Factor(
            name="speakers",
            label="training speakers per fold",
            apply=settings.set_speakers,
            own=EVERYONE,
            anchored=True,
            ordered=True,
        ),
        Factor(
            name="time_pool",
            label="frames of sequences joined into one",
            apply=settings.set_time_pool,
            own="4",
            values=("1", "2", "4", "8"),
            ordered=True,
        ),
        Factor(
            name="noise",
            label=f"noise in {'test rows only' if side == 'test' else 'training and test rows'}",
            apply=lambda draft, value: settings.set_noise(draft, side, value),
            own=CLEAN,
            anchored=True,
            values=tuple(f"white:{level}" for level in LEVELS["white"]),
            tidy=partial(_tidy_noise, side),
        ),
    )


def _tidy_words(study: Study, value: str) -> str:
    value = value.strip()
    if value.removeprefix(WER)[:1].isdigit() or value.startswith((WER, ".")):
        rate = settings.share(value.removeprefix(WER), "word error rate", value)
        return f"{WER}{rate:g}" if rate else GOLD
    return study.asr if value == ASR else value


def _tidy_noise(side: NoiseIn, value: str) -> str:
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
