"""Speed of Whisper's frozen encoder on one thread, against the usual way of the field.

The usual way fills every recording up to 30 s with silence, one at a time or eight together. Real
weights from the extras ``offline`` and ``multilingual``, lengths as in ``benchmarks.speech``; the
ways are interleaved and CPU time is taken. What differs in error is another input: silence or not.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

import torch

from benchmarks.speech import utterances
from encoders.audio.waveform import Audio
from encoders.encoder import load_encoder
from encoders.specs import WhisperEncoderSpec
from encoders.typed_names import parse_modality

MODELS = ("whisper-tiny.en-encoder", "whisper-base-encoder")
RECORDINGS, ROUNDS = 16, 3
Way = Callable[[Sequence[Audio]], list[torch.Tensor]]


def measure() -> str:
    """Ratios to one recording at a time in windows of 30 s, and errors within one length."""
    torch.set_num_threads(1)
    audio = utterances()[:RECORDINGS]
    lines = [
        "| model | way | speed | relative error of the pooled last layer |",
        "|---|---|---|---|",
    ]
    for name in MODELS:
        spec = parse_modality(name, "audio").encoder
        assert isinstance(spec, WhisperEncoderSpec)
        lines += _of(name, spec, audio)
    seconds = sum(recording.duration_s for recording in audio) / RECORDINGS
    return "\n".join([*lines, "", f"{RECORDINGS} recordings of {seconds:.1f} s in the mean."])


def _of(name: str, spec: WhisperEncoderSpec, audio: Sequence[Audio]) -> list[str]:
    ways = _ways(spec)
    times: dict[str, list[float]] = {way: [] for way in ways}
    pooled: dict[str, torch.Tensor] = {}
    for encode in ways.values():
        encode(audio[:1])
    for _ in range(ROUNDS):
        for way, encode in ways.items():
            start = time.process_time()
            hidden = encode(audio)
            times[way].append(time.process_time() - start)
            pooled[way] = torch.stack([layers[-1].mean(dim=0) for layers in hidden])
    base = median(times["30 s, one at a time"])
    return [
        f"| {name} | {way} | {base / median(times[way]):.2f} | {_error(pooled, way)} |"
        for way in ways
    ]


def _error(pooled: dict[str, torch.Tensor], way: str) -> str:
    if "layers" in way:
        return "another layer"
    exact = pooled["own length, float32" if way.startswith("own") else "30 s, one at a time"]
    return f"{float((pooled[way] - exact).norm() / exact.norm()):.0e}"


def _ways(spec: WhisperEncoderSpec) -> dict[str, Way]:
    filled = load_encoder(replace(spec, window="30"))
    named = {
        "own length, float32": {},
        "own length, bfloat16": {"precision": "bfloat16"},
        "own length, OpenVINO, float32": {"backend": "openvino"},
        "own length, OpenVINO, bfloat16": {"backend": "openvino", "precision": "bfloat16"},
    }
    ways: dict[str, Way] = {
        "30 s, one at a time": lambda audio: [filled.encode([one])[0] for one in audio],
        "30 s, batches of 8": lambda audio: [
            hidden
            for k in range(0, len(audio), 8)
            for hidden in _together(filled, audio[k : k + 8])
        ],
    }
    for way, how in named.items():
        ways[way] = load_encoder(replace(spec, **how)).encode  # type: ignore[arg-type]
    ways["own length, float32, layers 0-2"] = load_encoder(spec, depth=2).encode
    return ways


def _together(encoder: object, audio: Sequence[Audio]) -> list[torch.Tensor]:
    """One pass over all of them: the budget of a batch would let one window through."""
    whisper = encoder.module  # type: ignore[attr-defined]
    with torch.inference_mode():
        return [hidden.float() for hidden in whisper._batch([whisper.log_mel(a) for a in audio])]
