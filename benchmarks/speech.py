"""Speed of a frozen wav2vec2-base (true architecture, random weights) on one thread.

64 utterances with lengths like IEMOCAP's (log-normal, mean 4.5 s, 0.6 to 20 s) of noise. The ways
are interleaved and CPU time is taken, so that other work on the machine hits them alike; medians.
The usual ways of the field are one recording at a time, and random padded batches of eight, which
is also wrong: its error is given beside its speed.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from statistics import median

import numpy as np
import torch

from encoders.audio.waveform import Audio, resample
from encoders.encoder import Encoder, load_encoder
from encoders.specs import SpeechSpec
from encoders.spectra.spectrogram import log_mel

UTTERANCES, ROUNDS = 64, 3
#: Of wav2vec2-base, 12 layers, per second of audio.
GFLOP_PER_SECOND = 14.3
SPEC = SpeechSpec(untrained=True)
SPECS = {
    "ours, float32": SPEC,
    "ours, bfloat16": replace(SPEC, precision="bfloat16"),
    "OpenVINO, float32": replace(SPEC, backend="openvino"),
    "OpenVINO, bfloat16": replace(SPEC, backend="openvino", precision="bfloat16"),
}
Pooled = list[np.ndarray]
Way = Callable[[Sequence[Audio]], Pooled]


def measure() -> str:
    """Ratios to one recording at a time, errors, rates, memory."""
    torch.set_num_threads(1)
    audio = utterances()
    ways: dict[str, Way] = {"one at a time": _one_at_a_time, "random padded batches of 8": _padded}
    ways |= {name: _ours(load_encoder(spec)) for name, spec in SPECS.items()}
    ways["ours, float32, layers 0-6"] = _ours(load_encoder(SPEC, depth=6))
    times: dict[str, list[float]] = {name: [] for name in ways}
    embeddings: dict[str, Pooled] = {}
    for way in ways.values():
        way(audio[:1])
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.process_time()
            embeddings[name] = way(audio)
            times[name].append(time.process_time() - start)
    seconds = sum(recording.duration_s for recording in audio)
    return "\n\n".join(
        [_table(times, embeddings, seconds), _cores(audio[:16]), _front(seconds, audio), _memory()]
    )


def utterances() -> list[Audio]:
    """Noise, because the weights are random: only lengths matter."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(np.log(3.7), 0.65, UTTERANCES)).clip(0.6, 20.0)
    return [
        Audio((0.1 * rng.standard_normal(round(s * 16000))).astype(np.float32), 16000)
        for s in lengths
    ]


def _ours(encoder: Encoder) -> Way:
    return lambda audio: [hidden[-1].mean(dim=0).numpy() for hidden in encoder.encode(audio)]


@cache
def _plain() -> torch.nn.Module:
    from encoders.pretrained import speech

    model = speech.seeded_model(SPEC).eval()
    model.config._attn_implementation = "eager"
    return model


@torch.inference_mode()
def _one_at_a_time(audio: Sequence[Audio]) -> Pooled:
    model = _plain()
    return [
        model(_wave(recording)[None]).last_hidden_state[0].mean(dim=0).numpy()
        for recording in audio
    ]


@torch.inference_mode()
def _padded(audio: Sequence[Audio]) -> Pooled:
    model = _plain()
    order = np.random.default_rng(1).permutation(len(audio))
    embeddings: dict[int, np.ndarray] = {}
    for start in range(0, len(order), 8):
        index = order[start : start + 8]
        waves = [_wave(audio[i]) for i in index]
        batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
        hidden = model(batch).last_hidden_state
        for i, row, wave in zip(index, hidden, waves, strict=True):
            embeddings[int(i)] = row[: max(1, len(wave) // 320)].mean(dim=0).numpy()
    return [embeddings[i] for i in range(len(audio))]


def _wave(audio: Audio) -> torch.Tensor:
    samples = torch.from_numpy(audio.samples)
    return (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()


def _table(times: dict[str, list[float]], embeddings: dict[str, Pooled], seconds: float) -> str:
    base = median(times["one at a time"])
    exact = np.stack(embeddings["one at a time"])
    spread = np.linalg.norm(exact - exact.mean(axis=0))
    peaks = ", ".join(
        f"{name} {_peak(dtype):.0f}"
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    )
    lines = [
        "| way | speed | GFLOP/s | error, of the spread between utterances | least cosine |",
        "|---|---|---|---|---|",
    ]
    for name, rounds in times.items():
        values = np.stack(embeddings[name])
        error = f"{np.linalg.norm(values - exact) / spread:.1e}"
        cosine = (values * exact).sum(axis=1)
        cosine /= np.linalg.norm(values, axis=1) * np.linalg.norm(exact, axis=1)
        shown = [error, f"{cosine.min():.6f}"] if "layers" not in name else ["another layer", ""]
        rate = "" if "layers" in name else f"{GFLOP_PER_SECOND * seconds / median(rounds):.0f}"
        lines.append(f"| {name} | {base / median(rounds):.2f} | {rate} | {' | '.join(shown)} |")
    return "\n".join([*lines, "", f"Matrix products of 1024 reach, in GFLOP/s: {peaks}."])


def _peak(dtype: torch.dtype) -> float:
    matrix = torch.randn(1024, 1024).to(dtype)
    rates = []
    for _ in range(20):
        start = time.process_time()
        torch.mm(matrix, matrix)
        rates.append(2 * 1024**3 / (time.process_time() - start) / 1e9)
    return max(rates)


def _cores(audio: Sequence[Audio]) -> str:
    """Wall time, so it says something on an idle machine only."""
    encoder = load_encoder(SPEC)
    walls = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        encoder.encode(audio[:1])
        rounds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            encoder.encode(audio)
            rounds.append(time.perf_counter() - start)
        walls[threads] = min(rounds)
    torch.set_num_threads(1)
    return f"Two threads against one, wall time of the float32 encoder: {walls[1] / walls[2]:.2f}."


def _front(seconds: float, audio: Sequence[Audio]) -> str:
    """Resampling from 48 kHz and log-mel, against the encoder."""
    fast = [resample(recording, 48000) for recording in audio]
    start = time.process_time()
    for recording in fast:
        log_mel(
            resample(recording, 16000).samples,
            sample_rate_hz=16000,
            window_ms=25.0,
            hop_ms=10.0,
            n_mels=80,
        )
    front = (time.process_time() - start) / seconds
    encoder = load_encoder(SPEC)
    start = time.process_time()
    encoder.encode(audio[:16])
    encoding = (time.process_time() - start) / sum(recording.duration_s for recording in audio[:16])
    return (
        f"Resampling from 48 kHz and log-mel take {1000 * front:.1f} ms per second of audio, "
        f"{front / encoding:.1%} of the float32 encoder's time."
    )


_CHILD = """
import sys
from pathlib import Path
import numpy as np
from benchmarks.speech import SPEC
from encoders.audio.reading import Audio
from encoders.embedding import embed
from encoders.encoder import load_encoder
encoder = load_encoder(SPEC)
samples = np.random.default_rng(0).standard_normal(int(sys.argv[1]) * 16000, np.float32)
embed(encoder, [Audio(samples, 16000)], [SPEC])
# Not getrusage: its maximum starts at that of the parent.
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def _memory() -> str:
    peaks = {}
    for seconds in (30, 600):
        command = [sys.executable, "-c", _CHILD, str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[seconds] = int(done.stdout.split()[-1]) / 1024
    return (
        f"Peak memory of a 30 s recording {peaks[30]:.0f} MB, of a 10 minutes one "
        f"{peaks[600]:.0f} MB (all 13 layers, pooled)."
    )
