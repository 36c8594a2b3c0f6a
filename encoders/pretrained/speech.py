"""Load wav2vec2 and its relatives with torch or OpenVINO.

Relative error to float32 in torch, pooled over time, random weights of wav2vec2-base: OpenVINO in
float32 2e-6; bfloat16 in torch and in OpenVINO 1e-2 (cosine above 0.9999).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from encoders.pretrained.projection import ProjectedSpeech, read_projection
from encoders.pretrained.wav2vec2 import SAMPLE_RATE_HZ, SpeechEncoder, frame_s, waveform
from encoders.provenance import weights_sha256 as sha256_of
from encoders.specs import UNTRAINED_SEED, SpeechSpec
from encoders.weights.cards import CARDS
from encoders.weights.locate import find, locate
from encoders.weights.sources import checkpoint_source

NUMERICS_VERSION = 1


def weights_sha256(spec: SpeechSpec) -> str:
    """Hash of the checkpoint's files, or of the random weights of an untrained model."""
    if spec.untrained:
        return state_sha256(seeded_model(spec), _architecture(spec))
    return sha256_of(locate(checkpoint_source(spec.checkpoint, spec.revision)))


def load(spec: SpeechSpec, device: torch.device) -> nn.Module:
    """The encoder of a spec, from a folder, the hub's cache or the hub, or with random weights.

    OpenVINO computes on the CPU, whatever the device.

    Raises:
        MissingWeightsError: the checkpoint is not to be had; ValueError: its code is not in
            transformers, or the back end does not take it.
    """
    folder = None if spec.untrained else locate(checkpoint_source(spec.checkpoint, spec.revision))
    model = seeded_model(spec) if folder is None else trained_model(folder)
    if spec.backend == "openvino":
        device = torch.device("cpu")
    model = model.to(device)
    # Before the encoder is made: its parts may be in bfloat16 then.
    projection = None if folder is None else read_projection(folder, model.config.hidden_size)
    encoder = _encoder(model, spec, folder)
    return encoder if projection is None else ProjectedSpeech(encoder, projection.to(device))


def _encoder(model: Any, spec: SpeechSpec, folder: Path | None) -> nn.Module:  # noqa: ANN401
    if not hasattr(model, "feature_projection"):
        raise ValueError(
            f"{spec.checkpoint}: is a {model.config.model_type} model; expected wav2vec2, HuBERT, "
            "WavLM or data2vec-audio, or a Whisper whose name says so"
        )
    normalise = folder is None or normalises(folder)
    if spec.backend == "openvino":
        from encoders.pretrained.openvino_speech import OpenVinoEncoder, WholeModel

        return OpenVinoEncoder(
            WholeModel(model),
            lambda audio: (waveform(audio, model.config, normalise)[None], None),
            torch.zeros(1, SAMPLE_RATE_HZ),
            frame_s(model.config),
            spec,
        )
    return SpeechEncoder(model, spec, normalise=normalise)


def trained_model(folder: Path) -> Any:  # noqa: ANN401 - a transformers model
    """The model of a folder, in float32.

    Raises:
        ValueError: its code is not in transformers.
    """
    from transformers import AutoModel

    config = json.loads((folder / "config.json").read_text())
    if "AutoModel" in config.get("auto_map", {}) or "model_type" not in config:
        raise ValueError(
            f"{folder}: this checkpoint needs code of its own from the hub, which is never run "
            "here; use one whose class is in transformers, such as microsoft/wavlm-large"
        )
    return AutoModel.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32)


def state_sha256(model: nn.Module, architecture: bytes = b"") -> str:
    """Hash of a model's parameters and buffers, names included."""
    digest = hashlib.sha256(architecture)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _architecture(spec: SpeechSpec) -> bytes:
    """What the random weights alone do not tell, such as the order of the norms.

    A checkpoint of ours is told by its name, which is a field of the spec.
    """
    if spec.checkpoint in CARDS:
        return b""
    folder = find(checkpoint_source(spec.checkpoint, spec.revision))
    return b"" if folder is None else (folder / "config.json").read_bytes()


def seeded_model(spec: SpeechSpec) -> Any:  # noqa: ANN401 - a transformers model
    """The random weights that every ``:untrained`` encoder of a spec has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return untrained_model(spec)


def untrained_model(spec: SpeechSpec) -> Any:  # noqa: ANN401 - a transformers model
    """A model of the spec's architecture with random weights, drawn from torch's own state.

    Raises:
        ValueError: its architecture is not known here.
    """
    from transformers import AutoConfig, AutoModel

    folder = find(checkpoint_source(spec.checkpoint, spec.revision))
    if spec.checkpoint in CARDS:
        fields = {"model_type": "wav2vec2", **CARDS[spec.checkpoint].config}
        config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    elif folder is not None:
        config = AutoConfig.from_pretrained(folder)
    else:
        raise ValueError(f"{spec.checkpoint}:untrained: its architecture is not known here")
    return AutoModel.from_config(config)


def normalises(folder: Path) -> bool:
    """Whether a checkpoint takes waveforms of zero mean and unit variance."""
    from transformers import AutoFeatureExtractor

    if not (folder / "preprocessor_config.json").is_file():
        return True
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    return bool(getattr(extractor, "do_normalize", True))
