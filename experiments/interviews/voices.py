"""``--voices``: who of some known people speaks, by speaker vectors of recordings of each alone.

Speakers are compared by the cosine of their vectors with those of the voices. On RAVDESS's 24
actors, enrolled with 5 s or more, :data:`SAME` misses 4 % of true pairs and lets 6 % of others pass
where a speaker has 8 s of speech or more, :data:`SAME_SHORT` 11 % and 14 % of single sentences
(1.8 s of speech); they talk in every emotion, in one studio (``python -m benchmarks diarisation``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from encoders.analysis.speaker_embeddings import FRAME_S, SpeakerEncoder
from encoders.analysis.voice_activity import Stretch
from encoders.audio.waveform import AudioError
from encoders.messages import quoted
from experiments.config import OptionError
from experiments.interviews.diarisation import Described, SpeechDescriber, mean_vector
from experiments.interviews.segmentation import SpeakerTurn
from experiments.interviews.speech_scan import survey

#: Cosine from which a speaker is a voice, and that for one with less than :data:`LONG_S` of speech.
SAME, SAME_SHORT, LONG_S = 0.84, 0.73, 8.0
#: Seconds of speech below which a voice is refused, and below which it is told to be short.
LEAST_S, SHORT_S = 2.0, 5.0
#: Names that name nobody: those of a voice take their place.
UNNAMED = re.compile(r"(speaker|spk|unknown|guess|channel|voice)[ _-]?\d*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Voice:
    """A person's name, the vector of their voice, of length 1, and how much speech it is from."""

    name: str
    vector: Float64[np.ndarray, "dim"]
    speech_s: float


@dataclass(frozen=True, slots=True)
class Match:
    """A speaker's nearest voice, its cosine, and whether that is near enough."""

    speaker: str
    voice: str
    similarity: float
    same: bool

    @property
    def line(self) -> str:
        """What is told of it."""
        near = f"{quoted(self.voice)}, similarity {self.similarity:.2f}"
        if self.speaker == self.voice and self.same:
            return f"voice {near}"
        if self.same:
            return f"{quoted(self.speaker)} sounds like the voice {near}"
        return f"{quoted(self.speaker)} is nobody of the voices (nearest {near})"


def enrolled(folder: Path, encoder: SpeakerEncoder) -> tuple[Voice, ...]:
    """The voices of a folder, one file each, named like its person.

    Raises:
        OptionError: with every file that cannot be used, and why; or there is none.
    """
    if not encoder.trained:
        raise OptionError(
            f"--voices: {encoder.name} do not compare recordings; expected --speaker-model ge2e or "
            "an x-vector model"
        )
    if not folder.is_dir():
        raise OptionError(f"--voices {folder}: expected a folder with a recording of each person")
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    voices, faults = [], []
    for path in files:
        try:
            voices.append(_voice(path, encoder))
        except AudioError as error:
            faults.append(str(error))
    names = [voice.name for voice in voices]
    faults += [f"{name}: two files" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults or not voices:
        what = "; ".join(faults) or "no recording in it: expected NAME.wav of each person"
        raise OptionError(f"--voices {folder}: {what}")
    return tuple(voices)


def _voice(path: Path, encoder: SpeakerEncoder) -> Voice:
    describer = SpeechDescriber(encoder)
    speech = survey(path, describer=describer).speech()
    if not speech:
        raise AudioError(f"{path}: no speech in it")
    described = describer.described()
    if described.speech_s < LEAST_S:
        raise AudioError(
            f"{path}: {described.speech_s:.1f} s of speech, expected {LEAST_S:g} s or more, and "
            f"better {SHORT_S:g}"
        )
    return Voice(path.stem, mean_vector(described.vectors), described.speech_s)


def notes_on(voices: Sequence[Voice]) -> tuple[str, ...]:
    """Voices that are short, and pairs that might be taken for one another."""
    short = [
        f"the voice {quoted(voice.name)} has {voice.speech_s:.1f} s of speech: {SHORT_S:g} s or "
        "more tell people apart better"
        for voice in voices
        if voice.speech_s < SHORT_S
    ]
    pairs = [(one, two) for k, one in enumerate(voices) for two in voices[k + 1 :]]
    alike = [
        f"the voices {quoted(one.name)} and {quoted(two.name)} are alike (similarity "
        f"{cosine:.2f}): they may be taken for each other"
        for one, two in pairs
        if (cosine := float(one.vector @ two.vector)) >= SAME
    ]
    return (*short, *alike)


def matches(
    turns: Sequence[SpeakerTurn],
    speech: Sequence[Stretch],
    described: Described,
    voices: Sequence[Voice],
    apart: bool = True,
) -> tuple[Match, ...]:
    """The voice of every speaker of whom there is a window.

    Speakers who are people ``apart`` have a voice each, so that the sum of cosines is largest, as
    far as there are voices; else each has the nearest.
    """
    vectors = _vectors(turns, speech, described)
    if not vectors:
        return ()
    names = list(vectors)
    cosines = np.stack([vectors[name] for name in names]) @ np.stack([v.vector for v in voices]).T
    nearest = dict(enumerate(cosines.argmax(axis=1).tolist()))
    given = dict(zip(*map(np.ndarray.tolist, linear_sum_assignment(-cosines)), strict=True))
    found = []
    for row, name in enumerate(names):
        column = given.get(row, nearest[row]) if apart else nearest[row]
        seconds = sum(turn.length_s for turn in turns if turn.speaker == name)
        enough = cosines[row, column] >= (SAME if seconds >= LONG_S else SAME_SHORT)
        same = bool(enough) and (not apart or row in given)
        found.append(Match(name, voices[column].name, float(cosines[row, column]), same))
    return tuple(found)


def _vectors(
    turns: Sequence[SpeakerTurn], speech: Sequence[Stretch], described: Described
) -> Mapping[str, Float64[np.ndarray, "dim"]]:
    """The vector of every speaker: the mean of the windows whose middle lies in their turns."""
    lengths = np.array(described.lengths)
    firsts = np.cumsum(lengths) - lengths
    middles = np.array([(window.start + window.stop) / 2 for window in described.windows])
    number = np.searchsorted(firsts, middles, side="right") - 1
    starts_s = np.array([stretch.start_s for stretch in speech])
    times_s = starts_s[number] + (middles - firsts[number]) * FRAME_S
    inside: dict[str, np.ndarray] = {}
    for turn in turns:
        mask = (times_s >= turn.start_s) & (times_s < turn.end_s)
        inside[turn.speaker] = inside.get(turn.speaker, False) | mask
    return {
        speaker: mean_vector(described.vectors[mask])
        for speaker, mask in inside.items()
        if mask.any()
    }


def renamed(turns: Sequence[SpeakerTurn], found: Sequence[Match]) -> tuple[SpeakerTurn, ...]:
    """Turns with the names of voices in place of names that name nobody; others are kept."""
    taken = {turn.speaker for turn in turns}
    names = {
        match.speaker: match.voice
        for match in found
        if match.same and UNNAMED.fullmatch(match.speaker) and match.voice not in taken
    }
    return tuple(replace(turn, speaker=names.get(turn.speaker, turn.speaker)) for turn in turns)
