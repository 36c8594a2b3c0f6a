"""Published models with their own head: a recording or a sentence in, its logits or values out.

Nothing is trained, and nothing is guessed: a head whose weights are not all in the files is
refused, because transformers would draw random ones for what is missing.

Speech runs through the same exact batches as :mod:`encoders.pretrained.speech`. Where a checkpoint
weighs its hidden layers (``use_weighted_layer_sum``, as those of SUPERB do), the last of them is
taken after the final norm, as it was when they were published; transformers 5.23 takes it before,
which gives other logits for models with ``do_stable_layer_norm``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn

from encoders.audio.waveform import Audio, AudioError, resample
from encoders.pooling import Hidden, Raw
from encoders.pretrained.speech import normalises
from encoders.pretrained.text import position_limit, tokenizer_of
from encoders.pretrained.wav2vec2 import SAMPLE_RATE_HZ, SpeechEncoder
from encoders.provenance import weights_sha256 as sha256_of
from encoders.specs import ClassifierSpec, SpeechClassifierSpec, SpeechSpec, TextClassifierSpec
from encoders.store import TokenCount
from encoders.weights.files import weight_files
from encoders.weights.locate import locate
from encoders.weights.sources import checkpoint_source

NUMERICS_VERSION = 1
#: Models of speech whose head is a projection, the mean over time and a linear layer.
SPEECH_MODELS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
DIMENSIONS = {"arousal", "dominance", "valence"}
#: Layers of a head that transformers does not build, which audEERING and others publish.
TANH_HEAD = tuple(
    f"classifier.{layer}.{part}" for layer in ("dense", "out_proj") for part in ("weight", "bias")
)
POOLINGS = ("mean", "sum", "max")
#: Replaces masked frames in training; a classifier never reads it.
UNUSED = "masked_spec_embed"
#: Names of weights in a message.
SHOWN = 8
#: A tokenizer without a limit says 1e30 tokens.
NO_LIMIT = 1e6


class ClassifierError(ValueError):
    """A checkpoint is no classifier whose own head can be scored here; says why."""


def classifier_spec(checkpoint: str, revision: str | None = None) -> ClassifierSpec:
    """Spec of a checkpoint, whose files tell whether it reads audio or text.

    Raises:
        MissingWeightsError: it is neither here nor to be had; ClassifierError: it needs code of its
            own, is of a type that is not read, or says several labels at once.
    """
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as TEXT_MODELS,
    )

    folder = locate(checkpoint_source(checkpoint, revision))
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _check_task(checkpoint, raw)
    if raw["model_type"] in (*SPEECH_MODELS, "whisper"):
        return SpeechClassifierSpec(checkpoint=checkpoint, revision=revision)
    if raw["model_type"] in TEXT_MODELS:
        return TextClassifierSpec(checkpoint=checkpoint, revision=revision)
    raise ClassifierError(
        f"{checkpoint}: is a {raw['model_type']} model; expected a classifier of audio "
        f"({', '.join(SPEECH_MODELS)}, whisper) or of text"
    )


def class_labels(spec: ClassifierSpec) -> tuple[str, ...]:
    """Names of a checkpoint's classes in the order of its logits."""
    id2label = _config(locate(checkpoint_source(spec.checkpoint, spec.revision))).id2label
    return tuple(str(id2label[number]) for number in sorted(id2label))


def says_values(spec: ClassifierSpec) -> bool:
    """Whether a checkpoint predicts values instead of classes, as its configuration says."""
    config = _config(locate(checkpoint_source(spec.checkpoint, spec.revision)))
    named = {str(label).lower() for label in config.id2label.values()}
    return config.problem_type == "regression" or len(named) == 1 or named <= DIMENSIONS


def check_head(spec: ClassifierSpec) -> None:
    """Compare the head with the files, without reading weights.

    It is the one that transformers would build, or that of :class:`TanhClassifier`.

    Raises:
        ClassifierError: a weight of the head is not there, or has another shape.
    """
    folder = locate(checkpoint_source(spec.checkpoint, spec.revision))
    stored = _stored_shapes(folder)
    if _has_tanh_head(spec, stored):
        config = _config(folder)
        width, said = int(config.hidden_size), len(config.id2label)
        shapes = ((width, width), (width,), (said, width), (said,))
        wrong = [n for n, shape in zip(TANH_HEAD, shapes, strict=True) if stored.get(n) != shape]
        if wrong:
            raise ClassifierError(
                _no_head(spec.checkpoint, wrong, [n for n in stored if n in TANH_HEAD])
            )
        return
    with torch.device("meta"):
        model = _auto_class(spec).from_config(_config(folder))
    base = f"{model.base_model_prefix}."
    built = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    head = [name for name in built if not name.startswith(base)]
    wrong = [name for name in head if stored.get(name) != built[name]]
    if wrong:
        # A checkpoint of the body alone has its names without the prefix.
        other = [name for name in stored if not name.startswith(base) and base + name not in built]
        raise ClassifierError(_no_head(spec.checkpoint, wrong, other))


def weights_sha256(spec: ClassifierSpec) -> str:
    """Hash of the checkpoint's files, names of its classes included."""
    return sha256_of(locate(checkpoint_source(spec.checkpoint, spec.revision)))


def load(spec: ClassifierSpec, device: torch.device) -> nn.Module:
    """The classifier of a spec, in float32.

    Raises:
        MissingWeightsError: it is not to be had; ClassifierError: its head is not in its files.
    """
    check_head(spec)
    folder = locate(checkpoint_source(spec.checkpoint, spec.revision))
    if _has_tanh_head(spec, _stored_shapes(folder)):
        return _tanh_classifier(spec, folder).to(device)
    model, about = _auto_class(spec).from_pretrained(
        folder, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(name for name in about["missing_keys"] if not name.endswith(UNUSED))
    if missing:
        raise ClassifierError(_no_head(spec.checkpoint, missing, sorted(about["unexpected_keys"])))
    model = model.to(device)
    if isinstance(spec, TextClassifierSpec):
        return TextClassifier(model, tokenizer_of(folder))
    if model.config.model_type == "whisper":
        from encoders.pretrained.whisper_encoder import feature_extractor

        return WhisperClassifier(model, feature_extractor(model.config.num_mel_bins))
    return SpeechClassifier(model, normalise=normalises(folder))


class SpeechClassifier(nn.Module):
    """Logits of a wav2vec2-like classifier, ``[1, 1, labels]`` per recording of any length."""

    frame_s = None

    def __init__(self, model: Any, *, normalise: bool) -> None:  # noqa: ANN401
        super().__init__()
        self.encoder = SpeechEncoder(model.base_model, SpeechSpec(), normalise=normalise)
        self.model = model

    def forward(self, inputs: Sequence[Audio]) -> list[Raw]:
        """Logits of every recording."""
        return [self._logits(layers)[None, None] for layers in self.encoder(inputs)]

    def _logits(self, layers: Float[Tensor, "layers frames dim"]) -> Float[Tensor, "labels"]:
        hidden = layers[-1]
        if self.model.config.use_weighted_layer_sum:
            weights = self.model.layer_weights.softmax(dim=0)
            hidden = (weights[:, None, None] * layers).sum(dim=0)
        return self.model.classifier(self.model.projector(hidden).mean(dim=0))


class TanhClassifier(nn.Module):
    """Logits or values of a wav2vec2-like model under the head of audEERING's and others'.

    Frames are pooled, then ``dense``, tanh, ``out_proj``: as the page of
    audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim prints it, and the code that those of
    m3hrdadfi were trained by, whose configuration may name another pooling than the mean.
    """

    frame_s = None

    def __init__(self, model: Any, state: Mapping[str, Tensor], *, normalise: bool) -> None:  # noqa: ANN401
        super().__init__()
        self.pooling = str(getattr(model.config, "pooling_mode", "mean"))
        self.encoder = SpeechEncoder(model, SpeechSpec(), normalise=normalise)
        dense, _, out, _ = (state[name] for name in TANH_HEAD)
        self.dense, self.out_proj = nn.Linear(*dense.shape[::-1]), nn.Linear(*out.shape[::-1])
        own = {name.removeprefix("classifier."): state[name] for name in TANH_HEAD}
        missing = self.load_state_dict(own, strict=False).unexpected_keys
        assert not missing, "names of a head are names of its layers"

    def forward(self, inputs: Sequence[Audio]) -> list[Raw]:
        """Logits or values of every recording."""
        return [self._logits(layers[-1])[None, None] for layers in self.encoder(inputs)]

    def _logits(self, frames: Float[Tensor, "frames dim"]) -> Float[Tensor, "labels"]:
        whole = frames.amax(dim=0) if self.pooling == "max" else frames.sum(dim=0)
        pooled = whole / len(frames) if self.pooling == "mean" else whole
        return self.out_proj(self.dense(pooled).tanh())


def _tanh_classifier(spec: ClassifierSpec, folder: Path) -> TanhClassifier:
    from transformers import AutoModel

    model, about = AutoModel.from_pretrained(
        folder, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(name for name in about["missing_keys"] if not name.endswith(UNUSED))
    if missing:
        raise ClassifierError(_no_head(spec.checkpoint, missing, sorted(about["unexpected_keys"])))
    pooling = getattr(model.config, "pooling_mode", "mean")
    if pooling not in POOLINGS:
        raise ClassifierError(
            f"{spec.checkpoint}: pools frames by {pooling}; expected {', '.join(POOLINGS)}"
        )
    return TanhClassifier(model, _stored_head(folder), normalise=normalises(folder))


class WhisperClassifier(nn.Module):
    """Logits of a classifier on Whisper's encoder, which hears 30 s, the rest of them silence."""

    frame_s = None

    def __init__(self, model: Any, extractor: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.model, self.extractor = model, extractor

    def forward(self, inputs: Sequence[Audio]) -> list[Raw]:
        """Logits of every recording."""
        return [self._logits(audio) for audio in inputs]

    def _logits(self, audio: Audio) -> Raw:
        wave, limit_s = resample(audio, SAMPLE_RATE_HZ).samples, self.extractor.chunk_length
        if not 0 < len(wave) <= limit_s * SAMPLE_RATE_HZ:
            length_s = len(wave) / SAMPLE_RATE_HZ
            raise AudioError(f"lasts {length_s:.1f} s; this classifier hears up to {limit_s} s")
        mel = self.extractor(wave, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        return self.model(mel["input_features"].to(self.model.device)).logits[None]


class TextClassifier(nn.Module):
    """Logits of a text classifier, ``[1, 1, labels]`` per sentence; each runs alone."""

    frame_s = None

    def __init__(self, model: Any, tokenizer: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.max_length = min(float(tokenizer.model_max_length), position_limit(model.base_model))

    def forward(self, inputs: Sequence[str]) -> list[Hidden]:
        """Logits of every text; one longer than the model's limit is cut there."""
        return [self._logits(text) for text in inputs]

    def extents(self, inputs: Sequence[str]) -> list[TokenCount | None]:
        """Tokens of every text, and how many of them are read; None without a limit."""
        if self.max_length > NO_LIMIT:
            return [None] * len(inputs)
        counts = [len(self.tokenizer(text, verbose=False)["input_ids"]) for text in inputs]
        return [TokenCount(count, int(min(count, self.max_length))) for count in counts]

    def _logits(self, text: str) -> Hidden:
        limit = int(self.max_length) if self.max_length <= NO_LIMIT else None
        tokens = self.tokenizer(
            text, truncation=limit is not None, max_length=limit, return_tensors="pt"
        )
        return self.model(**tokens.to(self.model.device)).logits[None]


# ---------------------------------------------------------------- what the files say


def _check_task(checkpoint: str, raw: Mapping[str, Any]) -> None:
    if "model_type" not in raw or any(
        name.startswith("AutoModel") for name in raw.get("auto_map") or {}
    ):
        raise ClassifierError(
            f"{checkpoint}: this checkpoint needs code of its own from the hub, which is never run "
            "here; use one whose class is in transformers, such as superb/hubert-large-superb-er"
        )
    if raw.get("problem_type") == "multi_label_classification":
        raise ClassifierError(
            f"{checkpoint}: says several labels at once, whose scores are no shares of one label; "
            "expected a classifier of problem_type single_label_classification"
        )


def _config(folder: Path) -> Any:  # noqa: ANN401 - a transformers configuration
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _auto_class(spec: ClassifierSpec) -> Any:  # noqa: ANN401 - a class of transformers
    from transformers import AutoModelForAudioClassification, AutoModelForSequenceClassification

    if isinstance(spec, TextClassifierSpec):
        return AutoModelForSequenceClassification
    return AutoModelForAudioClassification


def _stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights by name, from the headers of the files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="np") as weights:
                names = weights.keys()
                shapes |= {name: tuple(weights.get_slice(name).get_shape()) for name in names}
        else:
            state = torch.load(path, map_location="meta", weights_only=True)
            shapes |= {name: tuple(tensor.shape) for name, tensor in state.items()}
    return shapes


def _has_tanh_head(spec: ClassifierSpec, stored: Mapping[str, object]) -> bool:
    """Whether it is a model of speech with the layers of that head, which others name otherwise."""
    return isinstance(spec, SpeechClassifierSpec) and {TANH_HEAD[0], TANH_HEAD[2]} <= {*stored}


def _stored_head(folder: Path) -> dict[str, Tensor]:
    """Weights of that head, from whichever files hold them."""
    found: dict[str, Tensor] = {}
    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as weights:
                held = {*weights.keys()}
                found |= {name: weights.get_tensor(name) for name in TANH_HEAD if name in held}
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            found |= {name: state[name] for name in TANH_HEAD if name in state}
    return {name: tensor.float() for name, tensor in found.items()}


def _no_head(checkpoint: str, wrong: Sequence[str], stored: Sequence[str]) -> str:
    return (
        f"{checkpoint}: its files do not hold the head that transformers builds for it: expected "
        f"{_some(wrong)}; found {_some(stored) or 'no head at all'}. What another head does "
        "between its layers is not in the files, and random weights would say nothing; use another "
        f"classifier, or its embeddings by --audio or --text {checkpoint}"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
