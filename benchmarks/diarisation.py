"""Who speaks when: diarisation errors of the speaker guess, N given, and of taking all for one.

The telephone call of 30 s has turns by people (RTTM). Mixes are turns of two or three RAVDESS
actors in all their emotions, one or two sentences each, a tenth to six tenths of a second apart;
the files' own extents, silence at their ends trimmed, are the reference. Scored as NIST does, with
a collar of 0.25 s; overlap counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.functionals import DATA
from encoders.analysis.speaker_embeddings import SpeakerEncoder
from encoders.analysis.voice_activity import SAMPLE_RATE_HZ, Stretch, VoiceActivity, speech_in
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio, Samples, resample
from encoders.spectra.mel import trim_bounds
from encoders.weights.sources import GE2E_FILES, installed
from experiments.annotations.turns import Turn, read_turns
from experiments.interviews.diarisation import (
    Described,
    SpeechDescriber,
    guess_speakers,
    speaker_encoder,
)
from experiments.interviews.segmentation import SpeakerTurn
from tests.experiments.interviews.diarisation_error import Spoken, diarisation_error

ENCODERS = ("ge2e", "cepstra")
#: Turns of a mix, and how many mixes there are of so many actors.
TURNS = 16
MIXES = {2: 20, 3: 10}


@dataclass(frozen=True, slots=True)
class Case:
    """A recording at 16 kHz, who speaks when in it, and where speech is taken to be."""

    name: str
    samples: Samples
    reference: tuple[Spoken, ...]
    speech: tuple[Stretch, ...]
    speakers: int = 2


def measure() -> str:
    """A line for each kind of recording."""
    every = list(cases())
    names = list(dict.fromkeys(case.name for case in every))
    encoders = [name for name in ENCODERS if name != "ge2e" or installed(GE2E_FILES)]
    rows = {name: [str(sum(case.name == name for case in every))] for name in names}
    for name in encoders:
        encoder = speaker_encoder(name)
        rates = [error(case, guess(case, describe(case, encoder))) for case in every]
        _add(rows, every, rates)
    _add(rows, every, [error(case, case.speech) for case in every])
    head = [
        f"| recordings | | {' | '.join(f'`{name}`' for name in encoders)} | one speaker |",
        f"|---|---|{'---|' * (len(encoders) + 1)}",
    ]
    return "\n".join([*head, *(f"| {name} | {' | '.join(row)} |" for name, row in rows.items())])


def _add(rows: dict[str, list[str]], every: Sequence[Case], rates: Sequence[float]) -> None:
    """Mean rates of each kind of recording, as one more cell of its line."""
    for name, row in rows.items():
        own = [rate for case, rate in zip(every, rates, strict=True) if case.name == name]
        row.append(f"{np.mean(own):.3f}")


def cases() -> Iterator[Case]:
    """The call with its own speech and with that of its reference, then the mixes."""
    path = DATA / "interview" / "sample.wav"
    reference = spoken(read_turns(path.with_suffix(".rttm")))
    call = resample(read_segment(path), SAMPLE_RATE_HZ).samples
    yield Case("telephone call", call, reference, speech_of(call))
    yield Case("telephone call, speech of its reference", call, reference, _together(reference))
    for actors, count in MIXES.items():
        for seed in range(count):
            samples, said = mix(DATA / "ravdess", seed, actors)
            yield Case(f"mixes of {actors} actors", samples, said, speech_of(samples), actors)


def mix(root: Path, seed: int, actors: int = 2) -> tuple[Samples, tuple[Spoken, ...]]:
    """Sixteen turns of so many actors of RAVDESS, and who speaks when."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(np.arange(1, 25), actors, replace=False)
    files = [sorted((root / f"Actor_{actor:02d}").glob("*.flac")) for actor in chosen]
    parts: list[Samples] = []
    reference, at = [], 0
    for turn in range(TURNS):
        mine = files[turn % actors]
        for _ in range(rng.integers(1, 3)):
            samples = resample(read_segment(mine[rng.integers(len(mine))]), SAMPLE_RATE_HZ).samples
            first, last = trim_bounds(samples, 30.0)
            start_s, end_s = at / SAMPLE_RATE_HZ, (at + last - first) / SAMPLE_RATE_HZ
            reference.append(Spoken(start_s, end_s, f"actor{turn % actors}"))
            length = int(rng.uniform(0.1, 0.6) * SAMPLE_RATE_HZ)
            parts += [samples[first:last], np.full(length, rng.normal(0, 1e-4), np.float32)]
            at += last - first + length
    return np.concatenate(parts), tuple(reference)


def describe(case: Case, encoder: SpeakerEncoder) -> Described:
    """The speech of a recording as a speaker encoder has it."""
    describer = SpeechDescriber(encoder)
    for stretch in case.speech:
        start, stop = (round(time * SAMPLE_RATE_HZ) for time in (stretch.start_s, stretch.end_s))
        describer.add(Audio(case.samples[start:stop], SAMPLE_RATE_HZ))
    return describer.described()


def guess(case: Case, described: Described) -> tuple[SpeakerTurn, ...]:
    """The guess where the number of speakers is given."""
    return guess_speakers(case.speech, case.speakers, described)


def error(case: Case, voices: Sequence[SpeakerTurn] | Sequence[Stretch]) -> float:
    """Diarisation error rate; stretches are all of one speaker."""
    return diarisation_error(case.reference, spoken(voices)).rate


def spoken(
    voices: Sequence[Turn] | Sequence[SpeakerTurn] | Sequence[Stretch],
) -> tuple[Spoken, ...]:
    """Turns as they are scored; what names no speaker is one's."""
    return tuple(
        Spoken(voice.start_s, voice.end_s, getattr(voice, "speaker", None) or "")
        for voice in voices
    )


def speech_of(samples: Samples) -> tuple[Stretch, ...]:
    """Where the voice activity finds speech."""
    probabilities = VoiceActivity().probabilities(samples, last=True)
    return speech_in(probabilities, len(samples) / SAMPLE_RATE_HZ)


def _together(reference: Sequence[Spoken]) -> tuple[Stretch, ...]:
    """Stretches in which anybody speaks."""
    joined: list[Stretch] = []
    for turn in sorted(reference, key=lambda turn: turn.start_s):
        if joined and turn.start_s <= joined[-1].end_s:
            joined[-1] = Stretch(joined[-1].start_s, max(joined[-1].end_s, turn.end_s))
        else:
            joined.append(Stretch(turn.start_s, turn.end_s))
    return tuple(joined)
