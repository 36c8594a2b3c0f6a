"""Words that recognisers get wrong, what they take, and what they make of sounds without words.

Word error rates (whisper's English normaliser, every clip alone) on a telephone call cut at the
sentences of its reference (13 clips, two speakers), a speech of 1961, one channel of a studio, and
24 files of RAVDESS (one of each actor: both sentences, eight emotions). They are few: they tell a
recogniser that works from one that does not, and little between two that work. Then the same with
short clips that share windows, and which sounds without English words raise a doubt.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.functionals import DATA
from encoders.asr.recognisers import parse_recogniser
from encoders.asr.transcription import load_recogniser
from encoders.audio.reading import read_segment
from encoders.audio.streaming import Span, read_spans
from encoders.audio.waveform import Audio
from encoders.weights.sources import MissingWeightsError
from experiments.annotations.turns import read_turns
from experiments.corpora import read_corpus
from experiments.demo import FOLDER as DEMO
from experiments.interviews.recognition import Recognition, doubts_about

NAMES = tuple(
    f"whisper-{model}@engine={engine}"
    for model in ("tiny.en", "base")
    for engine in ("faster", "faster,compute=float32", "openai", "transformers")
)
#: What is packed, and what hears sounds without words.
PACKED = ("whisper-tiny.en@engine=faster", "whisper-base@engine=faster")
GUARDED = "whisper-tiny.en@engine=faster"
#: What is said in the second channel; of the first the reference has the beginning only.
SECOND = "The horizon seems extremely distant"
JFK = (
    "And so my fellow Americans, ask not what your country can do for you, ask what you can do for "
    "your country."
)
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
RATE_HZ = 16000
#: Every so many German files of EmoDB, for a model that knows English alone.
GERMAN_STEP = 25


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of speech with the words that are said in it."""

    group: str
    audio: Audio
    said: str


def measure() -> str:
    """The three tables."""
    every = clips()
    groups = list(dict.fromkeys(clip.group for clip in every))
    head = [
        f"| recogniser | {' | '.join(groups)} | CPU seconds per second |",
        f"|---|{'---|' * (len(groups) + 1)}",
    ]
    words = {g: sum(len(words_of(c.said)) for c in every if c.group == g) for g in groups}
    counts = ", ".join(f"{group} {count}" for group, count in words.items())
    parts = [
        "\n".join([*head, *(alone(name, every) for name in NAMES)]),
        f"Word error rate; words in the references: {counts}.",
        "\n".join([PACKED_HEAD, *(together(name, every) for name in PACKED)]),
        "\n".join([GUARDED_HEAD, *guarded(GUARDED)]),
        "\n".join([EMOTIONS_HEAD, *by_emotion(GUARDED)]),
    ]
    return "\n\n".join(parts)


PACKED_HEAD = (
    "| short clips in shared windows | telephone alone | packed | RAVDESS alone | packed |\n"
    "|---|---|---|---|---|"
)
GUARDED_HEAD = "| `whisper-tiny.en`, no English in it | clips | no words | doubtful | believed |\n"
GUARDED_HEAD += "|---|---|---|---|---|"


EMOTIONS_HEAD = "| `whisper-tiny.en`, whole corpora | recordings | word error |\n|---|---|---|"


def by_emotion(name: str) -> Iterator[str]:
    """Lines of the demo corpus's gold words, and of RAVDESS by the emotions that are acted."""
    recogniser = load_recogniser(parse_recogniser(name))
    for source, root in (("demo", DEMO), ("ravdess", DATA / "ravdess")):
        corpus = read_corpus(source, root)
        found = list[tuple[str, Clip, str | None]]()
        for one in corpus.utterances:
            if one.audio is not None and one.transcript:
                audio = read_segment(one.audio, one.start_s, one.end_s)
                clip = Clip(source, audio, one.transcript)
                found.append((str(corpus.label(one)), clip, recogniser.transcribe(audio).text))
        for emotion in ("all", *(corpus.targets if source == "ravdess" else ())):
            rows = [(clip, text) for label, clip, text in found if emotion in ("all", label)]
            clips_, heard = zip(*rows, strict=True)
            yield f"| {source}, {emotion} | {len(rows)} | {_error(clips_, heard, source):.3f} |"


def clips() -> list[Clip]:
    """All clips, those of one group behind one another."""
    return [*_interviews(DATA / "interview"), *_ravdess(DATA / "ravdess")]


def alone(name: str, every: Sequence[Clip]) -> str:
    """The line of a recogniser that hears every clip by itself."""
    groups = list(dict.fromkeys(clip.group for clip in every))
    try:
        recogniser = load_recogniser(parse_recogniser(name))
    except MissingWeightsError:
        how = f"not measured: `serfusion models fetch {name}; python -m benchmarks recognisers`"
        return f"| `{name}` | {how} |{' |' * len(groups)}"
    start_s = time.process_time()
    heard = [recogniser.transcribe(clip.audio).text for clip in every]
    took_s = time.process_time() - start_s
    rates = " | ".join(f"{_error(every, heard, group):.3f}" for group in groups)
    return f"| `{name}` | {rates} | {took_s / sum(clip.audio.duration_s for clip in every):.2f} |"


def together(name: str, every: Sequence[Clip]) -> str:
    """The line of a recogniser whose short clips share windows, as ``--packing`` has them."""
    cells = []
    for group in ("telephone", "RAVDESS"):
        some = [clip for clip in every if clip.group == group]
        for packing in (False, True):
            with TemporaryDirectory() as folder:
                recognition = Recognition(name, Path(folder), packing=packing)
                heard = [words.text for words in recognition.listen([c.audio for c in some])]
            cells.append(f"{_error(some, heard, group):.3f}")
    return f"| `{name}` | {' | '.join(cells)} |"


def guarded(name: str) -> Iterator[str]:
    """Lines of kinds of sound: in how many no word is heard, in how many some are doubted."""
    recogniser = load_recogniser(parse_recogniser(name))
    for kind, sounds in _sounds().items():
        heard = [recogniser.transcribe(audio) for audio in sounds]
        none = sum(transcript.text is None for transcript in heard)
        doubted = sum(bool(t.text and doubts_about(t)) for t in heard)
        yield f"| {kind} | {len(heard)} | {none} | {doubted} | {len(heard) - none - doubted} |"


def _error(every: Sequence[Clip], heard: Sequence[str | None], group: str) -> float:
    pairs = [(c, text) for c, text in zip(every, heard, strict=True) if c.group == group]
    errors = sum(edits(words_of(clip.said), words_of(text or "")) for clip, text in pairs)
    return errors / sum(len(words_of(clip.said)) for clip, _ in pairs)


# ---------------------------------------------------------------- what is heard


def _interviews(folder: Path) -> Iterator[Clip]:
    for turn in read_turns(folder / "sample.stm"):
        audio = read_segment(folder / "sample.wav", turn.start_s, turn.end_s)
        yield Clip("telephone", audio, turn.text or "")
    yield Clip("speech of 1961", read_segment(folder / "jfk.flac"), JFK)
    both = folder / "stereo_diarization.wav"
    span = Span(0.0, read_segment(both).duration_s, 1)
    yield Clip("studio", next(iter(read_spans(both, [span]))), SECOND)


def _ravdess(folder: Path) -> Iterator[Clip]:
    """One file of each actor: the sentence changes with every actor, the emotion with every two."""
    for actor in range(1, 25):
        emotion, statement = (actor // 2) % 8 + 1, actor % 2 + 1
        name = f"03-01-{emotion:02}-01-{statement:02}-01-{actor:02}.flac"
        audio = read_segment(folder / f"Actor_{actor:02}" / name)
        yield Clip("RAVDESS", audio, STATEMENTS[f"{statement:02}"])


def _sounds() -> dict[str, list[Audio]]:
    rng, seconds = np.random.default_rng(0), np.arange(5 * RATE_HZ) / RATE_HZ
    noises = [level * rng.standard_normal(len(seconds)) for level in (0.001, 0.01, 0.1, 0.3)]
    tones = [0.3 * np.sin(2 * np.pi * hertz * seconds) for hertz in (100, 440, 1000, 3000)]
    german = sorted((DATA / "emodb" / "wav").iterdir())[::GERMAN_STEP]
    return {
        "silence": [Audio(np.zeros(len(seconds), np.float32), RATE_HZ)],
        "white noise, four levels": [_audio(noise) for noise in noises],
        "tones of 100 to 3000 Hz": [_audio(tone) for tone in tones],
        "German (EmoDB)": [read_segment(path) for path in german],
    }


def _audio(samples: np.ndarray) -> Audio:
    return Audio(samples.clip(-1, 1).astype(np.float32), RATE_HZ)


# ---------------------------------------------------------------- errors


@cache
def _normaliser() -> Any:  # noqa: ANN401 - of openai-whisper
    # Not where the module is imported: it leaves a file of its own open.
    from whisper.normalizers import EnglishTextNormalizer

    return EnglishTextNormalizer()


def words_of(text: str) -> list[str]:
    """Words as whisper's English normaliser leaves them.

    >>> words_of("I don't, you know...")
    ['i', 'do', 'not', 'you', 'know']
    """
    return str(_normaliser()(text)).split()


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """Least number of words to put in, leave out or change (Levenshtein).

    >>> edits("a b c".split(), "a c d e".split())
    3
    """
    row = np.arange(len(heard) + 1)
    for word in said:
        before, row = row, np.empty_like(row)
        row[0] = before[0] + 1
        for place, other in enumerate(heard, start=1):
            change = before[place - 1] + (word != other)
            row[place] = min(before[place] + 1, row[place - 1] + 1, change)
    return int(row[-1])
