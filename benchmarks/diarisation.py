"""Who speaks when: diarisation errors of the speaker guess, N given, and of taking all for one.

The telephone call of 30 s has turns by people (RTTM). Mixes are turns of two or three RAVDESS
actors in all their emotions, one or two sentences each, a tenth to six tenths of a second apart;
the files' own extents, silence at their ends trimmed, are the reference. Scored as NIST does, with
a collar of 0.25 s; overlap counts.

Voices are 24 files of each of RAVDESS's actors, drawn into an enrolment of 5 s or more and others
to be named, so often anew: cosines of an actor's own, and with every other actor.

Segments are cut in the ways that ``interview`` has; the distance at which a voice has changed was
chosen with these mixes in sight.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float64

from benchmarks.diarisation_error import Spoken, diarisation_error
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
    mean_vector,
    speaker_encoder,
    voice_changes,
)
from experiments.interviews.recognition import Recognition
from experiments.interviews.segmentation import (
    MAX_S,
    USUAL_S,
    Cutting,
    OtherSpeakers,
    SpeakerTurn,
    SpeechIndex,
    SpeechSegment,
    WordCutter,
    pieces_of,
)
from experiments.interviews.speech_scan import union
from experiments.interviews.voices import LONG_S, SAME, SAME_SHORT

ENCODERS = ("ge2e", "cepstra")
#: Turns of a mix, and how many mixes there are of so many actors.
TURNS = 16
MIXES = {2: 20, 3: 10}
SAME_CALL = "telephone call, speech of its reference"
#: What tells words, of how many mixes of a kind, and what of a second person counts in a segment.
ASR, WORDED, LEAST_SHARED_S = "whisper-tiny.en", 5, 0.5
#: Files of an actor, draws of what is enrolled, seconds of it and of the longer of what is named.
FILES, DRAWS, ENROLLED_S = 24, 20, 5.0


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
    table = [*head, *(f"| {name} | {' | '.join(row)} |" for name, row in rows.items())]
    if "ge2e" not in encoders:
        return "\n".join([*table, "", f"`ge2e` was not measured: {GE2E_FILES.install}"])
    return "\n".join([*table, "", *voices(), "", *segments(every)])


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
    speech = union([Stretch(turn.start_s, turn.end_s) for turn in reference])
    yield Case(SAME_CALL, call, reference, speech)
    for actors, count in MIXES.items():
        for seed in range(count):
            samples, said = mix(DATA / "ravdess", seed, actors)
            yield Case(f"mixes of {actors} actors", samples, said, speech_of(samples), actors)


def segments(every: Sequence[Case]) -> Iterator[str]:
    """Lines of how many segments hold more than half a second of two people, and their length."""
    encoder = speaker_encoder("ge2e")
    heard = [case for case in every if case.name != SAME_CALL]
    worded = [case for k, case in enumerate(heard) if _is_among_first(heard, k)]
    with TemporaryDirectory() as folder:
        recognition = Recognition(ASR, Path(folder))
        ways: dict[str, Callable[[Case, Described], Sequence[SpeechSegment]]] = {
            "one voice, up to 20 s": lambda case, _: _pieces(case, (), MAX_S),
            "one voice, up to 8 s": lambda case, _: _pieces(case, (), USUAL_S),
            "changes of voice, up to 8 s": lambda case, described: _pieces(
                case, voice_changes(case.speech, described), USUAL_S
            ),
            "`--speakers N`, up to 8 s": lambda case, described: pieces_of(
                guess(case, described), case.speech, (), Cutting(USUAL_S)
            ),
            f"changes and sentences of `{ASR}`": lambda case, described: at_words(
                case, voice_changes(case.speech, described), recognition
            ),
        }
        yield "| cut at | recordings | segments | of two people | mean length |"
        yield "|---|---|---|---|---|"
        for way, cut in ways.items():
            mine = worded if way.startswith("changes and") else heard
            for name in dict.fromkeys(case.name for case in mine):
                own = [case for case in mine if case.name == name]
                found = [(case, cut(case, describe(case, encoder))) for case in own]
                pieces = [piece for _, of_case in found for piece in of_case]
                mixed = sum(_holds_two(case, one) for case, of_case in found for one in of_case)
                length_s = np.mean([piece.voice.length_s for piece in pieces])
                label = f"{name}, {len(own)}"
                yield f"| {way} | {label} | {len(pieces)} | {mixed} | {length_s:.1f} s |"


def _is_among_first(every: Sequence[Case], number: int) -> bool:
    return sum(case.name == every[number].name for case in every[:number]) < WORDED


def _pieces(case: Case, changes: Sequence[float], most_s: float) -> tuple[SpeechSegment, ...]:
    """Segments where nobody knows who speaks."""
    return pieces_of(_someone(case), case.speech, (), Cutting(most_s), changes)


def _someone(case: Case) -> list[SpeakerTurn]:
    return [SpeakerTurn(one.start_s, one.end_s, "speaker") for one in case.speech]


def at_words(
    case: Case, changes: Sequence[float], recognition: Recognition
) -> Sequence[SpeechSegment]:
    """Segments cut between words, where nobody knows who speaks."""
    cutter = WordCutter(
        USUAL_S, changes, True, OtherSpeakers(_someone(case)), SpeechIndex(case.speech)
    )
    pieces = _pieces(case, (), MAX_S)
    parts: list[SpeechSegment] = []
    for piece, words in zip(pieces, recognition.timed_words(_heard(case, pieces)), strict=True):
        timed = [part for part, _ in cutter.parts(piece, words.segments)]
        parts += timed or cutter.without_times(piece.voice)
    return parts


def _heard(case: Case, pieces: Sequence[SpeechSegment]) -> list[Audio]:
    spans = [(piece.voice.start_s, piece.voice.end_s) for piece in pieces]
    rounded = [[round(time_s * SAMPLE_RATE_HZ) for time_s in span] for span in spans]
    return [Audio(case.samples[start:stop], SAMPLE_RATE_HZ) for start, stop in rounded]


def _holds_two(case: Case, piece: SpeechSegment) -> bool:
    """Whether two people speak for more than half a second each."""
    seconds: dict[str, float] = {}
    for said in case.reference:
        shared = min(said.end_s, piece.voice.end_s) - max(said.start_s, piece.voice.start_s)
        seconds[said.speaker] = seconds.get(said.speaker, 0.0) + max(shared, 0.0)
    return sum(length > LEAST_SHARED_S for length in seconds.values()) > 1


def voices() -> Iterator[str]:
    """Lines of what is missed and what passes at the thresholds of ``--voices``."""
    actors = [_files_of(actor) for actor in range(1, 25)]
    yield "| what is named | threshold | own voice missed | another's voice passes |"
    yield "|---|---|---|---|"
    for named, least_s, threshold in (
        (f"{LONG_S:g} s of speech or more", LONG_S, SAME),
        ("one file, about 1.8 s", 0.0, SAME_SHORT),
    ):
        rng = np.random.default_rng(1)
        cosines = np.concatenate([_cosines(actors, least_s, rng) for _ in range(DRAWS)])
        own = np.eye(len(actors), dtype=bool)
        missed = (cosines[:, own] < threshold).mean()
        passed = (cosines[:, ~own] >= threshold).mean()
        yield f"| {named} | {threshold} | {missed:.1%} | {passed:.1%} |"


def _files_of(actor: int) -> list[Described]:
    """Files of an actor, drawn, as GE2E has them."""
    files = sorted((DATA / "ravdess" / f"Actor_{actor:02d}").glob("*.flac"))
    drawn = np.random.default_rng(actor).permutation(len(files))[:FILES]
    heard = [resample(read_segment(files[k]), SAMPLE_RATE_HZ).samples for k in drawn]
    every = [Case("", samples, (), speech_of(samples)) for samples in heard]
    encoder = speaker_encoder("ge2e")
    return [describe(case, encoder) for case in every if case.speech]


def _cosines(
    actors: Sequence[Sequence[Described]], least_s: float, rng: np.random.Generator
) -> Float64[np.ndarray, "1 voices voices"]:
    """Cosines of one draw: rows are what is named, columns are voices."""
    enrolment, others = [], []
    for files in actors:
        order = [files[k] for k in rng.permutation(len(files))]
        vector, used = _until(order, ENROLLED_S)
        enrolment.append(vector)
        others.append(_until(order[used:], least_s)[0])
    return (np.stack(others) @ np.stack(enrolment).T)[None]


def _until(files: Sequence[Described], least_s: float) -> tuple[Float64[np.ndarray, "dim"], int]:
    """The vector of the first files that hold so much speech, one at least, and their number."""
    number = 1
    while sum(file.speech_s for file in files[:number]) < least_s:
        number += 1
    return mean_vector(np.concatenate([file.vectors for file in files[:number]])), number


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
