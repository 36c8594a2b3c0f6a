"""How often changed copies of a recording are found, and how often different ones are confused.

Signatures of all of RAVDESS and EmoDB; of 150 recordings of each, copies as they are met in
practice. Fixed sentences by the same speakers are the hardest corpora to tell apart.
"""

import io
import sys
from collections.abc import Callable

import numpy as np
import soundfile
import soxr

from benchmarks.functionals import DATA
from encoders.analysis.fingerprints import MOVES, AudioFingerprint, signature_of
from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio
from encoders.finetuning.augmentation import WaveformChanges, changed, pitch_shifted
from encoders.utterance import Corpus
from experiments.corpora import read_corpus
from fusion.leakage.audio_copies import ALIKE_FROM, SAME_FROM

COPIES = 150
Change = Callable[[Audio, np.random.Generator], Audio]


def measure() -> str:
    """Rows: kinds of copies; columns: shares above either threshold, of each corpus."""
    if not DATA.is_dir():
        sys.exit(f"no real speech in {DATA}: set SERFUSION_DATA")
    results = {name: _corpus(read_corpus(name, DATA / name)) for name in ("ravdess", "emodb")}
    heads = [
        f"{name}, {what}" for name in results for what in (f"≥ {SAME_FROM}", f"≥ {ALIKE_FROM}")
    ]
    lines = [f"| copy | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for kind in CHANGES:
        cells = [f"{share:.3f}" for name in results for share in results[name][0][kind]]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    lines += ["", *(f"{name}: {results[name][1]}" for name in results)]
    return "\n".join(lines)


def _corpus(corpus: Corpus) -> tuple[dict[str, tuple[float, float]], str]:
    rng = np.random.default_rng(0)
    signed = [signature_of(read_utterance(utterance)) for utterance in corpus.utterances]
    speaker = np.array([utterance.speaker for utterance in corpus.utterances])
    chosen = rng.choice(len(signed), COPIES, replace=False)
    rates = {}
    for kind, change in CHANGES.items():
        pairs = [
            _likeness(signed[n], signature_of(change(read_utterance(corpus.utterances[n]), rng)))
            for n in chosen
        ]
        same, best = np.array(pairs).T
        rates[kind] = (float((same >= SAME_FROM).mean()), float((best >= ALIKE_FROM).mean()))
    return rates, _confusions(signed, speaker)


def _likeness(signature: AudioFingerprint, other: AudioFingerprint) -> tuple[float, float]:
    still = signature.moved[MOVES.index(0)]
    same = float(max(still @ other.moved[MOVES.index(0)], signature.narrow @ other.narrow))
    return same, max(same, float((other.moved @ still).max()))


def _confusions(signed: list[AudioFingerprint], speaker: np.ndarray) -> str:
    moved, narrow = np.stack([s.moved for s in signed]), np.stack([s.narrow for s in signed])
    still = moved[:, MOVES.index(0)]
    same = np.maximum(still @ still.T, narrow @ narrow.T)
    best = np.max([same, *(moved[:, k] @ still.T for k in range(len(MOVES)))], axis=0)
    upper = np.triu(np.ones(same.shape, bool), 1)
    apart = upper & (speaker[:, None] != speaker)
    # Exact doubles (RAVDESS has one) are no confusion.
    within = upper & ~apart & (same < 0.99999)
    telling = sum(signature.telling for signature in signed)
    return (
        f"{apart.sum()} pairs of different speakers, most alike {best[apart].max():.3f}, "
        f"{(best[apart] >= ALIKE_FROM).sum()} above {ALIKE_FROM}; {within.sum()} pairs of one "
        f"speaker, most alike {same[within].max():.3f}, {(same[within] >= SAME_FROM).sum()} above "
        f"{SAME_FROM} and {(best[within] >= ALIKE_FROM).sum()} above {ALIKE_FROM}; "
        f"{telling} of {len(signed)} recordings tell something."
    )


def _coded(kind: str, rate: int | None = None) -> Change:
    def change(audio: Audio, _: np.random.Generator) -> Audio:
        target = rate or audio.sample_rate_hz
        samples = soxr.resample(audio.samples, audio.sample_rate_hz, target, "HQ")
        file = io.BytesIO()
        soundfile.write(file, samples, target, format=kind)
        file.seek(0)
        decoded, target = soundfile.read(file, dtype="float32")
        return Audio(decoded, target)

    return change


def _rated(rate: int) -> Change:
    return lambda audio, _: Audio(
        soxr.resample(audio.samples, audio.sample_rate_hz, rate, "HQ"), rate
    )


def _noisy(decibels: float) -> Change:
    def change(audio: Audio, rng: np.random.Generator) -> Audio:
        level = np.sqrt(np.square(audio.samples).mean()) * 10 ** (-decibels / 20)
        noise = level * rng.standard_normal(len(audio.samples))
        return Audio((audio.samples + noise).astype(np.float32), audio.sample_rate_hz)

    return change


def _samples(of: Callable[[np.ndarray, int], np.ndarray]) -> Change:
    return lambda audio, _: Audio(
        of(audio.samples, audio.sample_rate_hz).astype(np.float32), audio.sample_rate_hz
    )


CHANGES: dict[str, Change] = {
    "20 ms later": _samples(lambda x, rate: np.concatenate([np.zeros(rate // 50), x])),
    "20 ms cut off": _samples(lambda x, rate: x[rate // 50 :]),
    "12 dB quieter": _samples(lambda x, _: x / 4),
    "6 dB louder, clipped": _samples(lambda x, _: np.clip(2 * x, -1, 1)),
    "mp3 at 16 kHz": _coded("MP3", 16_000),
    "Ogg Vorbis": _coded("OGG"),
    "16 kHz": _rated(16_000),
    "8 kHz": _rated(8_000),
    "noise at 20 dB": _noisy(20),
    "noise at 10 dB": _noisy(10),
    "silence of 0.3 s at both ends": _samples(lambda x, rate: np.pad(x, 3 * rate // 10)),
    "last tenth cut off": _samples(lambda x, _: x[: 9 * len(x) // 10]),
    "2 semitones higher": _samples(lambda x, _: pitch_shifted(x, 2.0)),
    "1.5 semitones lower": _samples(lambda x, _: pitch_shifted(x, -1.5)),
    "1.1 times as fast": _samples(lambda x, _: soxr.resample(x, 1.1, 1.0, "HQ")),
    "0.9 times as fast": _samples(lambda x, _: soxr.resample(x, 0.9, 1.0, "HQ")),
    "gain, pitch and noise (augmentation.py)": lambda audio, rng: Audio(
        changed(audio.samples, WaveformChanges(copies=1), rng), audio.sample_rate_hz
    ),
}
