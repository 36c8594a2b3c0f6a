"""How an encoder is trained: settings, those a family starts from, those that do not fit it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Literal

import torch

from encoders.finetuning.augmentation import Masks, WaveformChanges
from encoders.manifest_rows import parse_json
from encoders.specs import (
    BertSpec,
    MfccCnnSpec,
    SentenceSpec,
    Spec,
    SpectrogramCnnSpec,
    SpeechSpec,
    WhisperEncoderSpec,
    WindowSpec,
)
from encoders.weights.cards import CARDS
from encoders.weights.locate import find
from encoders.weights.sources import checkpoint_source

Precision = Literal["float32", "bfloat16"]
Pooling = Literal["mean", "sum", "max", "cls"]
ValueLoss = Literal["ccc", "mse"]
#: Transformers of speech that are trained here.
SPEECH_MODELS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "whisper")
#: What settings can be, those of masks and changes included. A pitch more than two octaves away and
#: levels that samples cannot have are no speech.
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        **dict.fromkeys(("epochs", "patience", "projection_dim", "lora_rank"), (1.0, math.inf)),
        **dict.fromkeys(("most_bands", "most_frames"), (1.0, math.inf)),
        **dict.fromkeys(("frequency_masks", "time_masks", "time_warp"), (0.0, math.inf)),
        **dict.fromkeys(("weight_decay", "copies"), (0.0, math.inf)),
        **dict.fromkeys(("dropout", "label_smoothing"), (0.0, 0.99)),
        "batch_size": (2.0, math.inf),
        "gain_db": (0.0, 60.0),
        "pitch_semitones": (0.0, 24.0),
        "noise_snr_db": (-40.0, 120.0),
    }
)
NO_MASKS = Masks(frequency_masks=0, time_masks=0)


class FinetuneError(ValueError):
    """An encoder cannot be trained on these utterances, with these settings, or at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a network is trained; none of it is part of the spec, all of it is in the record.

    AdamW with a rate that rises over a tenth of all steps and falls to nothing at the last (Smith
    2018, arXiv 1708.07120). An epoch shows one random window of every training recording, or every
    text. Training ends ``patience`` epochs after the best development score. An embedding has
    ``projection_dim`` values, 256 as in the recipe for AlexNet; None: those of the network itself.
    ``pooling`` is how a transformer's frames or tokens become one vector for the classifier; a
    network on windows has its own (None). ``bfloat16`` computes forward passes with 8 bits.
    ``loss`` is that of values (None: 1 - CCC); classes and sets of labels have one each. Smoothing
    is of classes and labels. ``lora_rank`` trains low-rank adapters of a transformer instead of its
    weights (:mod:`encoders.finetuning.lora`); Hu et al. 2021 (table 9) take rates of 4e-4 for them.
    """

    epochs: int = 50
    patience: int = 15
    batch_size: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    dropout: float = 0.3
    label_smoothing: float = 0.1
    projection_dim: int | None = 256
    pooling: Pooling | None = None
    precision: Precision = "float32"
    loss: ValueLoss | None = None
    lora_rank: int | None = None
    masks: Masks = field(default_factory=Masks)
    changes: WaveformChanges = field(default_factory=WaveformChanges)

    def __post_init__(self) -> None:
        given = {**_values(self), **_values(self.masks), **_values(self.changes)}
        wrong = [
            f"{name} {given[name]:g}: expected {_range(*bounds)}"
            for name, bounds in BOUNDS.items()
            if given[name] is not None and not bounds[0] <= given[name] <= bounds[1]
        ]
        if self.learning_rate <= 0:
            wrong.append(f"learning_rate {self.learning_rate:g}: expected more than 0")
        if wrong:
            raise FinetuneError("; ".join(wrong))


def _values(part: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _range(least: float, most: float) -> str:
    return f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"


def default_settings(spec: Spec) -> Settings:
    """Settings to train the encoder of a spec with; what a study may change it replaces.

    Of a speech transformer 512 projected values, as published for wav2vec2, of the mean over the
    frames; of a text transformer its first token; their rates are those that fine-tuning of such
    models is published with (Devlin et al. 2019, appendix A.3; Baevski et al. 2020, section 4.3).
    The precision is :func:`fast_precision` of this machine, said in so many words and never
    "automatic": settings that are equal train equally, and those of two machines may differ.

    Raises:
        FinetuneError: encoders of this family are not trained here.
    """
    precision = fast_precision()
    if isinstance(spec, SpectrogramCnnSpec):
        return Settings(precision=precision)
    if isinstance(spec, MfccCnnSpec):
        # Too small for 8 bits to be faster.
        return Settings(projection_dim=None, learning_rate=2e-3)
    whole = Settings(
        epochs=15, patience=4, batch_size=8, dropout=0.1, label_smoothing=0.0, masks=NO_MASKS,
        precision=precision,
    )  # fmt: skip
    if isinstance(spec, SpeechSpec):
        _check_type(spec)
        return replace(whole, learning_rate=5e-5, projection_dim=512, pooling="mean")
    if isinstance(spec, BertSpec):
        return replace(whole, learning_rate=3e-5, projection_dim=None, pooling="cls")
    raise FinetuneError(
        f"{spec.family}: encoders of this family cannot be trained here{_why(spec)}"
    )


def fast_precision() -> Precision:
    """bfloat16 where this processor multiplies it in hardware (AMX, AVX-512 BF16), else float32.

    Elsewhere torch emulates it, which is slower than float32 and no more exact.
    """
    asked = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    # Private in torch 2.13, and in no other place: a torch without them is taken for slow.
    checks = (getattr(torch.cpu, name, None) for name in asked)
    return "bfloat16" if any(ask is not None and ask() for ask in checks) else "float32"


def check_fit(spec: Spec, settings: Settings) -> None:
    """Compare settings with the family that they are for.

    Raises:
        FinetuneError: the family is not trained here, or settings mean nothing to it; all of them.
    """
    default_settings(spec)
    unfit = list(_unfit(spec, settings))
    if unfit:
        raise FinetuneError(f"{spec.family}: {'; '.join(unfit)}")


def _unfit(spec: Spec, settings: Settings) -> Iterator[str]:
    pooling, windowed = settings.pooling, isinstance(spec, WindowSpec)
    allowed: tuple[str | None, ...] = ("mean", "sum", "max")
    if windowed:
        allowed = (None,)
    elif isinstance(spec, BertSpec):
        allowed = ("mean", "sum", "max", "cls")
    if pooling not in allowed:
        yield f"pooling {pooling}: expected {' or '.join(map(str, allowed))}"
    masks = settings.masks
    if not windowed and (masks.frequency_masks or masks.time_warp):
        yield "frequency_masks, time_warp: are of spectrograms; expected 0 of each"
    if settings.lora_rank is not None and windowed:
        yield f"lora_rank {settings.lora_rank}: adapters are of transformers; expected none"
    elif settings.lora_rank is not None and find_spec("peft") is None:
        yield f"lora_rank {settings.lora_rank}: pip install 'serfusion[lora]' first"
    if isinstance(spec, BertSpec):
        yield from _unfit_for_text(settings)


def _unfit_for_text(settings: Settings) -> Iterator[str]:
    if settings.masks.time_masks:
        yield f"time_masks {settings.masks.time_masks}: are of sound; expected 0"
    if settings.changes.copies:
        yield f"copies {settings.changes.copies}: are changed in sound; expected 0"
    if settings.projection_dim is not None:
        given = f"projection_dim {settings.projection_dim}"
        yield f"{given}: a text model keeps its width; expected None"


def _check_type(spec: SpeechSpec) -> None:
    model_type = _model_type(spec)
    if model_type not in SPEECH_MODELS:
        raise FinetuneError(
            f"{spec.checkpoint}: is a {model_type} model, which cannot be trained here; expected "
            f"{', '.join(SPEECH_MODELS)}"
        )


def _model_type(spec: SpeechSpec) -> str:
    """What a speech checkpoint is, as far as this machine knows; else it is taken for wav2vec2."""
    if isinstance(spec, WhisperEncoderSpec):
        return "whisper"
    if spec.checkpoint in CARDS:
        return str(CARDS[spec.checkpoint].config.get("model_type", "wav2vec2"))
    folder = find(checkpoint_source(spec.checkpoint, spec.revision))
    config = {} if folder is None else parse_json((folder / "config.json").read_bytes())
    return str(config.get("model_type", "wav2vec2"))


def _why(spec: Spec) -> str:
    if isinstance(spec, SentenceSpec):
        return (
            ": its sentence embedding is trained by pairs of sentences; expected a BERT or "
            "RoBERTa, as in finetuned:bert-base"
        )
    if spec.has("checkpoint"):
        return ": it is a published classifier with a head of its own"
    return ": it computes descriptors and has no weights"
