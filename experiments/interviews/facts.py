"""What a reader of a timeline must know of it: how and by what model it was made, and its notes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from encoders.analysis.voice_activity import Stretch
from encoders.messages import printable, with_count
from encoders.weights.cards import CARDS
from experiments.interviews.classify_segments import ClassifiedSegment
from experiments.interviews.emotion import EmotionScores
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import files_of
from experiments.interviews.recognition import LEAST_SPEECH_S, Recognition, WordUse
from experiments.interviews.segmentation import SpeakerTurn, SpeechIndex
from experiments.interviews.speakers import SOMEONE, SpeakerTurns
from experiments.interviews.speech_scan import SpeechScan, union
from experiments.interviews.voices import Voice, notes_on as notes_on_voices
from fusion.evaluation.emotions import DERIVED, DERIVED_FROM, derived_values
from fusion.model.card import level_lines, transductive
from fusion.model.fusion_model import FusionModel
from fusion.training.normalise import LEAST

#: Speech that turns or words leave out is told from so many seconds, and such a share, on: people
#: start a turn a little late and end it early.
TOLD_S, TOLD_SHARE = 1.0, 0.05
SYNTHETIC = (
    "SYNTHETIC SPEECH: this model learned from speech that a synthesiser made. What it says of "
    "people means nothing. Take serfusion interview demo, or a model trained on people"
)


#: In place of notes that quote names of speakers or words.
QUOTING = "notes on files of turns and words and on voices, which quote from them, are left out"


@dataclass(frozen=True, slots=True)
class Account:
    """All that the facts and notes of one timeline are told from.

    ``use`` is what became of words, ``voices`` are those of people who are known.
    """

    path: Path
    model: FusionModel
    model_sha256: str
    options: InterviewOptions
    recognition: Recognition | None
    use: WordUse
    voices: Sequence[Voice]
    surveyed: SpeechScan
    cast: SpeakerTurns
    heard: Sequence[ClassifiedSegment]

    def facts(self) -> dict[str, Any]:
        """Facts of a timeline, by their names."""
        options, spoken = self.options, self.recognition
        unable = [one for one in self.heard if not isinstance(one.sounds, EmotionScores)]
        who = "not told apart" if self.cast.how == SOMEONE else self._nameless(self.cast.how)
        return {
            "serfusion": version("serfusion"),
            **about_model(self.model),
            "model_sha256": self.model_sha256,
            "speakers": who,
            "words": self._nameless(self._words_from()),
            **({"packed": spoken.packed} if spoken is not None and spoken.packed else {}),
            **({"channel": options.channel} if options.channel is not None else {}),
            **({"redacted": "words, names and sound are left out"} if options.redact else {}),
            "languages": dict(spoken.languages) if spoken is not None else {},
            **about_answers(self.model, options),
            "smoothed_over": options.smooth,
            "silent": sum(segment.silent for segment in self.heard),
            "not_classified": [
                f"{one.piece.voice.start_s:.2f}-{one.piece.voice.end_s:.2f} s: {one.sounds}"
                for one in unable
            ],
            "notes": [self._nameless(note) for note in self._notes()],
        }

    def _notes(self) -> Iterator[str]:
        """Notes on the recording, on who speaks, on the model, and on words."""
        yield from self.surveyed.notes
        yield from self.cast.cautions
        quoting = (*notes_on_voices(self.voices), *self.cast.notes)
        yield from quoting if not self.options.redact else (QUOTING,) * bool(quoting)
        speech, known = self.surveyed.all_speech(), self.cast.how != SOMEONE
        if self.options.turns is not None or self.cast.how.startswith("turns of"):
            yield from turns_and_speech(self.cast.turns or self.cast.voices, speech)
        if self.options.transcript is not None:
            yield from words_and_speech(self.cast.voices, speech)
        yield from notes_on(self.model, self.heard, known, self.surveyed.level())
        yield from self._unread()
        if not known and any(modality.context for modality in self.model.modalities.values()):
            yield (
                "the model reads turns before each segment, and took all of them for turns of the "
                "same speaker: --speakers, --channels or --turns tell speakers apart"
            )

    def _unread(self) -> Iterator[str]:
        """Which words are shown and not classified, and why."""
        if self.options.words == "show":
            yield "words are shown, not classified (--words show)"
        given = self.options.words_file is not None or any(v.text for v in self.cast.voices)
        if given and self.use.languages and self.options.words is None:
            yield (
                f"words that were given are taken for {' or '.join(sorted(self.use.languages))}, "
                "which the text model knows; of another language, say --words show"
            )
        foreign = Counter(s.said.language for s in self.heard if self.use.is_foreign(s.said))
        if foreign:
            counts = ", ".join(f"{number} in {code}" for code, number in foreign.items())
            yield (
                f"{counts}: another language than the text model's "
                f"({', '.join(sorted(self.use.languages))}): these words are shown and not "
                "classified; --asr whisper-base@task=translate gives English ones, --words "
                "classify takes them all"
            )

    def _words_from(self) -> str:
        if self.options.words == "off":
            return "none"
        if (source := self.options.words_file) is not None:
            return f"transcript {source.name}"
        if self.recognition is not None:
            return self.recognition.about
        with_turns = any(voice.text is not None for voice in self.cast.voices)
        return "with the turns" if with_turns else "none"

    def _nameless(self, fact: str) -> str:
        """A fact without names of files, where these are not to be told."""
        if not self.options.redact_name:
            return fact
        given = (self.options.turns, self.options.transcript, self.options.voices)
        for name in (self.path.name, *(file.name for one in given for file in files_of(one))):
            fact = fact.replace(name, "a file")
        return fact


def about_model(model: FusionModel) -> dict[str, Any]:
    """Facts of a timeline; ``warnings`` stand above everything else on its page."""
    origin = model.origin
    warnings = [SYNTHETIC] if origin.synthetic else []
    if origin.caution:
        warnings.append(f"The model {origin.caution}")
    if model.normaliser is not None:
        warnings.append(transductive(model.normaliser.by))
    return {
        "model": model.arm,
        "numbers": model.meaning,
        "learned_from": list(origin.corpora) or ["not known"],
        "synthetic": origin.synthetic,
        "licence_of_model": origin.licence or None,
        "encoders": {name: modality.encoder.title for name, modality in model.modalities.items()},
        "warnings": warnings,
    }


def text_languages(model: FusionModel) -> frozenset[str]:
    """Languages that the text encoders of a model know, by two letters; empty if not known."""
    specs = [m.encoder for name, m in model.modalities.items() if name == "text"]
    cards = [CARDS.get(getattr(spec, "checkpoint", "")) for spec in specs]
    return frozenset(card.code for card in cards if card is not None and card.code is not None)


def about_answers(model: FusionModel, options: InterviewOptions) -> dict[str, Any]:
    """Facts of a timeline: from which probabilities something is answered, and what else follows.

    ``abstain_below`` is None where a class is always named.
    """
    if model.task == "regression":
        return {"abstain_below": None}
    own = None if model.abstention is None else model.abstention.threshold
    facts: dict[str, Any] = {
        "abstain_below": own if options.abstain is None else options.abstain,
        "levels": {
            level: f"{line}, all of the model's own corpus and not of this recording"
            for level, line in level_lines(model.levels).items()
        },
    }
    if options.sets is not None and model.sets is not None:
        speakers = with_count(model.sets.speakers, "development speaker")
        facts["sets"] = f"at a coverage of {options.sets:g}, by {speakers} of the model's corpus"
    nothing = derived_values((1 / len(model.targets),) * len(model.targets), model.targets)
    if nothing is not None:
        equal = " and ".join(f"{name} {at:.2f}" for name, at in zip(DERIVED, nothing, strict=True))
        facts["derived"] = (
            f"{' and '.join(DERIVED)}, {DERIVED_FROM}; equal probabilities, which say nothing, "
            f"give {equal}: what is unsure lies near there"
        )
    return facts


def notes_on(
    model: FusionModel, heard: Sequence[ClassifiedSegment], told_apart: bool, level: str
) -> Iterator[str]:
    """What a reader must know of what a model said of a recording.

    ``told_apart`` says whether it is known who speaks, ``level`` how loud it is.
    """
    if not heard:
        yield (
            f"no speech was found ({level}): listen to the recording, try --speech-threshold 0.3, "
            "or say --turns FILE"
        )
        return
    if model.normaliser is not None and model.normaliser.by == "speaker":
        yield from _baselines(heard, told_apart)
    reads_words = any(modality.name == "text" for modality in model.modalities.values())
    missing = sum(segment.said.trusted is None for segment in heard)
    if reads_words and missing:
        which = f"{with_count(missing, 'segment')} of {len(heard)}"
        yield f"{which} without words that can be trusted: classified by voice"
    if not reads_words:
        shown = "; words are shown, not classified" if any(s.said.text for s in heard) else ""
        yield f"the model hears the voice only{shown}"
    beyond = sum(_is_beyond(model, segment) for segment in heard)
    if beyond:
        which = f"{with_count(beyond, 'segment')} of {len(heard)}"
        yield f"{which} with values beyond those of training: this speech is unlike its corpus"
    said = "values" if model.task == "regression" else "probabilities"
    yield f"{said} are the model's own, learned on its corpus and not checked on this one"


def turns_and_speech(turns: Sequence[SpeakerTurn], speech: Sequence[Stretch]) -> Iterator[str]:
    """Speech outside the turns that were given, and turns without speech."""
    total_s, index = sum(stretch.length_s for stretch in speech), SpeechIndex(speech)
    within = union([Stretch(turn.start_s, turn.end_s) for turn in turns])
    outside_s = total_s - sum(index.seconds(held.start_s, held.end_s) for held in within)
    if outside_s >= max(TOLD_S, TOLD_SHARE * total_s):
        what = ": are they of this recording?" if outside_s > total_s / 2 else ""
        yield (
            f"{outside_s:.1f} of {total_s:.1f} s of speech lie outside the turns and are not "
            f"classified{what}"
        )
    empty = [t for t in turns if index.seconds(t.start_s, t.end_s) < LEAST_SPEECH_S]
    if empty:
        counts = f"{len(empty)} of {with_count(len(turns), 'turn')}"
        yield f"{counts}, {sum(t.length_s for t in empty):.1f} s, where no speech was found"


def words_and_speech(voices: Sequence[SpeakerTurn], speech: Sequence[Stretch]) -> Iterator[str]:
    """Speech that a transcript has no words for."""
    total_s, index = sum(stretch.length_s for stretch in speech), SpeechIndex(speech)
    worded = union([Stretch(v.start_s, v.end_s) for v in voices if v.text is not None])
    without_s = total_s - sum(index.seconds(held.start_s, held.end_s) for held in worded)
    if without_s >= max(TOLD_S, TOLD_SHARE * total_s):
        what = ": is it of this recording, and all of it?" if without_s > total_s / 2 else ""
        yield f"the transcript has no words for {without_s:.1f} of {total_s:.1f} s of speech{what}"


def _baselines(heard: Sequence[ClassifiedSegment], told_apart: bool) -> Iterator[str]:
    """Whose own statistics are somebody else's, or none."""
    if not told_apart:
        yield (
            "speakers are not told apart: all are standardised as one; --speakers N or --turns "
            "FILE gives each a baseline of their own"
        )
        return
    counts = Counter(segment.piece.voice.speaker for segment in heard)
    few = [printable(name) for name, count in counts.items() if count < LEAST]
    if few:
        yield (
            f"{', '.join(few)}: fewer than {LEAST} segments, standardised by training statistics"
        )


def _is_beyond(model: FusionModel, segment: ClassifiedSegment) -> bool:
    if (
        model.task != "regression"
        or not isinstance(segment.sounds, EmotionScores)
        or segment.silent
    ):
        return False
    spans = zip(segment.sounds.fused, model.outputs.lowest, model.outputs.highest, strict=True)
    return any(not low <= value <= high for value, low, high in spans)
