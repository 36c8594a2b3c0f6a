"""How often changed copies of a recording are found, and how often different ones are confused.

Fingerprints and landmarks of all of RAVDESS and EmoDB (whose files are cut to 2 s); of 150
recordings of each, copies as they are met in practice. Fixed sentences by the same speakers are the
hardest corpora to tell apart.
"""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from scipy.signal import lfilter

from benchmarks.functionals import DATA
from encoders.analysis import fingerprints, landmarks
from encoders.analysis.fingerprints import MOVES, AudioFingerprint, FingerprintSet, signature_of
from encoders.analysis.landmarks import Landmarks, landmarks_of
from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio
from encoders.finetuning.augmentation import WaveformChanges, changed, pitch_shifted
from encoders.utterance import Corpus
from experiments.corpora import read_corpus
from fusion.leakage.audio_copies import ALIKE_FROM, LENGTHS_FROM, SAME_FROM, known_again
from fusion.leakage.audio_parts import in_part_known, sharing

COPIES = 150
Change = Callable[[Audio, np.random.Generator], Audio]


def measure() -> str:
    """Rows: kinds of copies; columns: shares found by each test, refused, told, of each corpus."""
    if not DATA.is_dir():
        sys.exit(f"no real speech in {DATA}: set SERFUSION_DATA")
    results = {name: _corpus(read_corpus(name, DATA / name)) for name in ("ravdess", "emodb")}
    columns = (f"≥ {SAME_FROM}", f"≥ {ALIKE_FROM}", "part", "refused", "refused or told", "record")
    heads = [f"{name}, {what}" for name in results for what in columns]
    lines = [f"| copy | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for kind in next(iter(results.values())).rates:
        cells = [f"{share:.3f}" for of in results.values() for share in of.rates[kind]]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    lines += ["", *(f"{name}: {of.confusions}" for name, of in results.items())]
    lines += ["", *(f"{name}, landmarks: {of.shared}" for name, of in results.items())]
    return "\n".join([*lines, "", _strangers(results["ravdess"], results["emodb"])])


@dataclass(frozen=True, slots=True)
class Measured:
    """Of a corpus: shares of copies found by each test, and what is confused."""

    rates: dict[str, tuple[float, ...]]
    confusions: str
    shared: str
    signed: list[AudioFingerprint]
    marked: list[Landmarks]
    speaker: np.ndarray


def _corpus(corpus: Corpus) -> Measured:
    rng = np.random.default_rng(0)
    recordings = [read_utterance(utterance) for utterance in corpus.utterances]
    signed = [signature_of(audio) for audio in recordings]
    marked = [landmarks_of(audio) for audio in recordings]
    speaker = np.array([utterance.speaker for utterance in corpus.utterances])
    chosen = rng.choice(len(signed), COPIES, replace=False)

    def behind_another(audio: Audio, _: np.random.Generator) -> Audio:
        return _joined(recordings[chosen[0] - 1], audio)

    changes = {**CHANGES, "behind another one in a file": behind_another}
    rates, record = {}, Record.of(signed, marked)
    for kind, change in changes.items():
        found, copies = [], []
        for n in chosen:
            copy = change(recordings[n], rng)
            found.append(_found(signed[n], marked[n], copy))
            copies.append(copy)
        recorded = record.hears(list(map(signature_of, copies)), list(map(landmarks_of, copies)))
        rates[kind] = (*np.mean(found, axis=0).tolist(), float(recorded.mean()))
    confusions, shared = _confusions(signed, speaker), _shared(marked, signed, speaker)
    return Measured(rates, confusions, shared, signed, marked, speaker)


@dataclass(frozen=True, slots=True)
class Record:
    """What an encoder that was trained on some recordings carries of them."""

    prints: FingerprintSet
    marks: list[Landmarks]

    @classmethod
    def of(cls, signed: Sequence[AudioFingerprint], marked: Sequence[Landmarks]) -> "Record":
        """The record of recordings, packed and unpacked."""
        prints = FingerprintSet.unpacked(fingerprints.packed(signed))
        return cls(prints, landmarks.unpacked(landmarks.packed(marked)))

    def hears(self, signed: list[AudioFingerprint], marked: list[Landmarks]) -> np.ndarray:
        """Which recordings count as heard, each by itself."""
        return known_again(signed, self.prints).same | in_part_known(marked, self.marks)


def _strangers(ravdess: Measured, emodb: Measured) -> str:
    whole = Record.of(ravdess.signed, ravdess.marked).hears(emodb.signed, emodb.marked)
    half = np.isin(ravdess.speaker, sorted(set(ravdess.speaker))[:12])
    first, second = np.flatnonzero(half), np.flatnonzero(~half)
    record = Record.of([ravdess.signed[n] for n in first], [ravdess.marked[n] for n in first])
    halves = record.hears([ravdess.signed[n] for n in second], [ravdess.marked[n] for n in second])
    return (
        f"records: of {len(whole)} recordings of EmoDB {whole.sum()} count as heard by an encoder "
        f"that was trained on RAVDESS, of {len(halves)} of its second twelve actors {halves.sum()} "
        "by one that was trained on the first twelve."
    )


def _found(
    signature: AudioFingerprint, marks: Landmarks, copy: Audio
) -> tuple[bool, bool, bool, bool, bool]:
    same, best = _likeness(signature, other := signature_of(copy))
    if not _as_long(signature, other):
        # The certificate does not compare lengths so different.
        same = best = 0.0
    shared = sharing([marks, landmarks_of(copy)], np.arange(2))
    part = bool(shared.most.any())
    refused = same >= SAME_FROM or part
    told = refused or best >= ALIKE_FROM or len(shared.pairs) > 0
    return same >= SAME_FROM, best >= ALIKE_FROM, part, refused, told


def _as_long(one: AudioFingerprint, other: AudioFingerprint) -> bool:
    short, long = sorted((one.active_s, other.active_s))
    return short >= LENGTHS_FROM * long


def _joined(first: Audio, second: Audio) -> Audio:
    assert first.sample_rate_hz == second.sample_rate_hz
    return Audio(np.concatenate([first.samples, second.samples]), second.sample_rate_hz)


def _shared(marked: list[Landmarks], signed: list[AudioFingerprint], speaker: np.ndarray) -> str:
    everybody = sharing(marked, np.full(len(marked), -1))
    still = np.stack([one.moved[MOVES.index(0)] for one in signed])
    cosine = (still[everybody.pairs[:, 0]] * still[everybody.pairs[:, 1]]).sum(axis=1)
    # Exact doubles (RAVDESS has one) are no confusion.
    pairs = everybody.pairs[cosine < 0.99999]
    within = int((speaker[pairs[:, 0]] == speaker[pairs[:, 1]]).sum())
    count = len(marked) * (len(marked) - 1) // 2
    most = int(everybody.most[cosine < 0.99999].sum())
    return (
        f"of {count} pairs of different recordings {len(pairs)} share a stretch, {within} of one "
        f"speaker, and {most} most of one; {np.mean([len(marks) for marks in marked]):.0f} "
        "landmarks a recording."
    )


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


def _as_loud(samples: np.ndarray, like: np.ndarray) -> np.ndarray:
    return samples * np.abs(like).max() / np.abs(samples).max()


def _samples(of: Callable[[np.ndarray, int], np.ndarray]) -> Change:
    return lambda audio, _: Audio(
        of(audio.samples, audio.sample_rate_hz).astype(np.float32), audio.sample_rate_hz
    )


CHANGES: dict[str, Change] = {
    "20 ms later": _samples(lambda x, rate: np.concatenate([np.zeros(rate // 50), x])),
    "10 ms cut off": _samples(lambda x, rate: x[rate // 100 :]),
    "20 ms cut off": _samples(lambda x, rate: x[rate // 50 :]),
    "12 dB quieter": _samples(lambda x, _: x / 4),
    "6 dB louder, clipped": _samples(lambda x, _: np.clip(2 * x, -1, 1)),
    "mp3 at 16 kHz": _coded("MP3", 16_000),
    "Ogg Vorbis": _coded("OGG"),
    "16 kHz": _rated(16_000),
    "8 kHz": _rated(8_000),
    "noise at 20 dB": _noisy(20),
    "noise at 10 dB": _noisy(10),
    "noise at 5 dB": _noisy(5),
    "tilted by +6 dB an octave": _samples(lambda x, _: _as_loud(lfilter([1, -1], 1, x), x)),
    "tilted by -6 dB an octave": _samples(lambda x, _: _as_loud(lfilter([1], [1, -0.995], x), x)),
    "first 60 %": _samples(lambda x, _: x[: 6 * len(x) // 10]),
    "middle half": _samples(lambda x, _: x[len(x) // 4 : 3 * len(x) // 4]),
    "silence of 0.3 s at both ends": _samples(lambda x, rate: np.pad(x, 3 * rate // 10)),
    "last tenth cut off": _samples(lambda x, _: x[: 9 * len(x) // 10]),
    "2 semitones higher": _samples(lambda x, _: pitch_shifted(x, 2.0)),
    "1.5 semitones lower": _samples(lambda x, _: pitch_shifted(x, -1.5)),
    "1.02 times as fast": _samples(lambda x, _: soxr.resample(x, 1.02, 1.0, "HQ")),
    "0.98 times as fast": _samples(lambda x, _: soxr.resample(x, 0.98, 1.0, "HQ")),
    "middle half, 1.02 times as fast": _samples(
        lambda x, _: soxr.resample(x[len(x) // 4 : 3 * len(x) // 4], 1.02, 1.0, "HQ")
    ),
    "1.1 times as fast": _samples(lambda x, _: soxr.resample(x, 1.1, 1.0, "HQ")),
    "0.9 times as fast": _samples(lambda x, _: soxr.resample(x, 0.9, 1.0, "HQ")),
    "gain, pitch and noise (augmentation.py)": lambda audio, rng: Audio(
        changed(audio.samples, WaveformChanges(copies=1), rng), audio.sample_rate_hz
    ),
}
