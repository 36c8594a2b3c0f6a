"""Words of pieces by a recogniser, each recognised once, with the reasons to doubt them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from encoders.asr.recognisers import PocketsphinxSpec, Transcript, parse_recogniser
from encoders.asr.transcription import Recogniser, TranscriptCache, load_recogniser
from encoders.audio import Audio
from encoders.checkpoints import MissingWeightsError
from encoders.store import audio_key
from experiments.interviews.doubts import doubts_about

#: Seconds of speech that a piece needs to be listened to: silence is not transcribed.
LEAST_SPEECH_S = 0.1
#: Recognisers where none is named: the second needs no download.
DEFAULT, WITHOUT_WEIGHTS = "whisper-base", "pocketsphinx"
SPHINX = (
    "pocketsphinx: a small English recogniser that needs no download; it gets many words wrong "
    "and gives no probabilities, so that only repetitions raise a doubt"
)


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a piece, None where none are known, and the reasons to doubt them."""

    text: str | None = None
    doubts: tuple[str, ...] = ()

    @property
    def trusted(self) -> str | None:
        """What goes to the model: doubtful words are missing words."""
        return None if self.doubts else self.text


class Recognition:
    """One recogniser with a cache of transcripts below a folder; loaded when first needed.

    Raises:
        ValueError: there is no such recogniser.
        MissingWeightsError: its weights are not to be had.
    """

    def __init__(self, asr: str, folder: Path, device: str = "cpu") -> None:
        self.asr = asr
        self.spec = parse_recogniser(asr)
        self.device = device
        self.why = ""
        self.languages: Counter[str] = Counter()
        self._cache = TranscriptCache(folder, self.spec)
        self._recogniser: Recogniser | None = None

    @property
    def about(self) -> str:
        """What the recogniser is, for a reader of the timeline."""
        what = SPHINX if isinstance(self.spec, PocketsphinxSpec) else self.asr
        return f"{what}{self.why}"

    def load(self) -> None:
        """Load the model now, so that one that is missing is told before hours of work."""
        if self._recogniser is None:
            self._recogniser = load_recogniser(self.spec, self.device)

    def moved_to(self, folder: Path) -> None:
        """Keep the transcripts of the next recording in a folder of its own."""
        self._cache = TranscriptCache(folder, self.spec)
        self.languages = Counter()

    def listen(self, audio: Audio) -> Said:
        """Words of a piece, recognised or remembered."""
        key = audio_key(audio)
        heard = self._cache.read(key) or self._recognise(key, audio)
        if heard.language is not None:
            self.languages[heard.language] += 1
        return Said(heard.text, doubts_about(heard))

    def _recognise(self, key: str, audio: Audio) -> Transcript:
        self.load()
        assert self._recogniser is not None
        transcript = self._recogniser.transcribe(audio)
        self._cache.write(key, transcript, self.device)
        return transcript


def recogniser_for(asr: str | None, device: str) -> Recognition | None:
    """The recogniser that was asked for, loaded; None where nothing is to be recognised.

    Raises:
        ValueError: there is no such recogniser.
        MissingWeightsError: it is named, and its weights are not to be had; or none is.
    """
    if asr == "none":
        return None
    found = Recognition(asr or DEFAULT, Path(), device)
    try:
        found.load()
    except MissingWeightsError:
        if asr is not None:
            raise
        found = Recognition(WITHOUT_WEIGHTS, Path(), device)
        found.why = f" ({DEFAULT} is not on this machine: serfusion models fetch {DEFAULT})"
        found.load()
    return found
